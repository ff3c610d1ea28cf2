"""Budgets and limits: the rules over a call, the leases, and the admission of an attempt."""
