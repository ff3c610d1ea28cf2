CREATE TRIGGER governed_insert AFTER INSERT ON "LiteLLM_SSOConfig" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('sso', 'id', 'id');
