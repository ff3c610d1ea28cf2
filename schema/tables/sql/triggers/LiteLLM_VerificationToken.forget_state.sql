CREATE TRIGGER forget_state AFTER DELETE ON "LiteLLM_VerificationToken" FOR EACH ROW EXECUTE FUNCTION switchgear_forget_state();
