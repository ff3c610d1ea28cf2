CREATE TRIGGER governed_insert AFTER INSERT ON "LiteLLM_ProxyModelTable" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('model', 'model_id', 'model_id');
