CREATE OR REPLACE FUNCTION public.switchgear_members()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
-- The columns in which LiteLLM's users look for members. The team's row is locked first, so that the
-- statement after it sees every membership that was committed before.
DECLARE
    before text := current_setting('switchgear.bookkeeping', true);
    team text := CASE WHEN TG_OP = 'DELETE' THEN OLD.team_id ELSE NEW.team_id END;
    member text := CASE WHEN TG_OP = 'DELETE' THEN OLD.user_id ELSE NEW.user_id END;
BEGIN
    PERFORM set_config('switchgear.bookkeeping', 'on', true);
    PERFORM 1 FROM "LiteLLM_TeamTable" WHERE team_id = team FOR UPDATE;
    UPDATE "LiteLLM_TeamTable" SET members_with_roles = coalesce((
        SELECT jsonb_agg(jsonb_build_object('role', m.role, 'user_id', m.user_id, 'user_email', u.user_email)
                         ORDER BY m.created_at, m.user_id)
        FROM "LiteLLM_TeamMembership" m LEFT JOIN "LiteLLM_UserTable" u USING (user_id)
        WHERE m.team_id = team), '[]') WHERE team_id = team;
    PERFORM 1 FROM "LiteLLM_UserTable" WHERE user_id = member FOR UPDATE;
    UPDATE "LiteLLM_UserTable" SET teams = coalesce((
        SELECT array_agg(team_id ORDER BY created_at, team_id)
        FROM "LiteLLM_TeamMembership" WHERE user_id = member), '{}') WHERE user_id = member;
    PERFORM set_config('switchgear.bookkeeping', coalesce(before, ''), true);
    RETURN NULL;
END $function$;
