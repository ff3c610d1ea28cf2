"""Hears the announcements of changes: one connection that LISTENs. The connection is probed, so that silence
means that nothing changed.

A statement that changes a governed row announces the row's topic (`team:platform`). While the connection is
lost, cached values are in force only briefly. When the connection is back, nothing cached is in force any
more, since nobody knows which announcements were missed.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping

import asyncpg

AUTHORITY = "switchgear_authority"
RECALL = "switchgear_recall"
OVERDRAWN = "switchgear_overdrawn"
LIVE = "switchgear_live"
EVERYTHING = "all"
PROBE_S = 0.5
"""The pause between two probes. So `heard_mono` is never older than 0.5 s and two round trips, while probes
are answered. Caches allow 1 s (HEARD_S)."""
PROBE_TIMEOUT_S = 0.8
"""A connection that does not answer a probe for so long is lost."""
FIRST_BACKOFF_S = 0.1
LAST_BACKOFF_S = 2.0

log = logging.getLogger(__name__)
Heard = Callable[[str], None]


class Listener:
    """Calls `on[channel]` with the text of each announcement. It is started in the worker's loop. When a
    connection is there, the first one or a new one, it calls `missed[channel]`, or `on[channel]` with `all`
    where `missed` does not have the channel."""

    def __init__(
        self,
        dsn: str,
        on: Mapping[str, Heard],
        clock: Callable[[], float] = time.monotonic,
        *,
        missed: Mapping[str, Callable[[], None]] | None = None,
    ) -> None:
        self._dsn = dsn
        self._on = on
        self._missed = missed or {}
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self._first = asyncio.Event()
        self.heard_mono = float("-inf")

    async def start(self) -> None:
        """Begin to listen. This returns when the first try has succeeded or failed: a worker starts in either
        case."""
        self._task = asyncio.create_task(self._run(), name="announcements")
        await self._first.wait()

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        backoff_s = FIRST_BACKOFF_S
        while True:
            try:
                await self._listen()
            except Exception as exc:  # after any error the worker must know that it no longer listens
                if backoff_s == FIRST_BACKOFF_S:
                    log.warning("announcements lost, trying again: %r", exc)
            self.heard_mono = float("-inf")
            self._first.set()
            await asyncio.sleep(backoff_s)
            backoff_s = FIRST_BACKOFF_S if self._listened else min(backoff_s * 2, LAST_BACKOFF_S)

    async def _listen(self) -> None:
        """Listen until the connection is lost."""
        self._listened = False
        connection = await asyncpg.connect(
            self._dsn, timeout=PROBE_TIMEOUT_S * 5, server_settings={"application_name": "switchgear-listen"}
        )
        try:
            for channel, heard in self._on.items():
                await connection.add_listener(channel, _passing_on(heard))
            for channel, heard in self._on.items():
                if channel in self._missed:
                    self._missed[channel]()
                else:
                    heard(EVERYTHING)
            self._listened = True
            while True:
                asked_mono = self._clock()
                await connection.fetchval("SELECT 1", timeout=PROBE_TIMEOUT_S)
                self.heard_mono = asked_mono
                self._first.set()
                await asyncio.sleep(PROBE_S)
        finally:
            connection.terminate()

    _listened = False


def _passing_on(heard: Heard) -> Callable[[object, int, str, object], None]:
    def receive(connection: object, pid: int, channel: str, payload: object) -> None:
        heard(str(payload))

    return receive
