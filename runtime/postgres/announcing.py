"""Sends announcements, which `runtime/postgres/listener.py` hears in every worker."""

from collections.abc import Sequence

import asyncpg

from runtime.postgres.database import Database
from runtime.postgres.errors import asking

_ANNOUNCE = "SELECT count(pg_notify($1, payload)) FROM unnest($2::text[]) AS payload"


class Announcer:
    """Sends announcements on one channel, outside any other transaction."""

    def __init__(self, database: Database, channel: str) -> None:
        self._database = database
        self._channel = channel

    async def announce(self, payloads: Sequence[str]) -> None:
        """Send them in their order. Each has at most 7,999 bytes. Raises DatabaseUnavailable."""
        with asking():
            async with self._database.connection() as connection:
                await announce(connection, self._channel, payloads)


async def announce(connection: asyncpg.Connection, channel: str, payloads: Sequence[str]) -> None:
    """Send them with the transaction under way: they are heard when it is committed."""
    await connection.execute(_ANNOUNCE, channel, payloads)
