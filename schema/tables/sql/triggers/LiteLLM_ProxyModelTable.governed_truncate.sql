CREATE TRIGGER governed_truncate AFTER TRUNCATE ON "LiteLLM_ProxyModelTable" FOR EACH STATEMENT EXECUTE FUNCTION switchgear_truncated();
