"""The ledger's way to disk: a bounded queue, and one task that books it in batches.

A row leaves the queue when its transaction has committed, and not before; while Postgres is away
it is tried again. A full queue refuses new calls (`full`), never a row of a call that was begun.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from datetime import date
from itertools import islice

import asyncpg

from runtime.database import Database
from runtime.spend_insert import ensure_partition, insert_rows, months_of
from schema.errors import DatabaseUnavailable
from schema.spend import SpendRow
from schema.tables.partitions import month_after

CAPACITY_ROWS = 50_000
BATCH_ROWS = 500
INTERVAL_S = 0.25
FIRST_BACKOFF_S = 0.1
LAST_BACKOFF_S = 5.0

UNSTORABLE = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, ValueError, OverflowError)
"""What Postgres or its driver says to a row that no retry can save."""
PASSING = (
    DatabaseUnavailable,
    asyncpg.TransactionRollbackError,  # deadlocks too
    asyncpg.ObjectNotInPrerequisiteStateError,  # locks that are not to be had
    asyncpg.PostgresSystemError,
    asyncpg.ReadOnlySQLTransactionError,  # a standby that is about to be promoted
    asyncpg.SyntaxOrAccessError,  # a table or a right that is missing: for every row
)
"""What is no row's fault: all of them wait."""
TRIES = 3
"""Of a whole batch that Postgres refuses for another reason, before its rows go one by one."""

log = logging.getLogger(__name__)


class LedgerWriter:
    """Implements `runtime.ledger.Sink`. Start it in the worker's loop, close it after the last call."""

    def __init__(
        self, database: Database, *, capacity_rows: int = CAPACITY_ROWS, interval_s: float = INTERVAL_S
    ) -> None:
        self._database = database
        self._capacity_rows = capacity_rows
        self._interval_s = interval_s
        self._rows: deque[SpendRow] = deque()
        self._months: set[date] = set()
        self._some = asyncio.Event()
        self._many = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None
        self._booked_rows = 0
        self._set_aside: dict[str, int] = {}
        """Rows in the queue that failed alone, and how many were booked before they did."""
        self.unstorable_rows = 0
        """Rows given up since Postgres can't hold them; each is in the log."""

    @property
    def waiting_rows(self) -> int:
        return len(self._rows)

    @property
    def full(self) -> bool:
        return len(self._rows) >= self._capacity_rows

    def put(self, row: SpendRow) -> None:
        self._rows.append(row)
        waiting = len(self._rows)
        if waiting == 1:
            self._some.set()
        elif waiting == BATCH_ROWS:
            self._many.set()
        elif waiting == self._capacity_rows:
            log.error("spend ledger full: %d rows wait for the database, new calls are refused", waiting)

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="ledger-writer")

    async def close(self, timeout_s: float) -> int:
        """Book what is left, for so long; gives the number of rows that could not be booked."""
        self._closing = True
        self._some.set()
        self._many.set()
        if self._task is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._task, timeout_s)
        if self._rows:
            log.error("spend ledger closed with %d rows not booked: %s", len(self._rows), self._named())
        return len(self._rows)

    async def _run(self) -> None:
        while not (self._closing and not self._rows):
            await self._some.wait()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._interval_s):
                    await self._many.wait()
            self._some.clear()
            self._many.clear()
            await self._drain()

    async def _drain(self) -> None:
        """Book until the queue is empty. A batch with a row at fault goes one by one."""
        one_by_one = tries = 0
        backoff_s = FIRST_BACKOFF_S
        while self._rows:
            batch = list(islice(self._rows, 1 if one_by_one else BATCH_ROWS))
            try:
                await self._book(batch)
            except Exception as exc:  # whatever it was, a row leaves the queue for a reason that is its own
                if not isinstance(exc, PASSING):
                    tries += 1
                    if len(batch) > 1 and (_unstorable(exc) or tries >= TRIES):
                        one_by_one, tries = len(batch), 0
                        continue
                    if len(batch) == 1:
                        one_by_one, tries = max(0, one_by_one - 1), 0
                        if self._gave_up(batch[0], exc):
                            continue
                self._months.clear()  # a partition may have been dropped under us: it is made anew
                backoff_s = await self._back_off(backoff_s, repr(exc))
                continue
            self._took(batch)
            one_by_one, tries = max(0, one_by_one - 1), 0
            backoff_s = FIRST_BACKOFF_S

    def _took(self, batch: Sequence[SpendRow]) -> None:
        self._booked_rows += len(batch)
        for row in batch:
            self._rows.popleft()
            if self._set_aside:
                self._set_aside.pop(row.request_id, None)

    def _gave_up(self, row: SpendRow, exc: Exception) -> bool:
        """Drop the first row where it is at fault; else put it behind the others. It is at fault
        where others were booked since it last failed alone."""
        before = self._set_aside.setdefault(row.request_id, self._booked_rows)
        if _unstorable(exc) or before < self._booked_rows:
            self._rows.popleft()
            del self._set_aside[row.request_id]
            self.unstorable_rows += 1
            log.error("spend row %s can't be stored: %r", row.request_id, exc)
            return True
        self._rows.rotate(-1)
        return False

    async def _book(self, batch: Sequence[SpendRow]) -> None:
        async with self._database.connection() as connection:
            for month in months_of(batch) - self._months:
                await ensure_partition(connection, month)
                await ensure_partition(connection, month_after(month))
                self._months.add(month)
            for crossed in await insert_rows(connection, batch):
                log.warning(
                    "soft budget crossed: %s %s spent $%s of $%s",
                    crossed.kind,
                    ":".join(name for name in (crossed.id, crossed.part) if name),
                    crossed.spend,
                    crossed.soft_budget,
                )

    async def _back_off(self, backoff_s: float, reason: str) -> float:
        if backoff_s in (FIRST_BACKOFF_S, LAST_BACKOFF_S):
            log.warning("spend ledger: %d rows wait, trying again: %s", len(self._rows), reason)
        await asyncio.sleep(backoff_s)
        return min(backoff_s * 2, LAST_BACKOFF_S)

    def _named(self) -> str:
        return ", ".join(row.request_id for row in islice(self._rows, 20))


def _unstorable(exc: Exception) -> bool:
    """Postgres names the constraint that a row violates; a missing partition has no name."""
    if isinstance(exc, asyncpg.CheckViolationError):
        return exc.constraint_name is not None
    return isinstance(exc, UNSTORABLE)
