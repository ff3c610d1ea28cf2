CREATE TRIGGER governed_truncate AFTER TRUNCATE ON "LiteLLM_Config" FOR EACH STATEMENT EXECUTE FUNCTION switchgear_truncated();
