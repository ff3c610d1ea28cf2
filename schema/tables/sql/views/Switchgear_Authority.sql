CREATE VIEW "Switchgear_Authority" AS
 WITH presented AS (
         SELECT "LiteLLM_VerificationToken".token AS presented,
            NULL::timestamp without time zone AS revoke_at,
            "LiteLLM_VerificationToken".token
           FROM "LiteLLM_VerificationToken"
        UNION ALL
         SELECT "LiteLLM_DeprecatedVerificationToken".token,
            "LiteLLM_DeprecatedVerificationToken".revoke_at,
            "LiteLLM_DeprecatedVerificationToken".active_token_id
           FROM "LiteLLM_DeprecatedVerificationToken"
        )
 SELECT p.presented,
    EXTRACT(epoch FROM p.revoke_at) AS revoke_at,
    EXTRACT(epoch FROM k.expires) AS expires,
    to_jsonb(k.*) || jsonb_build_object('project', to_jsonb(pr.*)) AS key,
    to_jsonb(u.*) AS "user",
    to_jsonb(t.*) AS team,
    to_jsonb(m.*) AS member,
    to_jsonb(o.*) AS organization,
    ( SELECT jsonb_object_agg(b.budget_id, to_jsonb(b.*)) AS jsonb_object_agg
           FROM "LiteLLM_BudgetTable" b
          WHERE b.budget_id = ANY (ARRAY[k.budget_id, m.budget_id, t.member_budget_id, o.budget_id, pr.budget_id])) AS budgets,
    ( SELECT jsonb_object_agg(own.team_id, jsonb_build_array(own.role, its.team_member_permissions)) AS jsonb_object_agg
           FROM "LiteLLM_TeamMembership" own
             JOIN "LiteLLM_TeamTable" its USING (team_id)
          WHERE own.user_id = k.user_id) AS teams,
    ( SELECT jsonb_object_agg(own.organization_id, COALESCE(own.user_role, ''::text)) AS jsonb_object_agg
           FROM "LiteLLM_OrganizationMembership" own
          WHERE own.user_id = k.user_id) AS organizations,
    ( SELECT jsonb_agg(jsonb_build_array(g.access_group_id, g.access_group_name, g.access_model_names)) AS jsonb_agg
           FROM "LiteLLM_AccessGroupTable" g
          WHERE (g.access_group_id = ANY ((k.access_group_ids || t.access_group_ids))) OR (g.access_group_name = ANY ((((k.models || t.models) || u.models) || o.models)))) AS access_groups
   FROM presented p
     JOIN "LiteLLM_VerificationToken" k ON k.token = p.token
     LEFT JOIN "LiteLLM_UserTable" u ON u.user_id = k.user_id
     LEFT JOIN "LiteLLM_TeamTable" t ON t.team_id = k.team_id
     LEFT JOIN "LiteLLM_TeamMembership" m ON m.team_id = k.team_id AND m.user_id = k.user_id
     LEFT JOIN "LiteLLM_OrganizationTable" o ON o.organization_id = COALESCE(k.organization_id, t.organization_id)
     LEFT JOIN "LiteLLM_ProjectTable" pr ON pr.project_id = k.project_id;
