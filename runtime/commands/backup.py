"""`just backup` and `just restore`: all tables in one file, without Postgres's own programs.

A backup is a zip with a file of COPY's text for each table, all of one moment, and `manifest.json`. It is
restored into an empty database by the same version of the gateway: migrations make the tables, rows follow.
"""

import asyncio
import os
import time
import zipfile
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from pathlib import Path
from typing import IO

import asyncpg
import msgspec

from runtime.outbound import Unreachable, get_json
from runtime.postgres.migrations import MigrationFailed, migrate
from schema.errors.overload import DatabaseUnavailable
from schema.secret import Secret

MANIFEST = "manifest.json"
DRAIN_S = 30.0
PIECE_BYTES = 256 * 1024
LEDGER = "migration"
"""Piccolo's ledger. The restore's own migrations fill it."""
_TABLES = """
    SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY c.relname
"""
_COLUMNS = """
    SELECT attname FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0
    AND NOT attisdropped AND attgenerated = '' ORDER BY attnum
"""
_PARTITIONS = """
    SELECT c.relname AS name, p.relname AS parent, pg_get_expr(c.relpartbound, c.oid) AS bound
    FROM pg_class c JOIN pg_inherits i ON i.inhrelid = c.oid JOIN pg_class p ON p.oid = i.inhparent
    JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public' AND c.relkind = 'r'
    AND c.relispartition ORDER BY c.relname
"""
_SEQUENCES = """
    SELECT sequencename AS name, last_value AS value FROM pg_sequences
    WHERE schemaname = 'public' AND last_value IS NOT NULL ORDER BY sequencename
"""
_APPLIED = "SELECT name FROM migration WHERE app_name = 'switchgear' ORDER BY name"


class BackupError(Exception):
    """It can't be done. The message says why, and what to do."""


class Partition(msgspec.Struct, frozen=True):
    name: str
    parent: str
    bound: str


class SavedTables(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup holds."""

    made_at: float
    migrations: Sequence[str]
    columns: Mapping[str, Sequence[str]]
    rows: Mapping[str, int]
    partitions: Sequence[Partition]
    sequences: Mapping[str, int]


def drained(url: str, *, deadline_s: float = DRAIN_S) -> int:
    """Wait until the gateway at an address has booked what its journal holds. Gives how many rows still wait.
    0 also where no gateway runs: the next one books them."""
    ends_at = time.monotonic() + deadline_s
    while True:
        try:
            waiting = int(get_json(f"{url}/health/readiness", timeout_s=2.0).get("ledger_rows_waiting") or 0)
        except Unreachable:
            return 0
        if waiting == 0 or time.monotonic() > ends_at:
            return waiting
        time.sleep(0.2)


def backup(dsn: Secret, path: Path) -> SavedTables:
    """Write a backup. The file appears when it is whole, and only its owner may read it. Raises
    BackupError."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with (
            open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file,
            zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed,
        ):
            manifest = asyncio.run(_guarded(_backup(dsn.reveal(), packed)))
        draft.replace(path)
    except OSError as exc:
        raise BackupError(f"{exc.filename or path}: {exc.strerror}") from exc
    finally:
        draft.unlink(missing_ok=True)
    return manifest


def restore(dsn: Secret, path: Path) -> SavedTables:
    """Restore a backup into an empty database, and compare the counts of rows. All of it happens, or nothing.
    Raises BackupError."""
    return asyncio.run(_guarded(_restore(dsn.reveal(), path)))


async def _guarded(work: Awaitable[SavedTables]) -> SavedTables:
    try:
        return await work
    except asyncpg.PostgresError as exc:
        raise BackupError(f"Postgres refused: {exc}") from exc
    except (OSError, zipfile.BadZipFile, KeyError, msgspec.MsgspecError) as exc:
        raise BackupError(f"{type(exc).__name__}: {exc}") from exc
    except (MigrationFailed, DatabaseUnavailable) as exc:
        raise BackupError(str(exc)) from exc


async def _backup(dsn: str, packed: zipfile.ZipFile) -> SavedTables:
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            return await _write(connection, packed)
    finally:
        await connection.close()


async def _write(connection: asyncpg.Connection, packed: zipfile.ZipFile) -> SavedTables:
    columns: dict[str, Sequence[str]] = {}
    rows: dict[str, int] = {}
    for table in [row["relname"] for row in await connection.fetch(_TABLES)]:
        if table == LEDGER:
            continue
        columns[table] = [row["attname"] for row in await connection.fetch(_COLUMNS, f'"{table}"')]
        named = ", ".join(f'"{column}"' for column in columns[table])
        with packed.open(f"tables/{table}", "w", force_zip64=True) as member:

            async def write(data: bytes, to: IO[bytes] = member) -> None:
                to.write(data)

            told = await connection.copy_from_query(f'SELECT {named} FROM "{table}"', output=write)
        rows[table] = int(told.rpartition(" ")[2])
    manifest = SavedTables(
        made_at=time.time(),
        migrations=[row["name"] for row in await connection.fetch(_APPLIED)],
        columns=columns,
        rows=rows,
        partitions=[Partition(**dict(row)) for row in await connection.fetch(_PARTITIONS)],
        sequences={row["name"]: row["value"] for row in await connection.fetch(_SEQUENCES)},
    )
    packed.writestr(MANIFEST, msgspec.json.encode(manifest))
    return manifest


async def _restore(dsn: str, path: Path) -> SavedTables:
    with zipfile.ZipFile(path) as packed:
        manifest = msgspec.json.decode(packed.read(MANIFEST), type=SavedTables)
        connection = await asyncpg.connect(dsn)
        try:
            await _check_empty(connection)
            await migrate(dsn)
            applied = [row["name"] for row in await connection.fetch(_APPLIED)]
            if applied != list(manifest.migrations):
                raise BackupError(
                    "the backup is of another version: restore it with that one, and update then"
                )
            async with connection.transaction():
                await _read(connection, packed, manifest)
        finally:
            await connection.close()
    return manifest


async def _check_empty(connection: asyncpg.Connection) -> None:
    for table in [row["relname"] for row in await connection.fetch(_TABLES)]:
        if table in ("LiteLLM_UserTable", "LiteLLM_VerificationToken", "LiteLLM_SpendLogs") and (
            await connection.fetchval(f'SELECT EXISTS (SELECT 1 FROM "{table}")')
        ):
            raise BackupError(f"the database is not empty: {table} has rows. Restore into a new database")


async def _read(connection: asyncpg.Connection, packed: zipfile.ZipFile, manifest: SavedTables) -> None:
    # Triggers would write audit rows and announce each row: the backup has what they wrote already.
    await connection.execute("SET LOCAL session_replication_role = replica")
    for each in manifest.partitions:
        await connection.execute(
            f'CREATE TABLE IF NOT EXISTS "{each.name}" PARTITION OF "{each.parent}" {each.bound}'
        )
    for table, columns in manifest.columns.items():
        await connection.execute(f'DELETE FROM "{table}"')
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
