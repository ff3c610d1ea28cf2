"""Answers in Redis, sealed under the salt key as in Postgres, and deleted by Redis itself when they are over.

redis-py is the client that Redis' own company keeps. How much is kept is Redis' own setting (`maxmemory`).
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from models_registry.config.redis_place import RedisPlace
from runtime.cache.sealed import StillKept, ToKeep, opened_by, sealed_under
from runtime.state.sealing import Sealer
from schema.errors.overload import Overloaded

PREFIX = "switchgear:answer:"
CONNECTIONS = 8
WAIT_S = 2.0
"""How long a connection and each answer may take."""
TRIAL_S = 8.0
"""How long somebody waits at most until an answer was kept and found, or answers were deleted."""
FLUSH_S = 60.0
DELETED_AT_ONCE = 500


class RedisStore:
    """One a worker. Every method raises `redis.RedisError` or OSError, but those that an API asks for."""

    def __init__(self, place: RedisPlace, sealer: Sealer) -> None:
        self.place = place
        self._sealer = sealer
        self._client = _client(place)

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


def _client(place: RedisPlace) -> Any:  # redis-py's types say of each command that it may not be awaited
    from redis.asyncio import BlockingConnectionPool, Connection, Redis, SSLConnection
    from redis.asyncio.connection import AbstractConnection

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
    }
    kind: type[AbstractConnection] = SSLConnection if place.tls else Connection
    pool = BlockingConnectionPool(connection_class=kind, max_connections=CONNECTIONS, timeout=WAIT_S, **facts)
    return Redis.from_pool(pool)


@asynccontextmanager
async def _answering(within_s: float) -> AsyncIterator[None]:
    """Raises Overloaded where Redis does not answer, or not in time. Its own words may name addresses and
    users."""
    try:
        async with asyncio.timeout(within_s):
            yield
    except Exception as exc:  # what no Redis sends is many kinds of error in redis-py, RecursionError too
        raise Overloaded("The response cache's Redis does not answer.") from exc
