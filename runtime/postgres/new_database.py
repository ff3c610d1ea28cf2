"""The tables of a new database, made from one file instead of by all migrations one after the other.

`schema/tables/new_database.sql` has the tables as the migrations leave them, and enters these migrations in
Piccolo's ledger. So a new database is, from then on, one that has come all the way.
"""

from datetime import UTC, datetime
from pathlib import Path

import asyncpg

from schema.tables.partitions import BODIES, PARENT, create_partition, month_after, month_of

ROOT = Path(__file__).parents[2]
FILE = ROOT / "schema" / "tables" / "new_database.sql"
LOCK_KEY = 0x53574752
"""The advisory lock's number ("SWGR"): one migration at a time in a database."""
LOCK_TIMEOUT = "60s"
DDL_LOCK_TIMEOUT = "10s"


async def take_turn(connection: asyncpg.Connection) -> None:
    """Wait until no other server changes the tables. The turn ends with the connection's transaction."""
    await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    await connection.execute(f"SELECT pg_advisory_xact_lock({LOCK_KEY})")
    await connection.execute(f"SET LOCAL lock_timeout = '{DDL_LOCK_TIMEOUT}'")


async def create_tables(connection: asyncpg.Connection) -> None:
    """Make the tables, the partitions of this and the next month, and the entries of the migrations. The
    connection is in a transaction, and has its turn."""
    await connection.execute(FILE.read_text())
    month = month_of(datetime.now(UTC).date())
    for parent in (PARENT, BODIES):
        for each in (month, month_after(month)):
            for statement in create_partition(each, parent):
                await connection.execute(statement)
