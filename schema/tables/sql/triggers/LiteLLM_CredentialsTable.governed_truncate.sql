CREATE TRIGGER governed_truncate AFTER TRUNCATE ON "LiteLLM_CredentialsTable" FOR EACH STATEMENT EXECUTE FUNCTION switchgear_truncated();
