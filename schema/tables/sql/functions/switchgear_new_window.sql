CREATE OR REPLACE FUNCTION public.switchgear_new_window(kind text, id text, part text, ends timestamp with time zone, roll boolean)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
-- Write the window's end where people look, and begin at zero where one is over.
DECLARE
    closes timestamp := ends AT TIME ZONE 'UTC';
    over timestamp := clock_timestamp() AT TIME ZONE 'UTC';
BEGIN
    CASE kind
        WHEN 'key' THEN UPDATE "LiteLLM_VerificationToken" SET budget_reset_at = closes,
            spend = CASE WHEN roll OR budget_reset_at <= over THEN 0 ELSE spend END WHERE key_id = id;
        WHEN 'user' THEN UPDATE "LiteLLM_UserTable" SET budget_reset_at = closes,
            spend = CASE WHEN roll OR budget_reset_at <= over THEN 0 ELSE spend END WHERE user_id = id;
        WHEN 'team' THEN UPDATE "LiteLLM_TeamTable" SET budget_reset_at = closes,
            spend = CASE WHEN roll OR budget_reset_at <= over THEN 0 ELSE spend END WHERE team_id = id;
        WHEN 'member' THEN UPDATE "LiteLLM_TeamMembership" SET spend = CASE WHEN roll THEN 0 ELSE spend END
            WHERE team_id = id AND user_id = part;
        WHEN 'organization' THEN UPDATE "LiteLLM_OrganizationTable"
            SET spend = CASE WHEN roll THEN 0 ELSE spend END WHERE organization_id = id;
        WHEN 'project' THEN UPDATE "LiteLLM_ProjectTable" SET spend = CASE WHEN roll THEN 0 ELSE spend END
            WHERE project_id = id;
        WHEN 'customer' THEN UPDATE "LiteLLM_EndUserTable" SET spend = CASE WHEN roll THEN 0 ELSE spend END
            WHERE user_id = id;
        WHEN 'tag' THEN UPDATE "LiteLLM_TagTable" SET spend = CASE WHEN roll THEN 0 ELSE spend END
            WHERE tag_name = id;
        ELSE NULL;
    END CASE;
END $function$;
