CREATE TRIGGER person_barred AFTER UPDATE OF blocked, deactivated ON "LiteLLM_UserTable" FOR EACH ROW WHEN (new.blocked OR new.deactivated) EXECUTE FUNCTION switchgear_person_left();
