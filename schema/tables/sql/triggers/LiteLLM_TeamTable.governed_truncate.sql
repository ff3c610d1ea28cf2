CREATE TRIGGER governed_truncate AFTER TRUNCATE ON "LiteLLM_TeamTable" FOR EACH STATEMENT EXECUTE FUNCTION switchgear_truncated();
