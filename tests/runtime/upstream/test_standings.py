"""Cooldowns that workers share through Postgres."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg
import msgspec
import pytest

from models_registry.routing.cooldowns import CooldownRules
from models_registry.routing.fleet import DeploymentHealth, Fleet, id_of
from runtime.postgres.database import Database
from runtime.postgres.listener import Listener
from runtime.upstream import standings as module
from runtime.upstream.standings import CHANNEL, CooldownNews, Standings
from schema.errors.upstream import ProviderError
from tests.models_registry.routing.deployments import target

TOO_MANY = ProviderError("no", status=429)
A = target("a")
TRIES = 2_000


class Worker:
    """A fleet that shares its cooldowns."""

    def __init__(self, database: Database, span_s: float) -> None:
        self.fleet = Fleet(CooldownRules(span_s=span_s))
        self.standings = Standings(database, self.fleet)

    def fail(self) -> None:
        if self.fleet.failed(A, TOO_MANY, time.monotonic()):
            self.standings.changed(id_of(A))

    def answer(self) -> None:
        if self.fleet.answered(A, time.monotonic(), tokens=1):
            self.standings.changed(id_of(A))

    def health(self) -> DeploymentHealth:
        standing = self.fleet.find(A)
        return DeploymentHealth.HEALTHY if standing is None else standing.state(time.monotonic())

    async def becomes(self, wanted: DeploymentHealth) -> None:
        for _ in range(TRIES):
            if self.health() is wanted:
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"still {self.health()}")


@asynccontextmanager
async def working(dsn: str, span_s: float = 60.0) -> AsyncIterator[Worker]:
    database = await Database.connect(dsn)
    worker = Worker(database, span_s)
    listener = Listener(dsn, {CHANNEL: worker.standings.heard})
    worker.standings.start()
    await listener.start()
    try:
        yield worker
    finally:
        await listener.close()
        await worker.standings.close()
        await database.close()


def with_two(dsn: str, scenario: Callable[[Worker, Worker], Awaitable[None]], span_s: float = 60.0) -> None:
    async def run() -> None:
        async with working(dsn, span_s) as one, working(dsn, span_s) as two:
            await scenario(one, two)

    asyncio.run(run())


def test_another_worker_hears_of_a_cooldown(postgres_dsn: str) -> None:
    async def scenario(one: Worker, two: Worker) -> None:
        one.fail()
        await two.becomes(DeploymentHealth.COOLING)
        standing = two.fleet.find(A)
        assert standing is not None
        assert (standing.record.why, standing.record.level) == ("rate limit", 1)
        assert 50 < standing.record.until - time.monotonic() <= 60

    with_two(postgres_dsn, scenario)


def test_the_probe_of_one_worker_ends_the_cooldown_of_all(postgres_dsn: str) -> None:
    async def scenario(one: Worker, two: Worker) -> None:
        one.fail()
        await two.becomes(DeploymentHealth.PROBING)
        two.fleet.began(A, time.monotonic())
        two.answer()
        await one.becomes(DeploymentHealth.HEALTHY)

    with_two(postgres_dsn, scenario, span_s=0.3)


def test_a_worker_that_starts_later_reads_the_cooldowns(postgres_dsn: str) -> None:
    async def scenario() -> None:
        async with working(postgres_dsn) as one:
            one.fail()
            connection = await asyncpg.connect(postgres_dsn)
            for _ in range(TRIES):
                if await connection.fetchval('SELECT count(*) FROM "Switchgear_Deployment"'):
                    break
                await asyncio.sleep(0.01)
            await connection.close()
            async with working(postgres_dsn) as two:
                await two.becomes(DeploymentHealth.COOLING)

    asyncio.run(scenario())


def test_a_cooldown_is_told_when_postgres_is_back(postgres_dsn: str) -> None:
    async def scenario(one: Worker, two: Worker) -> None:
        connection = await asyncpg.connect(postgres_dsn)
        await connection.execute('ALTER TABLE "Switchgear_Deployment" RENAME TO gone')
        one.fail()
        await asyncio.sleep(0.1)
        assert one.health() is DeploymentHealth.COOLING
        await connection.execute('ALTER TABLE gone RENAME TO "Switchgear_Deployment"')
        one.fleet.heard(id_of(A), time.monotonic(), left_s=0.0, level=0, why="")
        one.fail()
        await connection.close()
        await two.becomes(DeploymentHealth.COOLING)

    with_two(postgres_dsn, scenario)


def test_an_announcement_that_is_none_changes_nothing(postgres_dsn: str) -> None:
    async def scenario(one: Worker, two: Worker) -> None:
        for text in ("", "x", "{}", '{"worker": 5}', "[1]"):
            one.standings.heard(text)
        assert one.health() is DeploymentHealth.HEALTHY
        told = CooldownNews(worker="x", deployment_id="a", model="a", left_s=5.0, level=1, why="timeout")
        one.standings.heard(msgspec.json.encode(told).decode())
        assert one.health() is DeploymentHealth.COOLING

    with_two(postgres_dsn, scenario)


async def rows_of(dsn: str) -> list[str]:
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch('SELECT model FROM "Switchgear_Deployment" ORDER BY model')
        return [row["model"] for row in rows]
    finally:
        await connection.close()


async def cool(worker: Worker, *models: str) -> None:
    """Let models cool down as a caller makes it who names them under a wildcard, and tell it."""
    for model in models:
        worker.fleet.heard(("wild", model), time.monotonic(), left_s=60.0, level=1, why="timeout")
        worker.standings.changed(("wild", model))
    for _ in range(TRIES):
        if not worker.standings._waiting:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("not told")


def test_a_model_that_postgres_can_not_take_keeps_no_other_cooldown_from_being_told(
    postgres_dsn: str,
) -> None:
    """A caller names the models of a wildcard."""

    async def scenario(one: Worker, two: Worker) -> None:
        one.fleet.heard(("wild", "a\0b"), time.monotonic(), left_s=60.0, level=1, why="timeout")
        one.standings.changed(("wild", "a\0b"))
        one.fail()
        await two.becomes(DeploymentHealth.COOLING)

    with_two(postgres_dsn, scenario)


def test_the_rows_of_cooldowns_are_bounded_and_go_when_nobody_needs_them(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_ROWS", 3)
    monkeypatch.setattr(module, "KEPT_S", 0.0)

    async def scenario(one: Worker, two: Worker) -> None:
        await cool(one, *"abcdef")
        assert len(await rows_of(postgres_dsn)) == 3
        for model in "abcdef":  # all of them are announced
            assert two.fleet.get(("wild", model)).record.until
        await cool(one, "a")
        connection = await asyncpg.connect(postgres_dsn)
        await connection.execute(
            """UPDATE "Switchgear_Deployment" SET cooled_until = now() - interval '1 s' WHERE model <> 'a'"""
        )
        await connection.execute(
            """UPDATE "Switchgear_Deployment" SET checked_at = now() WHERE model = 'b'"""
        )
        await connection.close()
        await one.standings.tidy()
        assert await rows_of(postgres_dsn) == ["a", "b"]

    with_two(postgres_dsn, scenario)
