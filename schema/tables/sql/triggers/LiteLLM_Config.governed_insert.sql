CREATE TRIGGER governed_insert AFTER INSERT ON "LiteLLM_Config" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('config', 'param_name', 'param_name');
