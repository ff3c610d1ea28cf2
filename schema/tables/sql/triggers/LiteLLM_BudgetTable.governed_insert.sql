CREATE TRIGGER governed_insert AFTER INSERT ON "LiteLLM_BudgetTable" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION switchgear_governed('budget', 'budget_id', 'budget_id');
