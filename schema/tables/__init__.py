"""The Piccolo tables, with LiteLLM's table and column names.

Columns that LiteLLM has are `timestamp` without zone holding UTC, as its users' SQL expects; Python
has aware UTC times everywhere else, and `naive` and `aware` convert at this edge. Money is NUMERIC
dollars where the peer has a double: exact, and the same in SQL.
"""

from datetime import UTC, datetime


def naive(moment: datetime) -> datetime:
    """An aware time as the columns hold it."""
    return (moment if moment.tzinfo is UTC else moment.astimezone(UTC)).replace(tzinfo=None)


def aware(moment: datetime) -> datetime:
    """A column's time as an aware one."""
    return moment.replace(tzinfo=UTC)
