"""Answers in Redis, sealed under the salt key as in Postgres, and deleted by Redis itself when they are over.

redis-py is the client that Redis' own company keeps. How much is kept is Redis' own setting (`maxmemory`).
Where Redis' host leads is judged at each connection, as a provider's is, before anything is sent there.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from models_registry.config.redis_place import RedisPlace
from runtime.cache.sealed import StillKept, ToKeep, opened_by, sealed_under
from runtime.state.sealing import Sealer
from runtime.upstream.dialing import Dialer, GivesCredentials, NotNear, Unasked
from schema.errors.overload import Overloaded

PREFIX = "switchgear:answer:"
CONNECTIONS = 8
WAIT_S = 2.0
"""How long a connection and each answer may take."""
TRIAL_S = 8.0
"""How long somebody waits at most until an answer was kept and found, or answers were deleted."""
FLUSH_S = 60.0
DELETED_AT_ONCE = 500
NOT_NEAR = (
    "Nothing is sent to the response cache's Redis: it is local by its host's name or by `residency: local`, "
    "and the host leads to an address outside of private networks. With `residency: cloud` it is asked, and "
    "keeps nothing of calls that stay local."
)
NEVER_ASKED = (
    "Nothing is sent to the response cache's Redis: its host leads to an address that is never asked, "
    "link-local or a cloud's metadata service."
)


class RedisUnasked(Exception):
    """Redis' host leads where nothing of ours may go. The message names no address."""


def refusal_in(error: BaseException) -> str | None:
    """Why Redis' host is not asked, where an error of redis-py says so. None: it is another error."""
    cause = error if isinstance(error, RedisUnasked) else error.__cause__
    return str(cause) if isinstance(cause, RedisUnasked) else None


class RedisStore:
    """One a worker. Every method raises `redis.RedisError` or OSError, but those that an API asks for."""

    def __init__(self, place: RedisPlace, sealer: Sealer, dialer: Dialer) -> None:
        self.place = place
        self._sealer = sealer
        self._client = _client(place, dialer)

    async def put(self, answers: Sequence[ToKeep]) -> int:
        """Write answers, and give how many bytes they take."""
        named = {self._name(each.key): each for each in answers}
        sealed = await sealed_under(self._sealer, named)
        async with self._client.pipeline(transaction=False) as pipeline:
            for (name, each), value in zip(named.items(), sealed, strict=True):
                pipeline.set(name, value, px=max(1, round(each.ttl_s * 1000)))
            await pipeline.execute()
        return sum(map(len, sealed))

    async def get(self, key: str) -> StillKept | None:
        """None: there is no such answer, or it can't be opened."""
        name = self._name(key)
        async with self._client.pipeline(transaction=False) as pipeline:
            pipeline.get(name)
            pipeline.pttl(name)
            sealed, left_ms = await pipeline.execute()
        if not isinstance(sealed, bytes) or not isinstance(left_ms, int) or left_ms <= 0:
            return None  # what stays for good is nothing of ours
        answer = await opened_by(self._sealer, name, sealed)
        return None if answer is None else StillKept(answer, left_ms / 1000)

    async def forget(self, keys: Sequence[str]) -> int:
        """Delete answers, and give how many there were."""
        return int(await self._client.unlink(*map(self._name, keys))) if keys else 0

    async def delete(self, keys: Sequence[str]) -> int:
        """The same for somebody who waits for it. Raises Overloaded."""
        async with _answering(TRIAL_S):
            return await self.forget(keys)

    async def flush(self) -> None:
        """Delete all answers. Other values in the same Redis stay. Raises Overloaded."""
        async with _answering(FLUSH_S):
            names: list[bytes] = []
            async for name in self._client.scan_iter(match=f"{PREFIX}*", count=DELETED_AT_ONCE):
                names.append(name)
                if len(names) >= DELETED_AT_ONCE:
                    await self._client.unlink(*names)
                    names.clear()
            if names:
                await self._client.unlink(*names)

    async def ping(self, key: str, kept: ToKeep) -> bool:
        """Whether an answer can be kept and found. Raises Overloaded."""
        async with _answering(TRIAL_S):
            await self.put([kept])
            found = await self.get(key)
            await self.forget([key])
            return found is not None and found.answer == kept.answer

    async def close(self) -> None:
        await self._client.aclose()

    def _name(self, key: str) -> str:
        return PREFIX + self._sealer.named(key)


def _client(place: RedisPlace, dialer: Dialer) -> Any:  # redis-py's types say that commands can't be awaited
    from redis.asyncio import BlockingConnectionPool, Redis
    from redis.maint_notifications import MaintNotificationsConfig

    from runtime.cache.redis_connection import OwnSocketConnection, OwnSocketTls

    facts: Mapping[str, Any] = {
        "host": place.host,
        "port": place.port,
        "db": place.db,
        "username": place.username,
        "password": None if place.password is None else place.password.reveal(),
        "socket_timeout": WAIT_S,
        "socket_connect_timeout": WAIT_S,
        "client_name": "switchgear",
        "health_check_interval": 30,
        "dial": partial(_dialled, dialer, place),
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }
    kind = OwnSocketTls if place.tls else OwnSocketConnection
    pool = BlockingConnectionPool(connection_class=kind, max_connections=CONNECTIONS, timeout=WAIT_S, **facts)
    return Redis.from_pool(pool)


async def _dialled(dialer: Dialer, place: RedisPlace) -> socket.socket:
    """A socket that is connected to Redis. Raises RedisUnasked, NameUnknown, OSError."""
    near = place.must_be_near
    try:
        return await dialer.dial(
            place.host,
            place.port,
            proxy=None,
            tunnel=False,
            near=near,
            judged=place.judged and not near,  # a near address is private, which is what was asked for
        )
    except NotNear as exc:
        raise RedisUnasked(NOT_NEAR) from exc
    except GivesCredentials as exc:
        raise RedisUnasked(NEVER_ASKED) from exc
    except Unasked as exc:
        raise RedisUnasked(
            f"Nothing is sent to the response cache's Redis: its host was entered through the API, and {exc}."
        ) from exc


@asynccontextmanager
async def _answering(within_s: float) -> AsyncIterator[None]:
    """Raises Overloaded where Redis does not answer, or not in time, or may not be asked. Its own words may
    name addresses and users."""
    try:
        async with asyncio.timeout(within_s):
            yield
    except Exception as exc:  # what no Redis sends is many kinds of error in redis-py, RecursionError too
        raise Overloaded(refusal_in(exc) or "The response cache's Redis does not answer.") from exc
