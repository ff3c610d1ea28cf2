"""What is announced, who hears it, and what happens when nobody hears it."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from functions.contract.policy import Policy
from runtime.books.insert import insert_rows
from runtime.identity.authenticator import Authenticator
from runtime.identity.authority_reader import AuthorityReader
from runtime.postgres.database import Database
from runtime.postgres.freshness import HEARD_S
from runtime.postgres.listener import AUTHORITY, RECALL, Listener
from schema.errors.callers import BlockedKey, UnknownKey
from schema.secret import Secret, key_hash_of
from tests.conftest import execute
from tests.fakes.frozen_proxy import FreezingDoor
from tests.runtime.attempts import make_row

KEY = "sk-a-key-of-these-tests-0123456789"
BEARER = {"authorization": f"Bearer {KEY}"}
MAKE_KEY = f"""
    INSERT INTO "LiteLLM_VerificationToken" (token, models, allowed_routes, access_group_ids)
    VALUES ('{key_hash_of(KEY)}', '{{}}', '{{}}', '{{}}')"""
MAKE_USERS = """
    INSERT INTO "LiteLLM_UserTable" (user_id, teams, models)
    SELECT 'u' || n, '{}', '{}' FROM generate_series(1, 300) AS n"""

MASTER = Secret("sk-master-0123456789")


def hearing(dsn: str, scenario: Callable[[asyncpg.Connection, list[str]], Awaitable[None]]) -> list[str]:
    """What is announced while the scenario runs."""

    async def run() -> list[str]:
        heard: list[str] = []
        listener = Listener(dsn, {AUTHORITY: heard.append, RECALL: lambda payload: None})
        await listener.start()
        heard.clear()
        connection = await asyncpg.connect(dsn)
        await scenario(connection, heard)
        await connection.execute(f"NOTIFY {AUTHORITY}, 'end'")
        async with asyncio.timeout(5):
            while "end" not in heard:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        await connection.close()
        await listener.close()
        return [topic for topic in heard if topic != "end"]

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("sql", "topics"),
    [
        (MAKE_KEY, [f"key:{key_hash_of(KEY)}"]),
        (
            """INSERT INTO "LiteLLM_UserTable" (user_id, teams, models) VALUES ('ada', '{}', '{}')""",
            ["user:ada"],
        ),
        (
            """INSERT INTO "LiteLLM_TeamMembership" (user_id, team_id, allowed_models)
               VALUES ('ada', 'red', '{}')""",
            ["user:ada"],
        ),
        ("""INSERT INTO "LiteLLM_BudgetTable" (budget_id) VALUES ('b')""", ["budget:b"]),
        (
            """INSERT INTO "LiteLLM_AccessGroupTable"
               (access_group_id, access_group_name, access_model_names) VALUES ('g', 'g', '{}')""",
            ["all"],
        ),
        (MAKE_USERS, ["all"]),
        ('TRUNCATE "LiteLLM_VerificationToken"', ["all"]),
        (
            f"SELECT set_config('switchgear.bookkeeping', 'on', false); {MAKE_KEY}",
            [f"key:{key_hash_of(KEY)}"],
        ),
    ],
)
def test_a_changed_row_is_announced(postgres_dsn: str, sql: str, topics: list[str]) -> None:
    async def scenario(connection: asyncpg.Connection, heard: list[str]) -> None:
        await connection.execute(sql)

    assert hearing(postgres_dsn, scenario) == topics


def test_a_statement_that_touches_many_rows_says_so_once_and_one_that_changes_nothing_is_silent(
    postgres_dsn: str,
) -> None:
    async def scenario(connection: asyncpg.Connection, heard: list[str]) -> None:
        await connection.execute(MAKE_USERS)
        await connection.execute('UPDATE "LiteLLM_UserTable" SET blocked = true')
        await connection.execute('UPDATE "LiteLLM_UserTable" SET blocked = true, updated_at = now()')
        await connection.execute("""UPDATE "LiteLLM_UserTable" SET blocked = false WHERE user_id = 'u1'""")
        await connection.execute("""UPDATE "LiteLLM_UserTable" SET spend = 0.5 WHERE user_id = 'u2'""")
        await connection.execute("""DELETE FROM "LiteLLM_UserTable" WHERE user_id = 'u3'""")

    assert hearing(postgres_dsn, scenario) == ["all", "all", "user:u1", "user:u2", "user:u3"]


def test_ten_thousand_booked_calls_announce_nothing_and_audit_nothing(postgres_dsn: str) -> None:
    execute(postgres_dsn, MAKE_KEY, MAKE_USERS)

    async def scenario(connection: asyncpg.Connection, heard: list[str]) -> None:
        before = await connection.fetchval('SELECT count(*) FROM "LiteLLM_AuditLog"')
        now = datetime.now(UTC)
        for batch in range(20):
            rows = [
                make_row(
                    str(uuid.uuid4()),
                    started_at=now,
                    key_hash=key_hash_of(KEY),
                    user_id=f"u{1 + (batch * 500 + number) % 300}",
                    cost_nano=1_000,
                )
                for number in range(500)
            ]
            await insert_rows(connection, rows)
        spent = await connection.fetchval('SELECT sum(spend) FROM "LiteLLM_VerificationToken"')
        assert spent * 10**9 == 10_000 * 1_000
        assert await connection.fetchval('SELECT count(*) FROM "LiteLLM_AuditLog"') == before

    assert hearing(postgres_dsn, scenario) == []


def authenticated(
    dsn: str,
    through: str,
    scenario: Callable[[Authenticator, Listener, asyncpg.Connection], Awaitable[None]],
) -> None:
    """Run a scenario with a warm authenticator that listens through another door."""

    async def run() -> None:
        database = await Database.connect(dsn)
        connection = await asyncpg.connect(dsn)
        authenticators: list[Authenticator] = []

        def heard(topic: str) -> None:
            for each in authenticators:
                each.forget(topic)

        listener = Listener(through, {AUTHORITY: heard})
        authenticator = Authenticator(
            Secret("sk-master-0123456789"), AuthorityReader(Policy(), database), listener
        )
        authenticators.append(authenticator)
        await listener.start()
        try:
            await authenticator.caller(BEARER)
            await scenario(authenticator, listener, connection)
        finally:
            await listener.close()
            await connection.close()
            await database.close()

    asyncio.run(run())


async def refused_after(authenticator: Authenticator) -> float:
    """Seconds until the key is refused."""
    began = time.monotonic()
    async with asyncio.timeout(5):
        with suppress(BlockedKey, UnknownKey):
            while True:
                await authenticator.caller(BEARER)
                await asyncio.sleep(0.005)
    return time.monotonic() - began


@pytest.mark.parametrize(
    "sql",
    ['UPDATE "LiteLLM_VerificationToken" SET blocked = true', 'DELETE FROM "LiteLLM_VerificationToken"'],
)
def test_a_key_that_sql_blocks_or_deletes_is_refused_as_soon_as_it_is_announced(
    postgres_dsn: str, sql: str
) -> None:
    execute(postgres_dsn, MAKE_KEY)

    async def scenario(
        authenticator: Authenticator, listener: Listener, connection: asyncpg.Connection
    ) -> None:
        await connection.execute(sql)
        await refused_after(authenticator)

    authenticated(postgres_dsn, postgres_dsn, scenario)


def test_with_a_half_open_connection_nothing_cached_is_trusted_for_longer_than_a_second(
    postgres_dsn: str, tmp_path: Path
) -> None:
    """No deadline of ours is measured but the one that is promised: a second, with a machine's slack."""
    execute(postgres_dsn, MAKE_KEY)

    async def run() -> None:
        door = FreezingDoor(postgres_dsn, tmp_path)
        await door.start()
        database = await Database.connect(postgres_dsn)
        heard: list[str] = []
        listener = Listener(door.dsn, {AUTHORITY: heard.append})
        authenticator = Authenticator(
            Secret("sk-master-0123456789"), AuthorityReader(Policy(), database), listener
        )
        await listener.start()
        await authenticator.caller(BEARER)
        door.freeze()
        await database.pool.execute('UPDATE "LiteLLM_VerificationToken" SET blocked = true')
        took_s = await refused_after(authenticator)
        assert heard == ["all"], "nothing came through"
        assert took_s < HEARD_S + 1.0
        door.thaw()
        async with asyncio.timeout(10):
            while len(heard) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)  # what was held up comes, or "all" on a new connection
        await listener.close()
        await database.close()
        await door.close()

    asyncio.run(run())


def test_a_connection_that_is_there_is_told_apart_from_an_announcement(postgres_dsn: str) -> None:
    async def run() -> None:
        heard: list[str] = []
        listener = Listener(
            postgres_dsn,
            {AUTHORITY: heard.append, RECALL: heard.append},
            missed={AUTHORITY: lambda: heard.append("missed")},
        )
        await listener.start()
        assert heard == ["missed", "all"]
        await listener.close()

    asyncio.run(run())


def test_a_listener_that_is_cut_off_comes_back_and_says_that_anything_may_have_changed(
    postgres_dsn: str,
) -> None:
    async def run() -> None:
        heard: list[str] = []
        listener = Listener(postgres_dsn, {AUTHORITY: heard.append})
        await listener.start()
        connection = await asyncpg.connect(postgres_dsn)
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'switchgear-listen'"
        )
        async with asyncio.timeout(10):
            while heard.count("all") < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await connection.execute(MAKE_USERS)
        async with asyncio.timeout(5):
            while heard.count("all") < 3:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await connection.close()
        await listener.close()

    asyncio.run(run())
