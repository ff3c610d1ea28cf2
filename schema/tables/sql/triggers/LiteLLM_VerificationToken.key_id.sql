CREATE TRIGGER key_id BEFORE INSERT ON "LiteLLM_VerificationToken" FOR EACH ROW EXECUTE FUNCTION switchgear_key_id();
