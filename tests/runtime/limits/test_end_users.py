"""End users: what is known of one is still used while Postgres is away, however many others are named."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from functions.contract.policy import Policy
from runtime.limits import end_users
from runtime.limits.end_users import EndUsers
from runtime.postgres.database import Database
from runtime.postgres.freshness import DEAF_S, STALE_S
from runtime.postgres.look_ups import LookUps
from schema.errors.callers import NotAllowed
from schema.errors.overload import DatabaseUnavailable
from tests.conftest import execute
from tests.fakes.authority import Silence
from tests.runtime.identity.test_authenticator import Clock

ENTER = """INSERT INTO "LiteLLM_EndUserTable" (user_id, blocked) VALUES ('known', true)"""


def asked(dsn: str, scenario: Callable[[EndUsers, Clock, Database], Awaitable[None]]) -> None:
    async def run() -> None:
        database, clock = await Database.connect(dsn, size=2), Clock()
        try:
            await scenario(EndUsers(Policy(), Silence(), database, LookUps(clock), clock), clock, database)
        finally:
            await database.close()

    asyncio.run(run())


async def is_blocked(found: EndUsers, name: str) -> bool:
    try:
        await found.rules(name, "gpt")
    except NotAllowed:
        return True
    return False


def test_names_that_nobody_entered_push_no_entered_one_out(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(end_users, "MAX_CACHED", 20)
    execute(postgres_dsn, ENTER)

    async def scenario(found: EndUsers, clock: Clock, database: Database) -> None:
        assert await is_blocked(found, "known")
        for number in range(100):
            assert not await is_blocked(found, f"stranger-{number}")
        await database.pool.close()
        clock.now += DEAF_S + 1
        assert await is_blocked(found, "known")
        assert not await is_blocked(found, "stranger-99")
        with pytest.raises(DatabaseUnavailable):
            await found.rules("stranger-0", "gpt")
        clock.now += STALE_S
        with pytest.raises(DatabaseUnavailable):
            await found.rules("known", "gpt")

    asked(postgres_dsn, scenario)


def test_one_that_is_entered_later_is_read_when_that_is_announced(postgres_dsn: str) -> None:
    async def scenario(found: EndUsers, clock: Clock, database: Database) -> None:
        assert not await is_blocked(found, "known")
        await database.pool.execute(ENTER)
        assert not await is_blocked(found, "known"), "what was read is good for a moment"
        found.forget("customer:known")
        assert await is_blocked(found, "known")

    asked(postgres_dsn, scenario)


def test_a_changed_budget_is_read_again_for_whoever_is_under_it_and_nobody_else(postgres_dsn: str) -> None:
    execute(
        postgres_dsn,
        """INSERT INTO "LiteLLM_BudgetTable" (budget_id, max_budget) VALUES ('small', 1)""",
        """INSERT INTO "LiteLLM_EndUserTable" (user_id, budget_id) VALUES ('carol', 'small')""",
        """INSERT INTO "LiteLLM_EndUserTable" (user_id) VALUES ('dave')""",
    )

    async def scenario(found: EndUsers, clock: Clock, database: Database) -> None:
        (before,) = await found.rules("carol", "gpt")
        assert await found.rules("dave", "gpt") == ()
        await database.pool.execute("""UPDATE "LiteLLM_BudgetTable" SET max_budget = 2""")
        await database.pool.execute("""UPDATE "LiteLLM_EndUserTable" SET blocked = true""")
        found.forget("budget:other")
        assert await found.rules("carol", "gpt") == (before,)
        found.forget("budget:small")
        assert await is_blocked(found, "carol")
        assert not await is_blocked(found, "dave"), "nothing it was read from was announced"

    asked(postgres_dsn, scenario)


def test_a_hanging_postgres_is_not_waited_for_where_somebody_is_known(postgres_dsn: str) -> None:
    async def scenario(found: EndUsers, clock: Clock, database: Database) -> None:
        await found.rules("carol", "gpt")
        clock.now += DEAF_S + 1
        held = [await database.pool.acquire() for _ in range(2)]
        async with asyncio.timeout(1.5):
            await found.rules("carol", "gpt")
        async with asyncio.timeout(0.5):
            await found.rules("carol", "gpt")
        for connection in held:
            await database.pool.release(connection)

    asked(postgres_dsn, scenario)
