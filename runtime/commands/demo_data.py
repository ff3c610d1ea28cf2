"""`just demo-data`: a believable month in the database of `just dev`. Refused where something is in it."""

import asyncio
import sys
from datetime import UTC, datetime, timedelta

import asyncpg

from runtime.commands.demo_sql import (
    BUDGETS,
    CALLS,
    COUNTERS,
    CUSTOMERS,
    FOUND,
    KEYS,
    MEMBERS,
    MODELS,
    PEOPLE,
    TEAMS,
)
from runtime.postgres.migrations import migrate
from runtime.postgres.partitions import ensure_partition
from schema.tables.partitions import month_of
from schema.tables.rollup_fill import FILL

DAYS = 45
"""A month, and half of the one before: the overview compares with it."""
WEEKEND = 0.28
"""What a day of a weekend is of a weekday."""
BAD_DAY = 2
"""So many days ago a provider had a bad afternoon."""


def fill_demo(dsn: str, rows: int) -> int:
    """Fill an empty database. Gives the exit code."""
    return asyncio.run(_fill(dsn, rows))


async def _fill(dsn: str, rows: int) -> int:
    await migrate(dsn)
    connection = await asyncpg.connect(dsn)
    try:
        if await connection.fetchval(FOUND):
            print(
                "switchgear: the database has keys, teams, users or calls already. Demo data is for an empty "
                "one: stop `just dev`, and name another directory in SWITCHGEAR_DATA.",
                file=sys.stderr,
            )
            return 3
        async with connection.transaction():
            made = await _insert(connection, rows)
    finally:
        await connection.close()
    print(f"switchgear: {made:,} calls of {DAYS} days, with teams, people, keys and budgets", file=sys.stderr)
    return 0


async def _insert(connection: asyncpg.Connection, rows: int) -> int:
    await connection.execute("SET LOCAL statement_timeout = 0; SELECT setseed(0.42)")
    for statement in (BUDGETS, TEAMS, PEOPLE, MEMBERS, KEYS, CUSTOMERS, MODELS):
        await connection.execute(statement)
    today = datetime.now(UTC).date()
    days = [today - timedelta(days=ago) for ago in reversed(range(DAYS))]
    weights = [(WEEKEND if day.weekday() > 4 else 1.0) * (1 + place / DAYS) for place, day in enumerate(days)]
    for month in sorted({month_of(day) for day in days}):
        await ensure_partition(connection, month)
    for day, weight in zip(days, weights, strict=True):
        start = datetime.combine(day, datetime.min.time())
        share = round(rows * weight / sum(weights))
        await connection.execute(CALLS, start, share, (today - day).days == BAD_DAY, timeout=600)
    for statement in FILL:
        await connection.execute(statement, timeout=600)
    await connection.execute(COUNTERS)
    made = await connection.fetchval('SELECT count(*) FROM "LiteLLM_SpendLogs"')
    return int(made)
