"""Who calls: a credential becomes a caller, with the budgets and limits over the caller."""
