"""The readiness probe: whether this worker can serve calls."""

import time
import uuid
from collections.abc import Callable

from runtime.books.bookkeeper import is_booking
from runtime.ledger.journal import Journal
from runtime.postgres.database import Database
from runtime.postgres.look_ups import LookUps
from schema.errors import Overloaded
from schema.health import Readiness

GOOD_S = 1.0
"""How long an answer of Postgres is used again. Anybody may send probes, as often as they like."""
_TRY = """
    INSERT INTO "Switchgear_Worker" (worker, started_at, seen_at)
    VALUES ($1, clock_timestamp(), clock_timestamp())
"""


class ReadinessProbe:
    """Says whether this worker can serve calls. Implements the port `Probe`. Known keys work for minutes
    without Postgres. So the worker is `degraded` while Postgres is away and the journal still takes rows. It
    is `degraded` too while `skipped` deployments can't be called. `database` is the pool for leases."""

    def __init__(
        self,
        database: Database,
        journal: Journal,
        clock: Callable[[], float] = time.monotonic,
        *,
        skipped: int = 0,
    ) -> None:
        self._database = database
        self._skipped = skipped
        self._journal = journal
        self._clock = clock
        self._look_ups = LookUps(clock)
        self._wrote_mono = float("-inf")
        self.draining = False

    async def check(self) -> Readiness:
        """The state of the worker: `healthy` or `degraded`. Raises Overloaded while the worker is stopping,
        and while its journal is full."""
        if self.draining:
            raise Overloaded("This worker is stopping.")
        if self._journal.full:
            raise Overloaded("The spend ledger is full: the database has been away too long.")
        waiting = self._journal.waiting_rows
        if self._clock() - self._wrote_mono > GOOD_S and not await self._look_ups.newer("write", self._write):
            return Readiness(
                status="degraded",
                db="not connected",
                ledger_rows_waiting=waiting,
                deployments_skipped=self._skipped,
            )
        booking = is_booking(self._journal.folder.parent)
        return Readiness(
            status="healthy" if booking and not self._skipped else "degraded",
            db="connected",
            ledger_rows_waiting=waiting,
            deployments_skipped=self._skipped,
        )

    async def close(self) -> None:
        await self._look_ups.close()

    async def _write(self) -> bool:
        """Write a row and roll back: a call under a budget needs a Postgres that takes writes, and a standby
        answers without taking any. Raises DatabaseUnavailable."""
        asked_mono = self._clock()
        async with self._database.connection() as connection:
            transaction = connection.transaction()
            await transaction.start()
            try:
                await connection.execute(_TRY, f"readiness-{uuid.uuid4()}")
            finally:
                await transaction.rollback()
        self._wrote_mono = asked_mono
        return True
