CREATE TRIGGER governed_delete AFTER DELETE ON "LiteLLM_Config" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('config', 'param_name', 'param_name');
