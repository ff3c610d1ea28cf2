"""Deletes rows that are over, now and then."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from runtime.postgres.database import Database
from runtime.postgres.errors import asking
from schema.errors.overload import DatabaseUnavailable

PURGE_EVERY_S = 600.0
PURGED_AT_ONCE = 500
_PURGE = """
    DELETE FROM "{table}" WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM "{table}" WHERE expires_at < now() LIMIT $1 FOR UPDATE SKIP LOCKED))
"""


class Purging:
    """A task that calls `purge` once in PURGE_EVERY_S. While the database is away, nothing is deleted."""

    def __init__(self, purge: Callable[[], Awaitable[None]], name: str) -> None:
        self._purge = purge
        self._name = name
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=self._name)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(PURGE_EVERY_S)
            with suppress(DatabaseUnavailable):
                await self._purge()


async def purge_expired(database: Database, table: str) -> None:
    """Delete the rows of a table whose `expires_at` is past, PURGED_AT_ONCE in each statement. Raises
    DatabaseUnavailable."""
    deleted = PURGED_AT_ONCE
    while deleted >= PURGED_AT_ONCE:
        with asking():
            async with database.connection() as connection:
                told = await connection.execute(_PURGE.format(table=table), PURGED_AT_ONCE)
        deleted = int(told.rpartition(" ")[2])
