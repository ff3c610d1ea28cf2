"""Stores a desk's alerts in Postgres, on a connection of their own.

The bookkeeper begins the storing and does not wait for it. So booking goes on when storing hangs or fails.
Storing that failed is tried again.
"""

import asyncio
import logging
from contextlib import suppress

import asyncpg

from runtime.telemetry.alerts import Desk

CONNECT_TIMEOUT_S = 5.0
STATEMENT_TIMEOUT_S = 10.0
LOCK_TIMEOUT = "500ms"

log = logging.getLogger(__name__)


class AlertStore:
    """Stores one desk's alerts whenever it is asked to. `dsn` is the address of Postgres."""

    def __init__(self, desk: Desk, dsn: str) -> None:
        self._desk = desk
        self._dsn = dsn
        self._connection: asyncpg.Connection | None = None
        self._storing: asyncio.Task[None] | None = None
        self._is_failing = False

    def begin(self) -> None:
        """Begin to store what was raised, unless storing is under way. This does not wait and raises
        nothing."""
        if self._storing is None or self._storing.done():
            self._storing = asyncio.create_task(self._store(), name="alerts")

    async def finish(self, within_s: float) -> None:
        """Wait until the storing that was begun is over, for `within_s` seconds at most."""
        if self._storing is not None:
            await asyncio.wait([self._storing], timeout=within_s)

    async def close(self) -> None:
        if self._storing is not None:
            self._storing.cancel()
            await asyncio.gather(self._storing, return_exceptions=True)
        await self._disconnect()

    async def _store(self) -> None:
        try:
            await self._desk.store(await self._connected())
        except Exception as exc:  # after any error the desk still has what was raised
            if not self._is_failing:
                log.warning("alerts can't be stored, trying again: %r", exc)
            self._is_failing = True
            await self._disconnect()
        else:
            self._is_failing = False

    async def _connected(self) -> asyncpg.Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(
                self._dsn,
                timeout=CONNECT_TIMEOUT_S,
                command_timeout=STATEMENT_TIMEOUT_S + 1,
                server_settings={
                    "application_name": "switchgear alerts",
                    "timezone": "UTC",
                    "statement_timeout": f"{STATEMENT_TIMEOUT_S:.0f}s",
                    "lock_timeout": LOCK_TIMEOUT,
                },
            )
        return self._connection

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):  # nobody uses the connection any more, so an error does not matter
                await connection.close(timeout=1.0)
