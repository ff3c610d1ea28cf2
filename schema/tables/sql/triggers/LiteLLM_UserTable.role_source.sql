CREATE TRIGGER role_source BEFORE INSERT OR UPDATE OF user_role ON "LiteLLM_UserTable" FOR EACH ROW EXECUTE FUNCTION switchgear_role_source();
