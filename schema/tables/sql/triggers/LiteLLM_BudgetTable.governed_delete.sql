CREATE TRIGGER governed_delete AFTER DELETE ON "LiteLLM_BudgetTable" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('budget', 'budget_id', 'budget_id');
