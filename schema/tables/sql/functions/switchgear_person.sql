CREATE OR REPLACE FUNCTION public.switchgear_person(person text, of_team text, as_token text, as_key_id text, said text)
 RETURNS SETOF "Switchgear_Authority"
 LANGUAGE sql
 STABLE
AS $function$
-- What a person may do without a key, in the form of the authority view: a key is put together that has the
-- person, perhaps a team, and no limits of its own. `said` is the word for it in messages: session.
SELECT as_token, NULL::numeric, NULL::numeric,
       jsonb_build_object('token', as_token, 'key_id', as_key_id, 'user_id', asked.person,
                          'team_id', asked.of_team, 'noun', said),
       to_jsonb(u), to_jsonb(t), to_jsonb(m), to_jsonb(o),
       (SELECT jsonb_object_agg(b.budget_id, to_jsonb(b)) FROM "LiteLLM_BudgetTable" b
        WHERE b.budget_id IN (m.budget_id, t.member_budget_id, o.budget_id)),
       (SELECT jsonb_object_agg(own.team_id, jsonb_build_array(own.role, its.team_member_permissions))
        FROM "LiteLLM_TeamMembership" own JOIN "LiteLLM_TeamTable" its USING (team_id)
        WHERE own.user_id = asked.person),
       (SELECT jsonb_object_agg(own.organization_id, coalesce(own.user_role, ''))
        FROM "LiteLLM_OrganizationMembership" own WHERE own.user_id = asked.person),
       (SELECT jsonb_agg(jsonb_build_array(g.access_group_id, g.access_group_name, g.access_model_names))
        FROM "LiteLLM_AccessGroupTable" g
        WHERE g.access_group_id = ANY (t.access_group_ids)
           OR g.access_group_name = ANY (coalesce(t.models, '{}') || coalesce(u.models, '{}') || coalesce(o.models, '{}')))
FROM (SELECT person, of_team) AS asked (person, of_team)
LEFT JOIN "LiteLLM_UserTable" u ON u.user_id = asked.person
LEFT JOIN "LiteLLM_TeamTable" t ON t.team_id = asked.of_team
LEFT JOIN "LiteLLM_TeamMembership" m ON m.team_id = asked.of_team AND m.user_id = asked.person
LEFT JOIN "LiteLLM_OrganizationTable" o ON o.organization_id = t.organization_id
$function$;
