CREATE OR REPLACE FUNCTION public.switchgear_charge(kind text, id text, part text, amount numeric)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
-- Below zero, an amount is given back: down to zero, since the counter may have been set back meanwhile.
BEGIN
    CASE kind
        WHEN 'key' THEN UPDATE "LiteLLM_VerificationToken"
            SET spend = greatest(least(spend, 0), spend + amount) WHERE key_id = id;
        WHEN 'user' THEN UPDATE "LiteLLM_UserTable"
            SET spend = greatest(least(spend, 0), spend + amount) WHERE user_id = id;
        WHEN 'team' THEN UPDATE "LiteLLM_TeamTable"
            SET spend = greatest(least(spend, 0), spend + amount) WHERE team_id = id;
        WHEN 'member' THEN UPDATE "LiteLLM_TeamMembership"
            SET spend = greatest(least(spend, 0), spend + amount) WHERE team_id = id AND user_id = part;
        WHEN 'organization' THEN UPDATE "LiteLLM_OrganizationTable"
            SET spend = greatest(least(spend, 0), spend + amount) WHERE organization_id = id;
        WHEN 'project' THEN UPDATE "LiteLLM_ProjectTable"
            SET spend = greatest(least(spend, 0), spend + amount) WHERE project_id = id;
        WHEN 'customer' THEN UPDATE "LiteLLM_EndUserTable"
            SET spend = greatest(least(spend, 0), spend + amount) WHERE user_id = id;
        WHEN 'tag' THEN UPDATE "LiteLLM_TagTable"
            SET spend = greatest(least(spend, 0), spend + amount) WHERE tag_name = id;
    END CASE;
END $function$;
