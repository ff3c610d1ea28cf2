CREATE TRIGGER governed_truncate AFTER TRUNCATE ON "LiteLLM_VerificationToken" FOR EACH STATEMENT EXECUTE FUNCTION switchgear_truncated();
