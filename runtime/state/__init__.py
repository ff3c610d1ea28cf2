"""Values that the gateway keeps for callers: sealed, bound to their owner, and gone after a time."""
