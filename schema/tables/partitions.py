"""The monthly partitions of the spend ledger, as SQL text. Used by the migration and the writer."""

from datetime import date

PARENT = "LiteLLM_SpendLogs"


def month_of(day: date) -> date:
    """The first day of the month, which names a partition."""
    return date(day.year, day.month, 1)


def month_after(month: date) -> date:
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def partition_name(month: date) -> str:
    return f"{PARENT}_{month:%Y_%m}"


def create_partition(month: date) -> tuple[str, ...]:
    """The statements that make one month's partition, to be run in one transaction.

    The table is made apart and then attached: attaching lets reads and writes of the other
    months go on, which CREATE ... PARTITION OF would not.
    """
    name = partition_name(month)
    return (
        f'CREATE TABLE "{name}" (LIKE "{PARENT}" INCLUDING DEFAULTS INCLUDING CONSTRAINTS)',
        f'ALTER TABLE "{PARENT}" ATTACH PARTITION "{name}"'
        f" FOR VALUES FROM ('{month}') TO ('{month_after(month)}')",
    )
