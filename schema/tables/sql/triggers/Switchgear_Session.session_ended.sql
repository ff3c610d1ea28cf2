CREATE TRIGGER session_ended AFTER DELETE ON "Switchgear_Session" FOR EACH ROW WHEN (old.expires_at > now()) EXECUTE FUNCTION switchgear_session_ended();
