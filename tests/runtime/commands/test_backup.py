"""A backup of a real database, restored into another one, and compared row by row."""

import asyncio
import zipfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from runtime.commands.backup import BackupError, backup, drained, restore
from schema.secret import Secret
from tests.conftest import execute
from tests.databases import dsn_of
from tests.fakes.json_server import json_server

ROWS = (
    "INSERT INTO \"LiteLLM_UserTable\" (user_id, user_email) VALUES ('ada', 'admin@deeprunner.ai')",
    "INSERT INTO \"LiteLLM_UserTable\" (user_id, user_alias) VALUES ('bob', E'tab\\there, \\nline, \\\\ é')",
    "UPDATE \"LiteLLM_UserTable\" SET user_role = 'proxy_admin' WHERE user_id = 'ada'",
)
ALL = """
    SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    AND c.relname <> 'migration'
"""


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
    assert everything(empty)["LiteLLM_AuditLog"] == []
    (tmp_path / "no.zip").write_bytes(b"no zip")
    with pytest.raises(BackupError, match="BadZipFile"):
        restore(Secret(empty), tmp_path / "no.zip")


def test_the_journal_is_waited_for() -> None:
    waiting = [b"2", b"1", b"0"]
    with json_server(lambda asked: (200, b'{"ledger_rows_waiting":%s}' % waiting.pop(0))) as gateway:
        assert drained(gateway.url) == 0
        assert len(gateway.asked) == 3
    assert drained("http://127.0.0.1:9") == 0
    with json_server(lambda asked: (200, b'{"ledger_rows_waiting":7}')) as gateway:
        assert drained(gateway.url, deadline_s=0.3) == 7
