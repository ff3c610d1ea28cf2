CREATE TRIGGER governed_insert AFTER INSERT ON "LiteLLM_EndUserTable" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('customer', 'user_id', 'user_id');
