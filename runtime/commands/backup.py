"""`just backup`: all tables in one file, without Postgres's own programs.

A backup is a zip with a file of COPY's text for each table, all of one moment, and `manifest.json`.
`runtime/commands/restore.py` fills an empty database from it.
"""

import asyncio
import os
import time
import zipfile
from collections.abc import Awaitable, Mapping, Sequence
from pathlib import Path
from typing import IO

import asyncpg
import msgspec

from runtime.postgres.migrations import ForeignDatabase, MigrationFailed
from schema.errors.overload import DatabaseUnavailable
from schema.secret import Secret

MANIFEST = "manifest.json"
LEDGER = "migration"
"""Piccolo's ledger. What makes the tables of the restored database fills it."""
ALL_TABLES = """
    SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY c.relname
"""
_COLUMNS = """
    SELECT attname FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0
    AND NOT attisdropped AND attgenerated = '' ORDER BY attnum
"""
_PARTITIONS = """
    SELECT c.relname AS name, p.relname AS parent, pg_get_expr(c.relpartbound, c.oid) AS bound
    FROM pg_class c JOIN pg_inherits i ON i.inhrelid = c.oid JOIN pg_class p ON p.oid = i.inhparent
    JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = current_schema() AND c.relkind = 'r'
    AND c.relispartition ORDER BY c.relname
"""
_SEQUENCES = """
    SELECT sequencename AS name, last_value AS value FROM pg_sequences
    WHERE schemaname = current_schema() AND last_value IS NOT NULL ORDER BY sequencename
"""
APPLIED = "SELECT name FROM migration WHERE app_name = 'switchgear' ORDER BY name"


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


def backup(dsn: Secret, path: Path) -> SavedTables:
    """Write a backup. The file appears when it is whole, and only its owner may read it. Raises
    BackupError."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with (
            open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file,
            zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed,
        ):
            manifest = asyncio.run(guarded(_backup(dsn.reveal(), packed)))
        draft.replace(path)
    except OSError as exc:
        raise BackupError(f"{exc.filename or path}: {exc.strerror}") from exc
    finally:
        draft.unlink(missing_ok=True)
    return manifest


async def guarded(work: Awaitable[SavedTables]) -> SavedTables:
    """What the work gives. Raises BackupError in place of the errors of Postgres and of the file."""
    try:
        return await work
    except asyncpg.PostgresError as exc:
        raise BackupError(f"Postgres refused: {exc}") from exc
    except (OSError, zipfile.BadZipFile, KeyError, msgspec.MsgspecError) as exc:
        raise BackupError(f"{type(exc).__name__}: {exc}") from exc
    except (ForeignDatabase, MigrationFailed, DatabaseUnavailable) as exc:
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
    tables = [row["relname"] for row in await connection.fetch(ALL_TABLES)]
    if LEDGER not in tables:
        raise BackupError("the database has no tables of Switchgear, in the schema of DATABASE_URL at least")
    for table in tables:
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
        migrations=[row["name"] for row in await connection.fetch(APPLIED)],
        columns=columns,
        rows=rows,
        partitions=[Partition(**dict(row)) for row in await connection.fetch(_PARTITIONS)],
        sequences={row["name"]: row["value"] for row in await connection.fetch(_SEQUENCES)},
    )
    packed.writestr(MANIFEST, msgspec.json.encode(manifest))
    return manifest
