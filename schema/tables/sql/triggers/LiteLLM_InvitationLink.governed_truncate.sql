CREATE TRIGGER governed_truncate AFTER TRUNCATE ON "LiteLLM_InvitationLink" FOR EACH STATEMENT EXECUTE FUNCTION switchgear_truncated();
