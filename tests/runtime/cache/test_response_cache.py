"""The response cache with a real Postgres: shared by workers, sealed, bounded, and never a call's problem."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec
import pytest

from functions.ports.cache import KeptAnswer
from models_registry.config.response_cache import CacheKind, CacheRules
from runtime.cache import response_cache
from runtime.cache.response_cache import ResponseCache
from runtime.cache.sealed import ToKeep
from runtime.cache.table import CacheTable
from runtime.postgres.database import Database
from runtime.state.sealing import Sealer
from runtime.telemetry.tally import CacheCounts
from runtime.upstream.dialing import Dialer
from schema.errors.overload import DatabaseUnavailable
from schema.secret import Secret
from tests.functions.contexts import ADMIN, make_call
from tests.runtime.books.test_booking import until

T = TypeVar("T")
SALT = Secret("sk-a-salt-key-of-some-length")
OTHER = Secret("sk-another-salt-key-of-length")
SHARED = CacheRules(kind=CacheKind.POSTGRES)
ANSWER = KeptAnswer(b'{"id":"a secret answer"}', time.time(), 3, 5, 1, "chatcmpl-1")


class Hearing:
    """Announcements that arrive, or not."""

    heard_mono = float("inf")


class Worker(ResponseCache):
    """A worker's cache, with what it counted."""

    def __init__(self, database: Database, rules: CacheRules = SHARED, salt: Secret = SALT) -> None:
        self.counts = CacheCounts()
        self.hearing = Hearing()
        super().__init__(
            rules,
            database=database,
            sealer=Sealer(salt),
            announcements=self.hearing,
            counts=self.counts,
            dialer=Dialer(),
        )

    async def written(self) -> None:
        """Wait until everything that was kept stands in Postgres."""
        while self._queue:
            await self._write(self._taken())

    async def look(self, key: str, *, not_before: float = 0.0) -> KeptAnswer | None:
        return await self.find(key, not_before=not_before)


def with_database(dsn: str, scenario: Callable[[Database], Awaitable[T]]) -> T:
    async def run() -> T:
        database = await Database.connect(dsn)
        try:
            async with database.connection() as connection:
                await connection.execute('TRUNCATE "Switchgear_Cache"')
            return await scenario(database)
        finally:
            await database.close()

    return asyncio.run(run())


async def rows(database: Database) -> int:
    async with database.connection() as connection:
        found: int = await connection.fetchval('SELECT count(*) FROM "Switchgear_Cache"')
    return found


def test_an_answer_that_one_worker_keeps_is_found_by_another(postgres_dsn: str) -> None:
    async def scenario(database: Database) -> None:
        one, two = Worker(database), Worker(database)
        one.keep("k", ANSWER, ttl_s=60)
        await one.written()
        assert await two.look("k") == ANSWER
        assert two.memory.get("k") == ANSWER
        assert await two.look("other") is None
        assert (two.counts.hits, two.counts.misses, two.counts.hit_bytes) == (1, 1, len(ANSWER.body))
        assert (one.counts.answers, one.counts.answer_bytes) == (1, len(ANSWER.body))

    with_database(postgres_dsn, scenario)


def test_nothing_readable_stands_in_postgres_and_another_salt_key_finds_nothing(postgres_dsn: str) -> None:
    async def scenario(database: Database) -> None:
        one = Worker(database)
        one.keep("k", ANSWER, ttl_s=60)
        await one.written()
        async with database.connection() as connection:
            row = await connection.fetchrow('SELECT cache_key, sealed FROM "Switchgear_Cache"')
            assert b"secret" not in row["sealed"]
            assert row["cache_key"] != "k"
        assert await Worker(database, salt=OTHER).look("k") is None
        async with database.connection() as connection:
            await connection.execute('UPDATE "Switchgear_Cache" SET sealed = sealed || $1', b"x")
        assert await Worker(database).look("k") is None, "what was changed can't be opened"

    with_database(postgres_dsn, scenario)


def test_an_answer_is_found_no_longer_than_it_was_kept_for_and_no_older_than_asked(postgres_dsn: str) -> None:
    async def scenario(database: Database) -> None:
        one, two = Worker(database), Worker(database)
        one.keep("k", ANSWER, ttl_s=60)
        await one.written()
        assert await two.look("k", not_before=ANSWER.made_at + 1) is None
        async with database.connection() as connection:
            await connection.execute('UPDATE "Switchgear_Cache" SET expires_at = clock_timestamp()')
        assert await Worker(database).look("k") is None

    with_database(postgres_dsn, scenario)


def test_postgres_holds_no_more_than_the_bounds_and_nothing_that_is_over(postgres_dsn: str) -> None:
    async def scenario(database: Database) -> None:
        table = CacheTable(database, Sealer(SALT))
        await table.put([ToKeep(f"k{n}", ANSWER, 60.0 + n) for n in range(40)])
        await table.put([ToKeep("over", ANSWER, -1.0)])
        await table.tidy(max_entries=100, max_bytes=10**9)
        assert await rows(database) == 40
        await table.tidy(max_entries=20, max_bytes=10**9)
        assert await rows(database) == 18
        assert await table.get("k0") is None, "what would be over soonest leaves first"
        assert await table.get("k39") is not None
        async with database.connection() as connection:
            size = await connection.fetchval('SELECT max(size) FROM "Switchgear_Cache"')
        await table.tidy(max_entries=100, max_bytes=size * 10)
        assert await rows(database) <= 10

    with_database(postgres_dsn, scenario)


def test_a_worker_that_wrote_much_has_postgres_tidied_at_once(postgres_dsn: str) -> None:
    async def scenario(database: Database) -> None:
        one = Worker(database, msgspec.structs.replace(SHARED, max_stored_bytes=1024))
        one.start()
        for n in range(60):
            one.keep(f"k{n}", ANSWER, ttl_s=60)

        async def tidied() -> bool:
            return 0 < await rows(database) < 12

        await until(tidied)
        await one.close()

    with_database(postgres_dsn, scenario)


def test_an_answer_over_the_limit_is_not_kept_and_a_full_queue_loses_answers(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(response_cache, "QUEUE_BYTES", 100)

    async def scenario(database: Database) -> None:
        one = Worker(database, msgspec.structs.replace(SHARED, max_entry_bytes=60))
        one.keep("long", KeptAnswer(b"x" * 61, 0.0), ttl_s=60)
        for n in range(3):
            one.keep(f"k{n}", KeptAnswer(b"x" * 50, 0.0), ttl_s=60)
        await one.written()
        assert await rows(database) == 2
        assert await one.look("long") is None
        assert await one.look("k2") is not None, "it is in this worker's memory"

    with_database(postgres_dsn, scenario)


def test_answers_are_deleted_at_every_worker_and_the_audit_log_has_it(postgres_dsn: str) -> None:
    async def scenario(database: Database) -> None:
        one, two = Worker(database), Worker(database)
        for key in ("a", "b", "c"):
            one.keep(key, ANSWER, ttl_s=60)
        await one.written()
        assert await two.look("a") == await two.look("b") == ANSWER
        one.keep("queued", ANSWER, ttl_s=60)
        call = make_call(ADMIN, client_ip="192.0.2.1")
        assert await one.delete(["a", "queued", "unknown"], call=call) == 2
        two.heard("a\nqueued\nunknown")
        assert [await two.look(key) is not None for key in ("a", "b", "queued")] == [False, True, False]
        await one.written()
        assert await rows(database) == 2
        await one.flush(call=call)
        two.heard(response_cache.FLUSHED)
        assert [await each.look("b") for each in (one, two)] == [None, None]
        assert await rows(database) == 0
        async with database.connection() as connection:
            noted = await connection.fetch(
                'SELECT action, source_address, updated_values FROM "LiteLLM_AuditLog"'
                " WHERE table_name = 'Switchgear_Cache' ORDER BY updated_at"
            )
        assert [row["action"] for row in noted] == ["deleted", "flushed"]
        assert noted[0]["source_address"] == "192.0.2.1"
        assert "unknown" in noted[0]["updated_values"]

    with_database(postgres_dsn, scenario)


def test_what_was_deleted_while_it_was_written_or_read_stays_deleted(postgres_dsn: str) -> None:
    async def scenario(database: Database) -> None:
        one = Worker(database)
        table = one._table
        assert table is not None
        put, get = table.put, table.get

        async def put_and_flush(batch: list[ToKeep]) -> int:
            written = await put(batch)
            one.heard(response_cache.FLUSHED)
            return written

        one.keep("k", ANSWER, ttl_s=60)
        table.put = put_and_flush  # type: ignore[method-assign,assignment]
        await one.written()
        assert await rows(database) == 0
        table.put = put  # type: ignore[method-assign]
        one.keep("k", ANSWER, ttl_s=60)
        await one.written()
        one.memory.clear()

        async def get_and_flush(key: str) -> object:
            found = await get(key)
            one.heard(response_cache.FLUSHED)
            return found

        table.get = get_and_flush  # type: ignore[method-assign,assignment]
        assert await one.look("k") == ANSWER
        assert one.memory.get("k") is None

    with_database(postgres_dsn, scenario)


def test_a_worker_that_does_not_hear_uses_no_memory(postgres_dsn: str) -> None:
    async def scenario(database: Database) -> None:
        one = Worker(database, CacheRules(kind=CacheKind.LOCAL))
        one.keep("k", ANSWER, ttl_s=60)
        assert await one.look("k") == ANSWER
        one.hearing.heard_mono = float("-inf")
        assert await one.look("k") is None
        one.hearing.heard_mono = float("inf")
        one.heard("all")  # announcements may have been missed
        assert await one.look("k") is None
        assert await rows(database) == 0, "a local cache writes nothing into Postgres"

    with_database(postgres_dsn, scenario)


def test_postgres_that_is_away_or_hangs_is_a_miss_and_then_left_alone(postgres_dsn: str) -> None:
    async def scenario(database: Database) -> None:
        one = Worker(database)
        table = one._table
        assert table is not None
        asked = 0

        async def away(*_: object) -> None:
            nonlocal asked
            asked += 1
            raise DatabaseUnavailable("It is away.")

        async def hangs(*_: object) -> None:
            nonlocal asked
            asked += 1
            await asyncio.Event().wait()

        for fault, goes_on in ((away, False), (hangs, True)):
            one._away_until = one._slow_until = asked = 0
            table.get = table.put = fault  # type: ignore[method-assign,assignment]
            began = time.monotonic()
            assert [await one.look("k") for _ in range(20)] == [None] * 20
            assert time.monotonic() - began < 5.0
            assert asked == 1
            one.keep("k", ANSWER, ttl_s=60)
            assert await one.look("k") == ANSWER, "the memory goes on"
            assert bool(one._queue) is goes_on, "a slow one takes answers later"
            one._forget_all()
        one._away_until = 0
        table.put = away  # type: ignore[method-assign,assignment]
        one.keep("k", ANSWER, ttl_s=60)
        await one.written()
        assert one.counts.failures == 3

    with_database(postgres_dsn, scenario)


def test_a_killed_connection_fails_no_look(postgres_dsn: str) -> None:
    async def scenario(database: Database) -> None:
        one = Worker(database)
        one.keep("k", ANSWER, ttl_s=60)
        await one.written()
        one.memory.clear()
        other = await Database.connect(postgres_dsn, engine=database.engine)
        async with other.connection() as killer:
            await killer.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND application_name = 'switchgear'"
            )
        found = []
        for _ in range(5):  # each of the pool's connections may be a dead one
            one._away_until = one._slow_until = 0
            found.append(await one.look("k"))
        assert found[-1] == ANSWER
        await other.close()

    with_database(postgres_dsn, scenario)


def test_a_call_does_not_wait_for_a_connection_that_hangs_to_be_given_back(postgres_dsn: str) -> None:
    async def scenario(database: Database) -> None:
        one = Worker(database)
        table, given_back = one._table, asyncio.Event()
        assert table is not None

        async def hangs(key: str) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                await given_back.wait()

        table.get = hangs  # type: ignore[method-assign]
        began = time.monotonic()
        assert [await one.look("k"), await one.look("k")] == [None, None]
        assert time.monotonic() - began < 5.0
        one._slow_until = 0
        assert await one.look("k") is None
        assert len(one._left) == 1, "nothing more is asked while one question hangs"
        given_back.set()
        await one.close()
        assert not one._left

    with_database(postgres_dsn, scenario)


@pytest.mark.parametrize("kind", [CacheKind.LOCAL, CacheKind.POSTGRES])
def test_a_ping_keeps_an_answer_finds_it_and_leaves_nothing(postgres_dsn: str, kind: CacheKind) -> None:
    async def scenario(database: Database) -> None:
        one = Worker(database, CacheRules(kind=kind))
        assert await one.ping()
        assert (await rows(database), len(one.memory)) == (0, 0)

    with_database(postgres_dsn, scenario)


def test_a_cache_that_is_switched_off_forgets(postgres_dsn: str) -> None:
    async def scenario(database: Database) -> None:
        one = Worker(database)
        one.keep("k", ANSWER, ttl_s=60)
        one.use(CacheRules())
        assert len(one.memory) == 0

    with_database(postgres_dsn, scenario)
