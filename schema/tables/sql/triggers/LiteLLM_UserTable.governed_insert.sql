CREATE TRIGGER governed_insert AFTER INSERT ON "LiteLLM_UserTable" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('user', 'user_id', 'user_id');
