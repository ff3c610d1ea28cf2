CREATE TRIGGER governed_delete AFTER DELETE ON "LiteLLM_ProxyModelTable" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('model', 'model_id', 'model_id');
