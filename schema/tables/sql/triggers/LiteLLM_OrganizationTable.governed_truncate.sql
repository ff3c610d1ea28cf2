CREATE TRIGGER governed_truncate AFTER TRUNCATE ON "LiteLLM_OrganizationTable" FOR EACH STATEMENT EXECUTE FUNCTION switchgear_truncated();
