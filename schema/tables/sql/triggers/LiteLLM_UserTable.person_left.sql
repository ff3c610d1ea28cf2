CREATE TRIGGER person_left AFTER DELETE ON "LiteLLM_UserTable" FOR EACH ROW EXECUTE FUNCTION switchgear_person_left();
