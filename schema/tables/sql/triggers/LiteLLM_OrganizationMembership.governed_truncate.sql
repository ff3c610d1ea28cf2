CREATE TRIGGER governed_truncate AFTER TRUNCATE ON "LiteLLM_OrganizationMembership" FOR EACH STATEMENT EXECUTE FUNCTION switchgear_truncated();
