CREATE TRIGGER governed_delete AFTER DELETE ON "LiteLLM_SSOConfig" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('sso', 'id', 'id');
