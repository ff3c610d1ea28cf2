CREATE TRIGGER governed_insert AFTER INSERT ON "LiteLLM_InvitationLink" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('invitation', 'id', 'id');
