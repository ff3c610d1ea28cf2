CREATE TRIGGER governed_truncate AFTER TRUNCATE ON "LiteLLM_TagTable" FOR EACH STATEMENT EXECUTE FUNCTION switchgear_truncated();
