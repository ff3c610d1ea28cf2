CREATE TRIGGER governed_delete AFTER DELETE ON "LiteLLM_TeamTable" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('team', 'team_id', 'team_id');
