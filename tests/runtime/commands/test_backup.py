"""A backup of a real database, restored into another one, and compared row by row."""

import asyncio
import zipfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from runtime.commands.backup import BackupError, backup
from runtime.commands.restore import restore
from runtime.postgres.migrations import known_migrations, migrate
from schema.secret import Secret
from tests.conftest import execute
from tests.databases import dsn_of

ROWS = (
    "INSERT INTO \"LiteLLM_UserTable\" (user_id, user_email) VALUES ('ada', 'admin@deeprunner.ai')",
    "INSERT INTO \"LiteLLM_UserTable\" (user_id, user_alias) VALUES ('bob', E'tab\\there, \\nline, \\\\ é')",
    "UPDATE \"LiteLLM_UserTable\" SET user_role = 'proxy_admin' WHERE user_id = 'ada'",
)
LATE = "INSERT INTO \"LiteLLM_UserTable\" (user_id) VALUES ('{}')"
LOCKED = """
    SELECT EXISTS (SELECT 1 FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted
                   AND relation = '"LiteLLM_UserTable"'::regclass)
"""
ALL = """
    SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    AND c.relname <> 'migration'
"""


def catalogue(dsn: str) -> list[str]:
    """Every table, and what the ledger of migrations says."""

    async def read() -> list[str]:
        connection = await asyncpg.connect(dsn)
        try:
            found = [row["relname"] for row in await connection.fetch(ALL)]
            if await connection.fetchval("SELECT to_regclass('migration') IS NOT NULL"):
                found += [row["name"] for row in await connection.fetch("SELECT name FROM migration")]
            return sorted(found)
        finally:
            await connection.close()

    return asyncio.run(read())


@pytest.fixture
def empty(postgres_server: str) -> Iterator[str]:
    """A database without a table."""
    name = f"restored_{uuid4().hex}"
    execute(postgres_server, f"CREATE DATABASE {name}")
    yield dsn_of(postgres_server, name)
    execute(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


def everything(dsn: str) -> dict[str, list[str]]:
    async def read() -> dict[str, list[str]]:
        connection = await asyncpg.connect(dsn)
        try:
            tables = [row["relname"] for row in await connection.fetch(ALL)]
            return {
                table: sorted(
                    [str(row["t"]) for row in await connection.fetch(f'SELECT t::text AS t FROM "{table}" t')]
                )
                for table in tables
            }
        finally:
            await connection.close()

    return asyncio.run(read())


def test_what_is_restored_is_what_was_there(postgres_dsn: str, empty: str, tmp_path: Path) -> None:
    for statement in ROWS:
        execute(postgres_dsn, statement)
    manifest = backup(Secret(postgres_dsn), tmp_path / "backup.zip")
    assert manifest.rows["LiteLLM_UserTable"] == 2
    assert manifest.rows["LiteLLM_AuditLog"] >= 3
    assert (tmp_path / "backup.zip").stat().st_mode & 0o077 == 0
    assert [path.name for path in tmp_path.iterdir()] == ["backup.zip"]

    restore(Secret(empty), tmp_path / "backup.zip")
    assert everything(empty) == everything(postgres_dsn)
    execute(empty, "INSERT INTO \"LiteLLM_UserTable\" (user_id) VALUES ('eve')")  # triggers work again


def test_a_database_with_rows_is_not_restored_into(postgres_dsn: str, tmp_path: Path) -> None:
    execute(postgres_dsn, ROWS[0])
    backup(Secret(postgres_dsn), tmp_path / "backup.zip")
    before = everything(postgres_dsn)
    with pytest.raises(BackupError, match="not empty"):
        restore(Secret(postgres_dsn), tmp_path / "backup.zip")
    assert everything(postgres_dsn) == before


@pytest.mark.parametrize(
    "row",
    [
        "INSERT INTO \"LiteLLM_TeamTable\" (team_id) VALUES ('ours')",
        "INSERT INTO \"LiteLLM_BudgetTable\" (budget_id, created_by, updated_by) VALUES ('b', 'ada', 'ada')",
        "INSERT INTO \"Switchgear_Worker\" (worker, started_at, seen_at) VALUES ('w', now(), now())",
    ],
)
def test_rows_of_any_table_are_in_the_way(postgres_dsn: str, tmp_path: Path, row: str) -> None:
    backup(Secret(postgres_dsn), tmp_path / "backup.zip")
    execute(postgres_dsn, row)
    before = everything(postgres_dsn)
    with pytest.raises(BackupError, match="not empty"):
        restore(Secret(postgres_dsn), tmp_path / "backup.zip")
    assert everything(postgres_dsn) == before


@pytest.mark.parametrize(
    "statement",
    [
        f"DELETE FROM migration WHERE name = '{known_migrations()[-1]}'",
        "CREATE TABLE migration (name text, app_name text)",
        "CREATE TABLE shop_order (id int)",
    ],
)
def test_a_refused_restore_has_changed_nothing(
    postgres_dsn: str, empty: str, tmp_path: Path, statement: str
) -> None:
    """Into the tables of an older version, and into somebody else's."""
    path = tmp_path / "backup.zip"
    backup(Secret(postgres_dsn), path)
    if statement.startswith("DELETE"):
        asyncio.run(migrate(empty))
    execute(empty, statement)
    before = catalogue(empty)
    with pytest.raises(BackupError):
        restore(Secret(empty), path)
    assert catalogue(empty) == before


def test_a_schema_of_its_own_is_saved_and_restored(
    postgres_server: str, postgres_dsn: str, empty: str, tmp_path: Path
) -> None:
    name = f"schema_{uuid4().hex}"
    execute(postgres_server, f"CREATE DATABASE {name}")
    try:
        plain = dsn_of(postgres_server, name)
        of_schema = f"{plain}{'&' if '?' in plain else '?'}options=-csearch_path%3Dsg"
        with pytest.raises(BackupError, match="no tables of Switchgear"):
            backup(Secret(plain), tmp_path / "none.zip")
        execute(plain, "CREATE SCHEMA sg")
        asyncio.run(migrate(of_schema))
        execute(of_schema, "INSERT INTO \"LiteLLM_UserTable\" (user_id) VALUES ('ada')")
        assert backup(Secret(of_schema), tmp_path / "sg.zip").rows["LiteLLM_UserTable"] == 1
        restore(Secret(empty), tmp_path / "sg.zip")
        assert len(everything(empty)["LiteLLM_UserTable"]) == 1
    finally:
        execute(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


def test_tables_of_somebody_else_are_in_the_way(postgres_dsn: str, empty: str, tmp_path: Path) -> None:
    backup(Secret(postgres_dsn), tmp_path / "backup.zip")
    execute(empty, "CREATE TABLE theirs (id int)")
    with pytest.raises(BackupError, match="not empty: it has theirs"):
        restore(Secret(empty), tmp_path / "backup.zip")


def test_tables_without_rows_are_filled(postgres_dsn: str, empty: str, tmp_path: Path) -> None:
    execute(postgres_dsn, ROWS[0])
    backup(Secret(postgres_dsn), tmp_path / "backup.zip")
    asyncio.run(migrate(empty))
    restore(Secret(empty), tmp_path / "backup.zip")
    assert everything(empty) == everything(postgres_dsn)


def test_a_restore_is_refused_while_a_gateway_is_connected(
    postgres_dsn: str, empty: str, tmp_path: Path
) -> None:
    backup(Secret(postgres_dsn), tmp_path / "backup.zip")

    async def with_a_gateway() -> None:
        gateway = await asyncpg.connect(empty, server_settings={"application_name": "switchgear-listen"})
        try:
            with pytest.raises(BackupError, match="1 connections to this database: stop all"):
                await asyncio.to_thread(restore, Secret(empty), tmp_path / "backup.zip")
        finally:
            await gateway.close()

    asyncio.run(with_a_gateway())
    assert everything(empty) == {}


@pytest.mark.parametrize("has_tables", [False, True])
def test_what_is_booked_while_a_restore_runs_is_kept(
    postgres_dsn: str, empty: str, tmp_path: Path, *, has_tables: bool
) -> None:
    """A writer inserts as soon as it sees a table. Each row that it was told is written is there."""
    execute(postgres_dsn, *ROWS)
    backup(Secret(postgres_dsn), tmp_path / "backup.zip")
    if has_tables:
        asyncio.run(migrate(empty))
    written = 0

    async def write(ended: asyncio.Event) -> None:
        nonlocal written
        connection = await asyncpg.connect(empty)
        try:
            assert not has_tables or await locks_are_seen(connection, ended)
            while not ended.is_set() or written < 3:
                try:
                    await connection.execute(LATE.format(f"late-{written}"))
                    written += 1
                except asyncpg.UndefinedTableError:
                    await asyncio.sleep(0.001)
        finally:
            await connection.close()

    async def both() -> None:
        ended = asyncio.Event()
        writing = asyncio.create_task(write(ended))
        await asyncio.to_thread(restore, Secret(empty), tmp_path / "backup.zip")
        ended.set()
        await writing

    asyncio.run(both())
    users = everything(empty)["LiteLLM_UserTable"]
    assert len(users) == 2 + written


async def locks_are_seen(connection: asyncpg.Connection, ended: asyncio.Event) -> bool:
    """Wait until the restore holds its locks. False where it ended without them."""
    while not await connection.fetchval(LOCKED):
        if ended.is_set():
            return False
    return True


def test_a_damaged_backup_restores_nothing(postgres_dsn: str, empty: str, tmp_path: Path) -> None:
    execute(postgres_dsn, ROWS[0])
    backup(Secret(postgres_dsn), tmp_path / "whole.zip")
    with (
        zipfile.ZipFile(tmp_path / "whole.zip") as whole,
        zipfile.ZipFile(tmp_path / "less.zip", "w") as less,
    ):
        for name in whole.namelist():
            less.writestr(name, b"" if name == "tables/LiteLLM_UserTable" else whole.read(name))
    with pytest.raises(BackupError, match="0 rows came, and the backup has 1"):
        restore(Secret(empty), tmp_path / "less.zip")
    assert everything(empty) == {}
    (tmp_path / "no.zip").write_bytes(b"no zip")
    with pytest.raises(BackupError, match="BadZipFile"):
        restore(Secret(empty), tmp_path / "no.zip")
