CREATE TRIGGER governed_truncate AFTER TRUNCATE ON "LiteLLM_UserTable" FOR EACH STATEMENT EXECUTE FUNCTION switchgear_truncated();
