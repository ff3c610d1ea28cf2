CREATE TRIGGER governed_truncate AFTER TRUNCATE ON "LiteLLM_AccessGroupTable" FOR EACH STATEMENT EXECUTE FUNCTION switchgear_truncated();
