CREATE TRIGGER governed_delete AFTER DELETE ON "LiteLLM_UserTable" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('user', 'user_id', 'user_id');
