"""The monthly partitions of the spend ledger and of the bodies beside it, as SQL text. Used by the
migrations, the writers and retention."""

from datetime import date

PARENT = "LiteLLM_SpendLogs"
BODIES = "Switchgear_Bodies"
TOO_OLD = "switchgear: too old, to be dropped"
"""The comment of a month that retention has detached: one that somebody else did, to keep it, has none."""
MAX_NUMBER = 9
"""Of tables for one month."""


def month_of(day: date) -> date:
    """The first day of the month, which names a partition."""
    return date(day.year, day.month, 1)


def month_after(month: date) -> date:
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def partition_name(month: date, parent: str = PARENT, number: int = 1) -> str:
    """`number` above 1: a further one, where somebody keeps the first as a table of its own."""
    name = f"{parent}_{month.year:04}_{month.month:02}"
    return name if number == 1 else f"{name}_{number}"


def create_partition(month: date, parent: str = PARENT, number: int = 1) -> tuple[str, ...]:
    """The statements that make one month's partition, to be run in one transaction.

    The table is made apart and then attached: attaching lets reads and writes of the other
    months go on, which CREATE ... PARTITION OF would not.
    """
    name = partition_name(month, parent, number)
    return (
        f'CREATE TABLE "{name}" (LIKE "{parent}" INCLUDING DEFAULTS INCLUDING CONSTRAINTS)',
        f'ALTER TABLE "{parent}" ATTACH PARTITION "{name}"'
        f" FOR VALUES FROM ('{month}') TO ('{month_after(month)}')",
    )
