"""A connection to Postgres that is cut when it is least convenient."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg


class Losing:
    """A pool that loses the first answer to each of some functions. The statement reaches Postgres, or does
    not."""

    def __init__(self, pool: Any, *what: str, done: bool) -> None:
        self.pool = pool
        self.what = list(what)
        self.done = done
        self.lost: tuple[Any, ...] = ()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.pool, name)

    @asynccontextmanager
    async def acquire(self, timeout: float) -> AsyncIterator["LosingConnection"]:
        async with self.pool.acquire(timeout=timeout) as connection:
            yield LosingConnection(connection, self)


class LosingConnection:
    def __init__(self, connection: Any, losing: Losing) -> None:
        self.connection = connection
        self.losing = losing

    def __getattr__(self, name: str) -> Any:
        return getattr(self.connection, name)

    async def execute(self, *said: Any) -> Any:
        return await self._say(self.connection.execute, said)

    async def fetch(self, *said: Any) -> Any:
        return await self._say(self.connection.fetch, said)

    async def _say(self, say: Any, said: tuple[Any, ...]) -> Any:
        losing = self.losing
        found = [word for word in losing.what if word in said[0]]
        if not found:
            return await say(*said)
        losing.what.remove(found[0])
        losing.lost = losing.lost or said
        if losing.done:
            await say(*said)
        raise asyncpg.ConnectionDoesNotExistError("the connection was closed in the middle of operation")
