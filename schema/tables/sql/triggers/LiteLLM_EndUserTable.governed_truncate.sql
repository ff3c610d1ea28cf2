CREATE TRIGGER governed_truncate AFTER TRUNCATE ON "LiteLLM_EndUserTable" FOR EACH STATEMENT EXECUTE FUNCTION switchgear_truncated();
