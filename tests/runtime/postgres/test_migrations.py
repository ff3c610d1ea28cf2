import asyncio
import re
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from runtime.local.postgres_cluster import binaries
from runtime.postgres.migrations import FOLDER, ForeignDatabase, MigrationFailed, known_migrations, migrate
from schema.errors.overload import DatabaseUnavailable
from tests.conftest import execute

ROOT = Path(__file__).parents[3]
LITELLM_TABLES = (
    "CREATE TABLE _prisma_migrations (id text PRIMARY KEY)",
    'CREATE TABLE "LiteLLM_UserTable" (user_id text PRIMARY KEY, user_role text)',
    """INSERT INTO "LiteLLM_UserTable" VALUES ('u1', 'proxy_admin')""",
)


def dump(dsn: str) -> str:
    """The database as SQL. Newer pg_dumps guard theirs with a random word, which is left out."""
    found = subprocess.run(
        [binaries() / "pg_dump", "--inserts", dsn], capture_output=True, text=True, check=True
    )
    return re.sub(r"^\\(un)?restrict .*$", "", found.stdout, flags=re.MULTILINE)


def fetch(dsn: str, sql: str) -> list[asyncpg.Record]:
    async def run() -> list[asyncpg.Record]:
        connection = await asyncpg.connect(dsn)
        try:
            return list(await connection.fetch(sql))
        finally:
            await connection.close()

    return asyncio.run(run())


def test_the_ids_read_from_the_files_are_those_of_the_modules() -> None:
    assert len(known_migrations()) == len(list(FOLDER.glob("switchgear_*.py")))


def test_an_empty_database_is_migrated_once(empty_dsn: str) -> None:
    assert asyncio.run(migrate(empty_dsn)) == known_migrations()
    before = dump(empty_dsn)
    assert asyncio.run(migrate(empty_dsn)) == []
    assert dump(empty_dsn) == before


def test_two_servers_that_start_at_once_do_not_collide(empty_dsn: str) -> None:
    command = [
        sys.executable,
        "-c",
        "import asyncio, sys; from runtime.postgres.migrations import migrate; "
        "asyncio.run(migrate(sys.argv[1]))",
        empty_dsn,
    ]
    starting = [subprocess.Popen(command, cwd=ROOT) for _ in range(3)]
    assert [process.wait(60) for process in starting] == [0, 0, 0]
    rows = fetch(empty_dsn, "SELECT name FROM migration ORDER BY name")
    assert [row["name"] for row in rows] == known_migrations()


@pytest.mark.parametrize("statements", [LITELLM_TABLES, LITELLM_TABLES[1:]], ids=["prisma", "tables"])
def test_a_foreign_database_is_refused_untouched(empty_dsn: str, statements: tuple[str, ...]) -> None:
    execute(empty_dsn, *statements)
    before = dump(empty_dsn)
    with pytest.raises(ForeignDatabase, match=r"LiteLLM_UserTable.*Nothing was written"):
        asyncio.run(migrate(empty_dsn))
    assert dump(empty_dsn) == before


def test_a_migration_that_fails_leaves_nothing_behind(empty_dsn: str) -> None:
    month = fetch(empty_dsn, "SELECT to_char(now() AT TIME ZONE 'utc', 'YYYY_MM') AS month")[0]["month"]
    execute(empty_dsn, f'CREATE TABLE "LiteLLM_SpendLogs_{month}" (in_the_way int)')
    before = dump(empty_dsn)
    with pytest.raises(MigrationFailed, match="already exists"):
        asyncio.run(migrate(empty_dsn))
    assert dump(empty_dsn) == before


def test_a_database_that_is_away_is_said_to_be_unavailable(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailable):
        asyncio.run(migrate(f"postgresql://postgres@/postgres?host={tmp_path}"))


@pytest.mark.parametrize("dsn", ["postgresql://user:s3cr/tpw@127.0.0.1/db", "postgresql://user:s3cr@[::1/db"])
def test_an_address_that_cannot_be_read_is_not_shown(dsn: str) -> None:
    with pytest.raises(DatabaseUnavailable, match="can't be read") as caught:
        asyncio.run(migrate(dsn))
    assert "s3cr" not in str(caught.value)


def test_a_start_with_nothing_to_do_does_not_load_piccolo(postgres_dsn: str) -> None:
    code = (
        "import asyncio, sys; from runtime.postgres.migrations import migrate; "
        "assert asyncio.run(migrate(sys.argv[1])) == []; assert 'piccolo' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, postgres_dsn], cwd=ROOT, check=True)


def test_the_ledger_is_partitioned_by_month_with_this_and_the_next_one_made(postgres_dsn: str) -> None:
    rows = fetch(
        postgres_dsn,
        """SELECT pg_get_partkeydef('"LiteLLM_SpendLogs"'::regclass) AS key,
                  inhrelid::regclass::text AS name,
                  to_char(now() AT TIME ZONE 'utc', 'YYYY_MM') AS this,
                  to_char(now() AT TIME ZONE 'utc' + interval '1 month', 'YYYY_MM') AS next
           FROM pg_inherits WHERE inhparent = '"LiteLLM_SpendLogs"'::regclass ORDER BY 2""",
    )
    assert rows[0]["key"] == 'RANGE ("startTime")'
    expected = [f'"LiteLLM_SpendLogs_{rows[0][month]}"' for month in ("this", "next")]
    assert [row["name"] for row in rows] == expected
