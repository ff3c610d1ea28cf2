CREATE TRIGGER governed_truncate AFTER TRUNCATE ON "LiteLLM_BudgetTable" FOR EACH STATEMENT EXECUTE FUNCTION switchgear_truncated();
