CREATE TRIGGER governed_delete AFTER DELETE ON "LiteLLM_InvitationLink" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('invitation', 'id', 'id');
