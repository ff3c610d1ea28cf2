"""The readiness probe: can this worker serve calls?"""

from runtime.bookkeeper import is_booking
from runtime.database import Database
from runtime.journal import Journal
from schema.errors import DatabaseUnavailable, Overloaded
from schema.health import Readiness


class ReadinessProbe:
    """Implements the `Probe` port. Known keys go on for minutes without Postgres, so that its
    absence is `degraded` while the ledger still takes rows."""

    def __init__(self, database: Database, journal: Journal) -> None:
        self._database = database
        self._journal = journal
        self.draining = False

    async def check(self) -> Readiness:
        """Raises Overloaded while draining, and where no call could be booked."""
        if self.draining:
            raise Overloaded("This worker is stopping.")
        if self._journal.full:
            raise Overloaded("The spend ledger is full: the database has been away too long.")
        waiting = self._journal.waiting_rows
        try:
            await self._database.ping()
        except DatabaseUnavailable:
            return Readiness(status="degraded", db="not connected", ledger_rows_waiting=waiting)
        booking = is_booking(self._journal.folder.parent)
        return Readiness(
            status="healthy" if booking else "degraded", db="connected", ledger_rows_waiting=waiting
        )
