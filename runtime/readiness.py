"""The readiness probe: whether this worker can serve calls."""

import time
import uuid
from collections.abc import Callable
from typing import NamedTuple

from runtime.books.bookkeeper import is_booking
from runtime.ledger.journal import Journal
from runtime.postgres.database import Database
from runtime.postgres.look_ups import LookUps
from schema.errors.overload import Overloaded
from schema.health import ReadinessDetails

GOOD_S = 1.0
"""How long an answer of Postgres is used again. Anybody may send probes, as often as they like."""
_TRY = """
    INSERT INTO "Switchgear_Worker" (worker, started_at, seen_at)
    VALUES ($1, clock_timestamp(), clock_timestamp())
"""


class ConfigState(NamedTuple):
    """What this worker serves with, and what the others do."""

    skipped: int = 0
    """How many deployments can't be called."""
    word: str = "in force"
    """`in force`, `refused` or `differs`."""
    hash: str = ""
    hosts: int = 1
    hashes: int = 1


class ReadinessProbe:
    """Says whether this worker can serve calls. Implements the port `Probe`. Known keys work for minutes
    without Postgres. So the worker is `degraded` while Postgres is away and the journal still takes rows. It
    is `degraded` too while deployments can't be called, and while the config file is refused or differs from
    another host's. `database` is the pool for leases, and `config` gives the state of the config."""

    def __init__(
        self,
        database: Database,
        journal: Journal,
        clock: Callable[[], float] = time.monotonic,
        *,
        config: Callable[[], ConfigState] = ConfigState,
    ) -> None:
        self._database = database
        self._config = config
        self._journal = journal
        self._clock = clock
        self._look_ups = LookUps(clock)
        self._wrote_mono = float("-inf")
        self.draining = False

    async def check(self) -> ReadinessDetails:
        """The state of the worker: `healthy` or `degraded`. Raises Overloaded while the worker is stopping,
        and while its journal is full."""
        if self.draining:
            raise Overloaded("This worker is stopping.")
        if self._journal.full:
            raise Overloaded("The spend ledger is full: the database has been away too long.")
        waiting = self._journal.waiting_rows
        if self._clock() - self._wrote_mono > GOOD_S and not await self._look_ups.newer("write", self._write):
            return self._state(status="degraded", db="not connected", waiting=waiting)
        booking = is_booking(self._journal.folder.parent)
        config = self._config()
        good = booking and not config.skipped and config.word == "in force"
        return self._state(status="healthy" if good else "degraded", db="connected", waiting=waiting)

    def _state(self, *, status: str, db: str, waiting: int) -> ReadinessDetails:
        config = self._config()
        return ReadinessDetails(
            status=status,
            db=db,
            ledger_rows_waiting=waiting,
            deployments_skipped=config.skipped,
            config=config.word,
            config_hash=config.hash,
            hosts=config.hosts,
            config_hashes=config.hashes,
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
