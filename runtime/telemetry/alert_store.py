"""Stores a desk's alerts in Postgres, on a connection of their own.

The bookkeeper begins the storing and does not wait for it. So booking goes on when storing hangs or fails.
Storing that failed is tried again.
"""

import asyncio
import logging

from runtime.postgres.own_connection import OwnConnection
from runtime.telemetry.alerts import Desk

STATEMENT_TIMEOUT_S = 10.0
LOCK_TIMEOUT = "500ms"

log = logging.getLogger(__name__)


class AlertStore:
    """Stores one desk's alerts whenever it is asked to. `dsn` is the address of Postgres."""

    def __init__(self, desk: Desk, dsn: str) -> None:
        self._desk = desk
        self._connection = OwnConnection(
            dsn,
            "switchgear alerts",
            statement_timeout_s=STATEMENT_TIMEOUT_S,
            settings={"lock_timeout": LOCK_TIMEOUT},
        )
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
        await self._connection.close()

    async def _store(self) -> None:
        try:
            await self._desk.store(await self._connection.opened())
        except Exception as exc:  # after any error the desk still has what was raised
            if not self._is_failing:
                log.warning("alerts can't be stored, trying again: %r", exc)
            self._is_failing = True
            await self._connection.close()
        else:
            self._is_failing = False
