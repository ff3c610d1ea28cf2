"""Who calls: a credential to a caller, with its budgets and limits."""
