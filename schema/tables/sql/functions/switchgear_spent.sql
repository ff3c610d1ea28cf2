CREATE OR REPLACE FUNCTION public.switchgear_spent(kind text, id text, part text)
 RETURNS numeric
 LANGUAGE plpgsql
AS $function$
-- The dollars that stand in the table people look at; null where there is no such row.
BEGIN
    RETURN CASE kind
        WHEN 'key' THEN (SELECT spend FROM "LiteLLM_VerificationToken" WHERE key_id = id)
        WHEN 'user' THEN (SELECT spend FROM "LiteLLM_UserTable" WHERE user_id = id)
        WHEN 'team' THEN (SELECT spend FROM "LiteLLM_TeamTable" WHERE team_id = id)
        WHEN 'member' THEN (SELECT spend FROM "LiteLLM_TeamMembership" WHERE team_id = id AND user_id = part)
        WHEN 'organization' THEN (SELECT spend FROM "LiteLLM_OrganizationTable" WHERE organization_id = id)
        WHEN 'project' THEN (SELECT spend FROM "LiteLLM_ProjectTable" WHERE project_id = id)
        WHEN 'customer' THEN (SELECT spend FROM "LiteLLM_EndUserTable" WHERE user_id = id)
        WHEN 'tag' THEN (SELECT spend FROM "LiteLLM_TagTable" WHERE tag_name = id)
    END;
END $function$;
