"""Makes the monthly partitions, each before its first row is inserted."""

import logging
from collections.abc import Iterable
from datetime import date

import asyncpg

from schema.errors.overload import DatabaseUnavailable
from schema.ledger.rows import SpendRow
from schema.tables.partitions import MAX_NUMBER, PARENT, TOO_OLD, create_partition, month_of, partition_name

log = logging.getLogger(__name__)

PARTITION_LOCK_KEY = 0x53575250
"""The number of the advisory lock ("SWRP" in ASCII) that lets one process at a time make a partition."""

_PARTITIONS = """
    SELECT n.name, c.oid IS NOT NULL AS there, i.inhparent IS NOT NULL AS inside,
           coalesce(i.inhdetachpending, false) AS detaching,
           obj_description(c.oid, 'pg_class') IS NOT DISTINCT FROM $3 AS dropping
    FROM unnest($1::text[]) WITH ORDINALITY n(name, place)
    LEFT JOIN pg_class c ON c.oid = to_regclass('"' || n.name || '"')
    LEFT JOIN pg_inherits i ON i.inhrelid = c.oid AND i.inhparent = to_regclass('"' || $2::text || '"')
    ORDER BY n.place
"""


async def ensure_partition(connection: asyncpg.Connection, month: date, parent: str = PARENT) -> None:
    """Make the partition of a month, unless it exists. Where somebody has detached a table with its name, to
    keep it, the partition's name gets the next number. Raises DatabaseUnavailable where all nine names are
    taken so."""
    names = [partition_name(month, parent, number) for number in range(1, MAX_NUMBER + 1)]
    async with connection.transaction():
        await connection.execute("SET LOCAL lock_timeout = '5s'")
        await connection.execute(f"SELECT pg_advisory_xact_lock({PARTITION_LOCK_KEY})")
        tables = await connection.fetch(_PARTITIONS, names, parent, TOO_OLD)
        if any(table["inside"] and not table["detaching"] for table in tables):
            return
        for table in tables:
            if table["detaching"]:  # retention, or somebody else, was broken off while detaching
                await connection.execute(
                    f'ALTER TABLE "{parent}" DETACH PARTITION "{table["name"]}" FINALIZE'
                )
        # a table that retention has detached and not yet dropped is used again
        free = [place for place, table in enumerate(tables) if table["dropping"] or not table["there"]]
        if not free:
            raise DatabaseUnavailable(f"{names[0]} to {names[-1]} are all detached: rename some of them.")
        name, there = names[free[0]], tables[free[0]]["there"]
        create, attach = create_partition(month, parent, free[0] + 1)
        if not there:
            await connection.execute(create)
        await connection.execute(attach)
        await connection.execute(f'COMMENT ON TABLE "{name}" IS NULL')
    if free[0]:
        log.warning("%s is detached, and kept by somebody: rows of its month go to %s", names[0], name)


def months_of(rows: Iterable[SpendRow]) -> set[date]:
    """The months of these rows, each as its first day."""
    return {month_of(row.started_at.date()) for row in rows}
