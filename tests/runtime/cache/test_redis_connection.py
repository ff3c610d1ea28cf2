"""Where Redis' host leads is judged before a byte is sent there. Names are faked, sockets are real."""

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec
import pytest

from functions.ports.cache import KeptAnswer
from models_registry.config.redis_place import RedisPlace
from models_registry.config.response_cache import CacheKind, CacheRules
from models_registry.target import Residency
from runtime.blueprint import check
from runtime.cache.redis_store import NEVER_ASKED, NOT_NEAR
from runtime.cache.response_cache import ResponseCache
from runtime.guarded.guard import Guard
from runtime.state.sealing import Sealer
from runtime.telemetry.tally import CacheCounts
from runtime.upstream.dialing import Addresses, Dialer
from schema.errors.overload import Overloaded
from schema.secret import Secret
from tests.fakes.cache import Always
from tests.fakes.certificates import named, server_context
from tests.fakes.ports import ABSENT

PASSWORD = Secret("the-password-of-redis")
ANSWER = KeptAnswer(b'{"id":"a secret answer"}', 1.0, 3, 5, 1, "chatcmpl-1")
NO_ANSWER = "The response cache's Redis does not answer."
PUBLIC = "8.8.8.8"


class Names(Dialer):
    """A dialer whose names lead where the test says. It judges hosts of the API as the gateway does."""

    def __init__(self, *addresses: str, allowed: Sequence[str] = ()) -> None:
        general = {"user_url_allowed_hosts": list(allowed)}
        guard = Guard(check({"general_settings": general}, {}).guard, self._never)
        super().__init__(guard.why_not_called)
        self.leads_to = addresses

    async def addresses(self, host: str, port: int) -> Addresses:
        kinds = {each: socket.AF_INET6 if ":" in each else socket.AF_INET for each in self.leads_to}
        return [
            (kind, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (each, port)) for each, kind in kinds.items()
        ]

    async def _never(self, host: str, port: int) -> Sequence[str]:
        raise AssertionError("the dialer resolves names itself")


class Listener:
    """A server that is sent things, and says that it can't."""

    def __init__(self) -> None:
        self.port = 0
        self.connections = 0
        self.got = b""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with suppress(OSError, asyncio.CancelledError):
            while piece := await reader.read(1000):
                self.got += piece
                writer.write(b"-ERR no\r\n")
                await writer.drain()
        writer.close()


@asynccontextmanager
async def listening(tls: ssl.SSLContext | None = None) -> AsyncIterator[Listener]:
    listener = Listener()
    server = await asyncio.start_server(listener.answer, "127.0.0.1", 0, ssl=tls)
    listener.port = server.sockets[0].getsockname()[1]
    async with server:
        yield listener


def cache_at(place: RedisPlace, dialer: Dialer) -> ResponseCache:
    return ResponseCache(
        CacheRules(kind=CacheKind.REDIS, redis=place),
        database=ABSENT,
        sealer=Sealer(Secret("sk-a-salt-key-of-some-length")),
        announcements=Always(),
        counts=CacheCounts(),
        dialer=dialer,
    )


def tried(place: RedisPlace, dialer: Dialer, tls: ssl.SSLContext | None = None) -> tuple[str, Listener]:
    """What a trial says of a Redis at the listener's port, and what the listener was sent."""

    async def run() -> tuple[str, Listener]:
        async with listening(tls) as listener:
            there = msgspec.structs.replace(place, port=listener.port, password=PASSWORD)
            cache = cache_at(there, dialer)
            try:
                return await cache.trial(cache.rules), listener
            finally:
                await cache.close()

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("host", "said", "leads_to"),
    [
        ("redis", None, ("127.0.0.1", PUBLIC)),
        ("redis.lan", None, ("127.0.0.1", "2606:4700::1")),
        ("cache.example.com", Residency.LOCAL, ("127.0.0.1", PUBLIC)),
        ("redis", Residency.LOCAL, ("127.0.0.1", "203.0.114.9")),
        ("redis", None, ("0.0.0.0",)),
    ],
)
@pytest.mark.parametrize("tls", [False, True])
def test_a_redis_that_is_local_and_leads_to_a_public_address_is_sent_nothing(
    host: str, said: Residency | None, leads_to: tuple[str, ...], tls: bool
) -> None:
    place = RedisPlace(host=host, said=said, tls=tls)
    assert place.residency.is_local
    told, listener = tried(place, Names(*leads_to))
    assert told == NOT_NEAR
    assert (listener.connections, listener.got) == (0, b"")


@pytest.mark.parametrize(
    ("host", "said", "leads_to"),
    [
        ("redis", None, ("127.0.0.1",)),
        ("redis", Residency.ANYWHERE, ("127.0.0.1", PUBLIC)),
        ("cache.example.com", None, ("127.0.0.1", PUBLIC)),
        ("cache.example.com", Residency.LOCAL, ("127.0.0.1",)),
        ("cache.example.com", Residency.TRUSTED, ("127.0.0.1", PUBLIC)),
    ],
)
def test_a_redis_of_the_config_is_asked_wherever_the_config_lets_it_stand(
    host: str, said: Residency | None, leads_to: tuple[str, ...]
) -> None:
    told, listener = tried(RedisPlace(host=host, said=said), Names(*leads_to))
    assert told == NO_ANSWER
    assert PASSWORD.reveal().encode() in listener.got


@pytest.mark.parametrize("judged", [False, True])
@pytest.mark.parametrize("address", ["169.254.169.254", "fd00:ec2::254", "fe80::1", "::ffff:169.254.169.254"])
def test_no_redis_stands_where_clouds_give_credentials(
    address: str, judged: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def connect(*_: object, **__: object) -> None:
        raise AssertionError("a socket was made")

    monkeypatch.setattr("runtime.upstream.dialing.aiohappyeyeballs.start_connection", connect)
    told, _ = tried(RedisPlace(host="cache.example.com", judged=judged), Names(address))
    assert told == NEVER_ASKED


@pytest.mark.parametrize(
    ("host", "leads_to", "allowed", "refused"),
    [
        ("cache.example.com", ("127.0.0.1",), (), "private network"),
        ("cache.example.com", (PUBLIC, "127.0.0.1"), (), "private network"),
        ("cache.example.com", ("0.0.0.0",), ("0.0.0.0/0",), "never asked"),
        ("cache.example.com", ("127.0.0.1",), ("cache.example.com",), None),
        ("cache.example.com", ("127.0.0.1",), ("127.0.0.0/8",), None),
        ("127.0.0.1", ("127.0.0.1",), (), None),
        ("redis.lan", ("127.0.0.1",), (), None),
    ],
)
def test_a_redis_of_the_api_is_judged_where_its_name_leads(
    host: str, leads_to: tuple[str, ...], allowed: tuple[str, ...], refused: str | None
) -> None:
    told, listener = tried(RedisPlace(host=host, judged=True), Names(*leads_to, allowed=allowed))
    if refused is None:
        assert told == NO_ANSWER
        assert PASSWORD.reveal().encode() in listener.got
    else:
        assert refused in told
        assert "entered through the API" in told
        assert (listener.connections, listener.got) == (0, b"")
    assert PUBLIC not in told


def test_a_refused_redis_is_a_cache_that_fails_and_the_log_says_it_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)

    async def run() -> None:
        async with listening() as listener:
            names = Names("127.0.0.1", PUBLIC)
            cache = cache_at(RedisPlace(host="redis.lan", port=listener.port, password=PASSWORD), names)
            for failures in (1, 2, 3):
                cache._away_until = 0.0  # the pause is over
                assert await cache.find("k", not_before=0.0) is None
                assert cache._counts.failures == failures
            cache._away_until = 0.0
            cache.keep("k", ANSWER, ttl_s=60)
            await cache._write(cache._taken())
            assert await cache.find("k", not_before=0.0) == ANSWER, "the memory goes on"
            store = cache._redis
            assert store is not None
            asked: Sequence[Callable[[], Awaitable[object]]] = (
                cache.ping,
                store.flush,
                lambda: store.delete(["k"]),
            )
            for ask in asked:
                with pytest.raises(Overloaded) as refused:
                    await ask()
                assert refused.value.message == NOT_NEAR
            assert (listener.connections, listener.got) == (0, b"")
            names.leads_to = ("127.0.0.1",)
            cache._away_until = 0.0
            await cache.find("other", not_before=0.0)
            assert PASSWORD.reveal().encode() in listener.got, "the name leads home again"
            await cache.close()

    asyncio.run(run())
    assert caplog.text.count(NOT_NEAR) == 1
    assert PASSWORD.reveal() not in caplog.text


def test_the_certificate_is_for_the_hosts_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chain = named(tmp_path, ["cache.example.com"])
    both = tmp_path / "both.pem"
    both.write_bytes(chain.read_bytes() + (tmp_path / "privkey.pem").read_bytes())
    monkeypatch.setenv("SSL_CERT_FILE", str(chain))
    for host, reaches in (("cache.example.com", True), ("other.example.com", False)):
        place = RedisPlace(host=host, tls=True)
        told, listener = tried(place, Names("127.0.0.1"), server_context(both))
        assert told == NO_ANSWER
        assert (PASSWORD.reveal().encode() in listener.got) is reaches


def test_no_server_can_say_where_redis_moves_to() -> None:
    """redis-py asks servers for such words, and connects to what they name."""

    async def run() -> None:
        cache = cache_at(RedisPlace(host="redis"), Names("127.0.0.1"))
        assert cache._redis is not None
        assert not cache._redis._client.connection_pool.maint_notifications_enabled()
        await cache.close()

    asyncio.run(run())


def test_what_waits_for_one_redis_is_not_written_into_another() -> None:
    async def run() -> None:
        cache = cache_at(RedisPlace(host="redis.lan"), Names("127.0.0.1"))
        cache.keep("k", ANSWER, ttl_s=60)
        cache.use(CacheRules(kind=CacheKind.REDIS, redis=RedisPlace(host="redis.lan"), ttl_s=5))
        assert len(cache._queue) == 1
        cache.use(CacheRules(kind=CacheKind.REDIS, redis=RedisPlace(host="cache.example.com")))
        assert not cache._queue
        assert cache._queued_bytes == 0
        await cache.close()

    asyncio.run(run())
