CREATE TRIGGER governed_truncate AFTER TRUNCATE ON "LiteLLM_TeamMembership" FOR EACH STATEMENT EXECUTE FUNCTION switchgear_truncated();
