CREATE TRIGGER governed_update AFTER UPDATE ON "LiteLLM_SSOConfig" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('sso', 'id', 'id');
