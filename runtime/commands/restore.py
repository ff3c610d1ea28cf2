"""`just restore`: fills an empty database from a backup of the same version, and compares the counts of rows.

One transaction makes the tables and fills them. Until it ends nobody else sees a table, or tables that are
there already are locked: a gateway that is started too early can book nothing that the restore would delete.
"""

import asyncio
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO

import asyncpg
import msgspec

from runtime.commands.backup import (
    ALL_TABLES,
    APPLIED,
    LEDGER,
    MANIFEST,
    BackupError,
    SavedTables,
    guarded,
)
from runtime.postgres.new_database import create_tables, take_turn
from schema.secret import Secret

PIECE_BYTES = 256 * 1024
_GATEWAYS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name LIKE 'switchgear%'
"""


def restore(dsn: Secret, path: Path) -> SavedTables:
    """Restore a backup into an empty database, and compare the counts of rows. All of it happens, or nothing.
    Raises BackupError."""
    return asyncio.run(guarded(_restore(dsn.reveal(), path)))


async def _restore(dsn: str, path: Path) -> SavedTables:
    with zipfile.ZipFile(path) as packed:
        manifest = msgspec.json.decode(packed.read(MANIFEST), type=SavedTables)
        connection = await asyncpg.connect(dsn)
        try:
            await _check_alone(connection)
            async with connection.transaction():
                await _fill(connection, packed, manifest)
        finally:
            await connection.close()
    return manifest


async def _fill(connection: asyncpg.Connection, packed: zipfile.ZipFile, manifest: SavedTables) -> None:
    """Make the tables where there are none, lock them, and fill them. Raises BackupError."""
    await take_turn(connection)
    if not await _tables(connection):
        await create_tables(connection)
    await _check_empty(connection)
    applied = [row["name"] for row in await connection.fetch(APPLIED)]
    if applied != list(manifest.migrations):
        raise BackupError("the backup is of another version: restore it with that one, and update then")
    await _read(connection, packed, manifest)


async def _tables(connection: asyncpg.Connection) -> list[str]:
    return [row["relname"] for row in await connection.fetch(ALL_TABLES)]


async def _check_alone(connection: asyncpg.Connection) -> None:
    """Raise BackupError while a gateway is connected to the database."""
    found = await connection.fetchval(_GATEWAYS)
    if found:
        raise BackupError(
            f"gateways have {found} connections to this database: stop all that use it, and try again"
        )


async def _check_empty(connection: asyncpg.Connection) -> None:
    """Lock all tables until the transaction ends. Raise BackupError where a gateway is connected or a table
    has rows."""
    tables = await _tables(connection)
    if not tables:
        raise BackupError("no table could be made: the schema of DATABASE_URL may be missing")
    if LEDGER not in tables:
        raise BackupError(f"the database is not empty: it has {tables[0]}. Restore into a new database")
    named = ", ".join(f'"{table}"' for table in tables)
    await connection.execute(f"LOCK TABLE {named} IN ACCESS EXCLUSIVE MODE")
    await _check_alone(connection)
    for table in tables:
        if table != LEDGER and await connection.fetchval(f'SELECT EXISTS (SELECT 1 FROM "{table}")'):
            raise BackupError(f"the database is not empty: {table} has rows. Restore into a new database")


async def _read(connection: asyncpg.Connection, packed: zipfile.ZipFile, manifest: SavedTables) -> None:
    # Triggers would write audit rows and announce each row: the backup has what they wrote already.
    await connection.execute("SET LOCAL session_replication_role = replica")
    for each in manifest.partitions:
        await connection.execute(
            f'CREATE TABLE IF NOT EXISTS "{each.name}" PARTITION OF "{each.parent}" {each.bound}'
        )
    for table, columns in manifest.columns.items():
        with packed.open(f"tables/{table}") as member:
            await connection.copy_to_table(table, source=_pieces(member), columns=list(columns))
        found = await connection.fetchval(f'SELECT count(*) FROM "{table}"')
        if found != manifest.rows[table]:
            raise BackupError(f"{table}: {found} rows came, and the backup has {manifest.rows[table]}")
    for name, value in manifest.sequences.items():
        await connection.execute("SELECT setval($1::text::regclass, $2)", f'"{name}"', value)


async def _pieces(member: IO[bytes]) -> AsyncIterator[bytes]:
    while piece := member.read(PIECE_BYTES):
        yield piece
