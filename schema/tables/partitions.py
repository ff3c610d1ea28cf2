"""The monthly partitions of the spend ledger and of the bodies beside it, as SQL text. Used by the
migrations, the writers and retention."""

from datetime import date

PARENT = "LiteLLM_SpendLogs"
BODIES = "Switchgear_Bodies"


def month_of(day: date) -> date:
    """The first day of the month, which names a partition."""
    return date(day.year, day.month, 1)


def month_after(month: date) -> date:
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def partition_name(month: date, parent: str = PARENT) -> str:
    return f"{parent}_{month.year:04}_{month.month:02}"


def create_partition(month: date, parent: str = PARENT) -> tuple[str, ...]:
    """The statements that make one month's partition, to be run in one transaction.

    The table is made apart and then attached: attaching lets reads and writes of the other
    months go on, which CREATE ... PARTITION OF would not.
    """
    name = partition_name(month, parent)
    return (
        f'CREATE TABLE "{name}" (LIKE "{parent}" INCLUDING DEFAULTS INCLUDING CONSTRAINTS)',
        f'ALTER TABLE "{parent}" ATTACH PARTITION "{name}"'
        f" FOR VALUES FROM ('{month}') TO ('{month_after(month)}')",
    )
