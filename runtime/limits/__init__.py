"""Budgets and limits: which stand over a call, leases of them, and letting it in."""
