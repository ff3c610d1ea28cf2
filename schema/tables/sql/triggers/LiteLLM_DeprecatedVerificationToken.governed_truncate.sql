CREATE TRIGGER governed_truncate AFTER TRUNCATE ON "LiteLLM_DeprecatedVerificationToken" FOR EACH STATEMENT EXECUTE FUNCTION switchgear_truncated();
