"""Booked rows for the tests of corrections and bills."""

from collections.abc import Sequence
from decimal import Decimal

import asyncpg

from runtime.books.insert import insert_rows
from runtime.postgres.database import Database
from runtime.postgres.partitions import ensure_partition, months_of
from schema.ledger.rows import SpendRow

COUNTERS = (
    ("LiteLLM_VerificationToken", "key_id"),
    ("LiteLLM_UserTable", "user_id"),
    ("LiteLLM_TeamTable", "team_id"),
    ("LiteLLM_TeamMembership", "team_id"),
    ("LiteLLM_OrganizationTable", "organization_id"),
    ("LiteLLM_EndUserTable", "user_id"),
)


async def book(database: Database, *rows: SpendRow) -> None:
    """Book rows as the bookkeeper does."""
    async with database.connection() as connection:
        for month in months_of(rows):
            await ensure_partition(connection, month)
        await insert_rows(connection, rows)


async def fetch(database: Database, sql: str, *arguments: object) -> Sequence[asyncpg.Record]:
    async with database.connection() as connection:
        found: Sequence[asyncpg.Record] = await connection.fetch(sql, *arguments)
        return found


async def total(database: Database, request_id: str) -> Decimal:
    """What a call costs in dollars, with its corrections."""
    rows = await fetch(
        database,
        'SELECT sum(spend) AS spend FROM "LiteLLM_SpendLogs" WHERE request_id = $1 OR corrects = $1',
        request_id,
    )
    return Decimal(rows[0]["spend"])


async def counters(database: Database) -> list[Decimal]:
    """What the key, user, team, member, organization and customer spent. There is one of each."""
    found = []
    for table, _ in COUNTERS:
        rows = await fetch(database, f'SELECT sum(spend) AS spend FROM "{table}"')
        found.append(Decimal(rows[0]["spend"]))
    return found


OWNERS = (
    f"""INSERT INTO "LiteLLM_VerificationToken" (token, key_id) VALUES ('{"a" * 64}', '{"a" * 64}')""",
    """INSERT INTO "LiteLLM_UserTable" (user_id) VALUES ('alice')""",
    """INSERT INTO "LiteLLM_TeamTable" (team_id) VALUES ('red')""",
    """INSERT INTO "LiteLLM_TeamMembership" (team_id, user_id) VALUES ('red', 'alice')""",
    """INSERT INTO "LiteLLM_BudgetTable" (budget_id) VALUES ('b')""",
    """INSERT INTO "LiteLLM_OrganizationTable" (organization_id, organization_alias, budget_id)
       VALUES ('acme', 'Acme', 'b')""",
    """INSERT INTO "LiteLLM_EndUserTable" (user_id) VALUES ('carl')""",
)
"""SQL for one holder of each kind. The rows of `tests/runtime/attempts.py` belong to them."""
OWNED = {"organization_id": "acme", "end_user": "carl"}
