"""Answers in a real Redis: shared by workers, sealed, over in time, and never a call's problem."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

import msgspec
import pytest

from functions.ports.cache import KeptAnswer
from models_registry.config.redis_place import RedisPlace
from models_registry.config.response_cache import CACHE_OFF, CacheKind, CacheRules
from runtime.cache.redis_store import PREFIX, RedisStore
from runtime.cache.response_cache import NO_SALT_KEY, ResponseCache
from runtime.cache.sealed import SHORT_BYTES, ToKeep
from runtime.postgres.database import Database
from runtime.state.sealing import Sealer
from runtime.telemetry.tally import CacheCounts
from runtime.upstream.dialing import Dialer
from schema.errors.overload import Overloaded
from schema.secret import Secret
from tests.fakes.cache import local_cache
from tests.fakes.hostile_upstream import closed_port
from tests.fakes.redis_server import running_redis
from tests.functions.contexts import ADMIN, make_call
from tests.runtime.books.test_booking import until

T = TypeVar("T")
SALT = Secret("sk-a-salt-key-of-some-length")
PASSWORD = Secret("the-password-of-redis")
ANSWER = KeptAnswer(b'{"id":"a secret answer"}', time.time(), 3, 5, 1, "chatcmpl-1")


class Hearing:
    """Announcements that arrive."""

    heard_mono = float("inf")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisPlace]:
    """A Redis of the tests' own."""
    with running_redis(tmp_path_factory.mktemp("redis"), PASSWORD) as (place, _):
        yield place


class Worker(ResponseCache):
    """A worker's cache, with what it counted."""

    def __init__(
        self, database: Database, place: RedisPlace, salt: Secret = SALT, dialer: Dialer | None = None
    ) -> None:
        self.counts = CacheCounts()
        super().__init__(
            CacheRules(kind=CacheKind.REDIS, redis=place),
            database=database,
            sealer=Sealer(salt),
            announcements=Hearing(),
            counts=self.counts,
            dialer=dialer or Dialer(),
        )

    async def written(self) -> None:
        while self._queue:
            await self._write(self._taken())

    async def look(self, key: str) -> KeptAnswer | None:
        return await self.find(key, not_before=0.0)


def with_database(dsn: str, scenario: Callable[[Database], Awaitable[T]]) -> T:
    async def run() -> T:
        database = await Database.connect(dsn)
        try:
            return await scenario(database)
        finally:
            await database.close()

    return asyncio.run(run())


async def raw(place: RedisPlace, ask: Callable[[Any], Awaitable[T]]) -> T:
    """What Redis itself has."""
    store = RedisStore(place, Sealer(SALT), Dialer())
    try:
        return await ask(store._client)
    finally:
        await store.close()


def test_every_worker_finds_what_one_has_kept_and_redis_reads_none_of_it(
    postgres_dsn: str, place: RedisPlace
) -> None:
    async def scenario(database: Database) -> None:
        one, other, stranger = (
            Worker(database, place),
            Worker(database, place),
            Worker(database, place, Secret("x" * 40)),
        )
        long = msgspec.structs.replace(ANSWER, body=b"abc" * SHORT_BYTES)
        one.keep("k1", ANSWER, ttl_s=60)
        one.keep("k2", long, ttl_s=60)
        await one.written()
        assert await other.look("k1") == ANSWER
        assert await other.look("k2") == long
        assert (other.counts.hits, other.counts.misses) == (2, 0)
        assert await stranger.look("k1") is None
        names = await raw(place, lambda redis: redis.keys("*"))
        assert len(names) == 2
        for name in names:
            assert name.startswith(PREFIX.encode())
            assert b"k1" not in name
        values = await raw(place, lambda redis: redis.mget(names))
        assert not any(b"secret answer" in value for value in values)
        await one.flush(call=make_call(ADMIN))
        for each in (one, other, stranger):
            await each.close()

    with_database(postgres_dsn, scenario)


def test_an_answer_is_over_in_time_here_and_there(postgres_dsn: str, place: RedisPlace) -> None:
    async def scenario(database: Database) -> None:
        one, other = Worker(database, place), Worker(database, place)
        one.keep("short", ANSWER, ttl_s=0.5)
        await one.written()
        assert await other.look("short") == ANSWER
        left = other.memory._entries["short"].until_mono - time.monotonic()
        assert left <= 0.5, "it leaves the other's memory when it is over"

        async def gone() -> bool:
            fresh = Worker(database, place)
            try:
                return await fresh.look("short") is None
            finally:
                await fresh.close()

        await until(gone)
        await one.close()
        await other.close()

    with_database(postgres_dsn, scenario)


def test_what_is_deleted_is_gone_in_redis_and_other_values_stay(postgres_dsn: str, place: RedisPlace) -> None:
    async def scenario(database: Database) -> None:
        one, other = Worker(database, place), Worker(database, place)
        await raw(place, lambda redis: redis.set("somebody:else", b"1"))
        for key in ("a", "b", "c"):
            one.keep(key, ANSWER, ttl_s=60)
        await one.written()
        assert await one.delete(["a", "nothing"], call=make_call(ADMIN)) == 1
        assert [await other.look(key) is None for key in ("a", "b")] == [True, False]
        await one.flush(call=make_call(ADMIN))
        assert await one.look("c") is None
        assert await raw(place, lambda redis: redis.keys("*")) == [b"somebody:else"]
        assert await one.ping()
        assert await raw(place, lambda redis: redis.keys("*")) == [b"somebody:else"]
        await raw(place, lambda redis: redis.delete("somebody:else"))
        for each in (one, other):
            await each.close()

    with_database(postgres_dsn, scenario)


@pytest.mark.parametrize("wrong", ["nobody there", "other password"])
def test_a_redis_that_does_not_answer_is_no_calls_problem(
    postgres_dsn: str, place: RedisPlace, wrong: str, caplog: pytest.LogCaptureFixture
) -> None:
    away = (
        msgspec.structs.replace(place, port=closed_port())
        if wrong == "nobody there"
        else msgspec.structs.replace(place, password=Secret("not-the-password"))
    )

    async def scenario(database: Database) -> None:
        cache = Worker(database, away)
        assert await cache.look("k") is None
        assert cache.counts.failures == 1
        assert cache._is_away
        cache.keep("k", ANSWER, ttl_s=60)
        assert await cache.look("k") == ANSWER, "the memory goes on"
        for ask in (
            cache.ping(),
            cache.flush(call=make_call(ADMIN)),
            cache.delete(["k"], call=make_call(ADMIN)),
        ):
            with pytest.raises(Overloaded, match="does not answer"):
                await ask
        await cache.close()

    with_database(postgres_dsn, scenario)
    assert PASSWORD.reveal() not in caplog.text
    assert "not-the-password" not in caplog.text


def test_without_a_salt_key_answers_stay_in_memory() -> None:
    cache = local_cache()
    cache.use(CacheRules(kind=CacheKind.REDIS, redis=RedisPlace(host="redis.test")))
    cache.keep("k", ANSWER, ttl_s=60)
    assert cache._redis is None
    assert not cache._queue
    assert asyncio.run(cache.find("k", not_before=0.0)) == ANSWER


def test_another_redis_is_used_from_the_moment_the_config_names_it(
    postgres_dsn: str, place: RedisPlace
) -> None:
    async def scenario(database: Database) -> None:
        cache = Worker(database, place)
        first = cache._redis
        cache.use(CacheRules(kind=CacheKind.REDIS, redis=place, ttl_s=5))
        assert cache._redis is first
        cache.use(CacheRules(kind=CacheKind.REDIS, redis=msgspec.structs.replace(place, db=1)))
        assert cache._redis is not None
        assert cache._redis.place.db == 1
        cache.keep("k", ANSWER, ttl_s=60)
        await cache.written()
        assert await raw(place, lambda redis: redis.keys("*")) == []
        await cache.flush(call=make_call(ADMIN))
        cache.use(CACHE_OFF)
        assert cache._redis is None
        await cache.close()
        assert not cache._closing

    with_database(postgres_dsn, scenario)


@pytest.mark.parametrize(
    "reply",
    [
        b":abc\r\n",
        b"$zz\r\n",
        b"$-5\r\n",
        b"*1\r\n" * 3_000,
        b"-ERR \xff\xfe\r\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
    ],
)
def test_what_is_no_redis_fails_a_trial_a_ping_and_a_flush(postgres_dsn: str, reply: bytes) -> None:
    async def scenario(database: Database) -> None:
        async with replying(reply) as place:
            here = Worker(database, place)
            rules = CacheRules(kind=CacheKind.REDIS, redis=place)
            assert await here.trial(rules) == "The response cache's Redis does not answer."
            for ask in (
                here.ping(),
                here.flush(call=make_call(ADMIN)),
                here.delete(["k"], call=make_call(ADMIN)),
            ):
                with pytest.raises(Overloaded):
                    await ask
            await here.close()

    with_database(postgres_dsn, scenario)


def test_a_redis_that_answers_a_byte_at_a_time_is_waited_for_so_long_and_no_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("runtime.cache.redis_store.TRIAL_S", 0.3)

    async def scenario() -> None:
        async with replying(b"+" + b"a" * 1_000, pause_s=0.05) as place:
            store = RedisStore(place, Sealer(SALT), Dialer())
            with pytest.raises(Overloaded) as refused:
                await store.ping("k", ToKeep("k", ANSWER, 60.0))
            await store.close()
        assert type(refused.value.__cause__) is TimeoutError, "the whole trial's, not that of one answer"

    asyncio.run(scenario())


@asynccontextmanager
async def replying(reply: bytes, *, pause_s: float = 0.0) -> AsyncIterator[RedisPlace]:
    """A server that says the same to everything, all at once or a byte at a time."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.CancelledError):
            while await reader.read(1000):
                for part in [reply[at : at + 1] for at in range(len(reply))] if pause_s else [reply]:
                    writer.write(part)
                    await writer.drain()
                    await asyncio.sleep(pause_s)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield RedisPlace(host="127.0.0.1", port=server.sockets[0].getsockname()[1])


def test_a_trial_says_whether_a_redis_would_keep_answers(postgres_dsn: str, place: RedisPlace) -> None:
    """Nothing is put in force, and the words of a failure name no password."""

    async def scenario(database: Database) -> None:
        cache = local_cache(database=database)
        here = Worker(database, place)
        try:
            assert await here.trial(CacheRules(kind=CacheKind.REDIS, redis=place)) == ""
            assert await here.trial(CacheRules(kind=CacheKind.POSTGRES)) == ""
            for wrong in (
                msgspec.structs.replace(place, password=Secret("of-nobody")),
                msgspec.structs.replace(place, password=None),
                msgspec.structs.replace(place, port=closed_port(), password=None),
                msgspec.structs.replace(place, tls=True),
            ):
                said = await here.trial(CacheRules(kind=CacheKind.REDIS, redis=wrong))
                assert said == "The response cache's Redis does not answer."
            assert here.rules.redis == place
            assert await cache.trial(CacheRules(kind=CacheKind.REDIS, redis=place)) == NO_SALT_KEY
        finally:
            await here.close()

    with_database(postgres_dsn, scenario)
