CREATE TRIGGER governed_truncate AFTER TRUNCATE ON "LiteLLM_ProjectTable" FOR EACH STATEMENT EXECUTE FUNCTION switchgear_truncated();
