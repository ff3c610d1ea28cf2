CREATE TRIGGER governed_delete AFTER DELETE ON "LiteLLM_EndUserTable" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('customer', 'user_id', 'user_id');
