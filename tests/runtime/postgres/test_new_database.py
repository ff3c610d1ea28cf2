"""A new database, made from one file, is the same as one that came through all the migrations."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from runtime.commands.schema_files import RECIPE
from runtime.local.postgres_cluster import binaries
from runtime.postgres import migrations, new_database
from runtime.postgres.migrations import MigrationFailed, apply_pending, known_migrations, migrate
from runtime.postgres.new_database import FILE, ROOT
from schema.tables.piccolo_migrations.switchgear_2026_11_30t01_00_02_000000 import ID as OF_INDEXES
from schema.tables.piccolo_migrations.switchgear_2026_11_30t01_00_02_000000 import INDEXES
from schema.tables.piccolo_migrations.switchgear_2026_11_30t06_00_01_000000 import (
    ID as BEFORE_SHORT_HISTOGRAMS,
)
from tests.conftest import execute

HEADS = known_migrations()[:-1]
SOME_HEADS = sorted({*HEADS[::4], HEADS[-1]})
UP_TO = """
import asyncio, sys
from piccolo.apps.migrations.commands.forwards import ForwardsMigrationManager
from runtime.postgres import piccolo_conf
async def up_to(dsn, head):
    piccolo_conf.DB.config["dsn"] = dsn
    sys.modules["piccolo_conf"] = piccolo_conf
    result = await ForwardsMigrationManager(app_name="switchgear", migration_id=head).run()
    assert result.success, result.message
asyncio.run(up_to(*sys.argv[1:]))
"""
ENTRIES = "SELECT name FROM migration WHERE app_name = 'switchgear' ORDER BY id"


def dump(dsn: str) -> str:
    """Everything in the database, its settings too, as SQL. Left out are its name, the random word with which
    pg_dump guards a dump, and the moments at which the migrations ran."""
    found = subprocess.run(
        [binaries() / "pg_dump", "--create", "--inserts", dsn], capture_output=True, text=True, check=True
    )
    text = re.sub(r"^\\(un)?restrict .*$", "", found.stdout, flags=re.MULTILINE)
    text = re.sub(r"\bempty_[0-9a-f]{32}\b", "database", text)
    return re.sub(r"(INSERT INTO public\.migration VALUES .*, )'[^']+'\);", r"\1now);", text)


async def fetched(dsn: str, sql: str) -> list[str]:
    connection = await asyncpg.connect(dsn)
    try:
        return [row[0] for row in await connection.fetch(sql)]
    finally:
        await connection.close()


def came_up_to(dsn: str, head: str) -> None:
    subprocess.run([sys.executable, "-c", UP_TO, dsn, head], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def dump_after_all_migrations(postgres_server: str) -> str:
    name = "empty_" + "0" * 32
    execute(postgres_server, f"CREATE DATABASE {name}")
    dsn = postgres_server.replace("@/postgres?", f"@/{name}?")
    asyncio.run(apply_pending(dsn))
    found = dump(dsn)
    execute(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")
    return found


def test_the_file_stands_for_every_migration() -> None:
    entered = re.findall(r"^INSERT INTO migration .*\('([^']+)', 'switchgear'\);$", FILE.read_text(), re.M)
    assert entered == known_migrations(), f"{FILE.name} is behind the migrations; run `{RECIPE}`"


def test_both_ways_make_the_same_database(empty_dsn: str, dump_after_all_migrations: str) -> None:
    asyncio.run(migrate(empty_dsn))
    assert dump(empty_dsn) == dump_after_all_migrations, f"{FILE.name} is not the migrations'; run `{RECIPE}`"
    assert asyncio.run(fetched(empty_dsn, ENTRIES)) == known_migrations()


@pytest.mark.parametrize("head", SOME_HEADS)
def test_a_database_at_an_earlier_head_comes_forward(
    empty_dsn: str, dump_after_all_migrations: str, head: str
) -> None:
    came_up_to(empty_dsn, head)
    assert asyncio.run(fetched(empty_dsn, ENTRIES))[-1] == head
    assert asyncio.run(migrate(empty_dsn)) == [each for each in known_migrations() if each > head]
    assert dump(empty_dsn) == dump_after_all_migrations


def test_short_histograms_are_made_of_the_long_ones(empty_dsn: str) -> None:
    came_up_to(empty_dsn, BEFORE_SHORT_HISTOGRAMS)
    columns = (
        "id, date, hour, api_key, user_id, model_group, custom_llm_provider, duration_counts, ttft_counts"
    )
    rows = (
        "('1', '2026-01-02', '', 'k', 'ada', 'gpt', 'openai', '{0,2}', '{1}')",
        "('2', '2026-01-02', '', 'k', 'ada', 'claude', 'anthropic', '{1,0,5}', '{}')",
        "('3', '2026-01-02', '', 'l', 'bob', 'gpt', 'openai', '{4}', '{}')",
        "('4', '2026-01-02', '13', 'k', 'ada', 'gpt', 'openai', '{0,2}', '{1}')",
    )
    execute(empty_dsn, *(f'INSERT INTO "Switchgear_Latency" ({columns}) VALUES {row}' for row in rows))
    asyncio.run(migrate(empty_dsn))

    def shown(table: str, *names: str) -> list[str]:
        wanted = ", ".join((*names, "hour", "duration_counts", "ttft_counts"))
        told = f"""SELECT concat_ws(' ', {wanted}) FROM "{table}" ORDER BY 1"""
        return asyncio.run(fetched(empty_dsn, told))

    assert shown("Switchgear_OwnerLatency", "api_key", "user_id") == [
        "k ada  {1,2,5} {1}",
        "k ada 13 {0,2} {1}",
        "l bob  {4} {}",
    ]
    assert shown("Switchgear_ModelLatency", "model_group", "custom_llm_provider") == [
        "claude anthropic  {1,0,5} {}",
        "gpt openai  {4,2} {1}",
        "gpt openai 13 {0,2} {1}",
    ]
    ids = """SELECT (id = switchgear_daily_id(date, hour, model_group, custom_llm_provider))::text
             FROM "Switchgear_ModelLatency" """
    assert asyncio.run(fetched(empty_dsn, ids)) == ["true", "true", "true"]


def test_pending_migrations_may_take_longer_than_new_tables(
    empty_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large database is rewritten, and a new one is not."""
    came_up_to(empty_dsn, BEFORE_SHORT_HISTOGRAMS)
    assert migrations.APPLY_TIMEOUT_S >= 3600
    monkeypatch.setattr(migrations, "APPLY_TIMEOUT_S", 0.01)
    with pytest.raises(MigrationFailed, match=r"rolled back: they took longer than 0\.01 seconds"):
        asyncio.run(migrate(empty_dsn))
    assert asyncio.run(fetched(empty_dsn, ENTRIES))[-1] == BEFORE_SHORT_HISTOGRAMS


def test_a_new_database_starts_no_other_process(empty_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refused(*args: object, **kwargs: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(asyncio, "create_subprocess_exec", refused)
    assert asyncio.run(migrate(empty_dsn)) == known_migrations()
    assert asyncio.run(migrate(empty_dsn)) == []


def test_a_migration_that_the_file_does_not_have_runs_after_it(
    empty_dsn: str, dump_after_all_migrations: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server whose file is behind is slower, and makes the same database. The migration that is left out
    makes indexes."""
    text = re.sub(rf"^INSERT INTO migration .*{OF_INDEXES}.*\n", "", FILE.read_text(), flags=re.MULTILINE)
    behind = tmp_path / "new_database.sql"
    behind.write_text(text + "".join(f'DROP INDEX "{table}_{column}_idx";\n' for table, column in INDEXES))
    monkeypatch.setattr(new_database, "FILE", behind)
    assert asyncio.run(migrate(empty_dsn)) == known_migrations()
    found, expected = (  # it is entered last
        sorted(re.sub(r"(INTO public.migration VALUES) \(\d+", r"\1 (n", text).splitlines())
        for text in (dump(empty_dsn), dump_after_all_migrations)
    )
    assert found == expected


def test_tables_are_made_where_the_search_path_says(empty_dsn: str) -> None:
    execute(empty_dsn, "CREATE SCHEMA gateway")
    dsn = f"{empty_dsn}&options=-csearch_path%3Dgateway"
    assert asyncio.run(migrate(dsn)) == known_migrations()
    assert asyncio.run(migrate(dsn)) == []
    schemas = """SELECT DISTINCT relnamespace::regnamespace::text FROM pg_class
                 WHERE relname ~ '^(LiteLLM|Switchgear|migration)'"""
    assert asyncio.run(fetched(dsn, schemas)) == ["gateway"]


def test_a_role_that_may_make_no_tables_is_told_so_and_leaves_nothing(empty_dsn: str) -> None:
    role = "no_tables_" + empty_dsn.partition("@/")[2][6:14]
    execute(empty_dsn, f"CREATE ROLE {role} LOGIN", "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    try:
        with pytest.raises(MigrationFailed, match="rolled back: permission denied for schema public"):
            asyncio.run(migrate(empty_dsn.replace("//postgres@", f"//{role}@")))
        assert (
            asyncio.run(fetched(empty_dsn, "SELECT relname FROM pg_class WHERE relname = 'migration'")) == []
        )
    finally:
        execute(empty_dsn, f"DROP ROLE {role}")
