"""One journal into Postgres: batches, each with its place in the journal, in one transaction.

The place is what makes it exactly once: a batch moves it from where it begins to where it ends, and one
that does not find it there applies nothing. A commit whose answer was lost is found out that way.
"""

import logging
import shutil
import socket
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path

import asyncpg
import msgspec

from runtime.database_errors import REACHING_ERRORS, reaching
from runtime.journal import segment_name
from runtime.journal_reader import Batch, Entry, JournalReader, Place, is_abandoned
from runtime.spend_insert import book_rows, ensure_partition, months_of
from schema.errors import DatabaseUnavailable
from schema.spend import SpendRow
from schema.tables.partitions import month_after

BATCH_ROWS = 1_000
ASIDE = "unstorable.jsonl"

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

_PLACE = """
    INSERT INTO "Switchgear_Journal" AS j (journal, host, segment, position, created_at, booked_at)
    VALUES ($1, $2, $3, $4, clock_timestamp(), clock_timestamp())
    ON CONFLICT (journal) DO UPDATE SET host = j.host
    RETURNING segment, position, rows, finished_at IS NOT NULL AS finished
"""
_MOVE = """
    UPDATE "Switchgear_Journal" SET segment = $4, position = $5, rows = rows + $6,
        booked_at = clock_timestamp()
    WHERE journal = $1 AND segment = $2 AND position = $3 AND finished_at IS NULL RETURNING rows
"""
_FINISH = 'UPDATE "Switchgear_Journal" SET finished_at = clock_timestamp() WHERE journal = $1'

log = logging.getLogger(__name__)


class Moved(Exception):
    """The journal is not booked up to where it was thought to be."""


class Books:
    """One journal's. `step` until it is `finished`. Made by `opened`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._reader: JournalReader | None = None
        self._place = Place(0, 0)
        """Up to where it is booked."""
        self._batch: Batch | None = None
        """Read, and not known to be booked."""
        self._months: set[date] = set()

    @classmethod
    async def opened(cls, connection: asyncpg.Connection, folder: Path) -> "Books":
        """Raises Unreadable, OSError, DatabaseUnavailable."""
        books = cls(folder)
        await books._open(connection)
        return books

    @property
    def finished(self) -> bool:
        """Its writer is gone, and everything is booked."""
        return self._reader is None

    async def step(self, connection: asyncpg.Connection) -> bool:
        """Book one batch, or the end of a journal whose writer is gone. True where there may be more at once.
        Raises DatabaseUnavailable, or what Postgres says: then what was read is kept, to be tried again."""
        reader = self._reader
        if reader is None:
            return False
        abandoned = is_abandoned(self.folder)  # asked before reading: afterwards it could have written
        self._batch = self._batch or reader.read(BATCH_ROWS)
        try:
            with reaching():
                if self._batch.entries:
                    await self._book(connection, self._batch)
                elif abandoned and not reader.skip_damage():
                    await self._finish(connection, reader)
                else:
                    self._batch = None
                    return abandoned
        except Moved:
            await self._open(connection)
        self._batch = None
        return True

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()

    async def _open(self, connection: asyncpg.Connection) -> None:
        """Begin to read where Postgres says, or not at all where it says that this is finished."""
        self.close()
        self._reader = self._batch = None
        reader = JournalReader(self.folder, None)
        begin = reader.place
        with reaching():
            row = await connection.fetchrow(_PLACE, self.folder.name, socket.gethostname(), *begin)
        self._place = Place(row["segment"], row["position"])
        if row["finished"]:
            reader.close()
            self._remove()
            return
        if self._place != begin:
            reader.close()
            reader = JournalReader(self.folder, self._place)
        self._reader = reader
        self._told(row["rows"])

    async def _book(self, connection: asyncpg.Connection, batch: Batch) -> None:
        """All of it at once; where a row is at fault, one by one."""
        entries = [entry for entry in batch.entries if entry.end > self._place]
        rows = [entry.row for entry in entries]
        try:
            try:
                await self._commit(connection, rows, batch.end, may_be_there=False)
            except asyncpg.UniqueViolationError:
                await self._commit(connection, rows, batch.end, may_be_there=True)
        except (Moved, *PASSING, *REACHING_ERRORS):
            raise
        except Exception as exc:
            if _is_missing_partition(exc):
                self._months.clear()
                raise DatabaseUnavailable("A partition of the ledger was dropped: it is made anew.") from exc
            log.error("a batch of %d spend rows can't be stored as it is: %r", len(rows), exc)
            for entry in entries:
                await self._book_alone(connection, entry)
            await self._commit(connection, [], batch.end, may_be_there=True)

    async def _book_alone(self, connection: asyncpg.Connection, entry: Entry) -> None:
        """One row; without its texts, where they can't be stored; beside the ledger, where the rest can't
        be either."""
        for row in (entry.row, bare(entry.row)):
            try:
                await self._commit(connection, [row], entry.end, may_be_there=True)
            except UNSTORABLE as exc:
                log.error("spend row %s can't be stored: %r", row.request_id, exc)
            else:
                return
        with (self.folder / ASIDE).open("ab") as file:
            file.write(msgspec.json.encode(entry.row) + b"\n")
        log.error("spend row %s is kept in %s", entry.row.request_id, self.folder / ASIDE)
        await self._commit(connection, [], entry.end, may_be_there=True)

    async def _commit(
        self, connection: asyncpg.Connection, rows: Sequence[SpendRow], end: Place, *, may_be_there: bool
    ) -> None:
        for month in months_of(rows) - self._months:
            await ensure_partition(connection, month)
            await ensure_partition(connection, month_after(month))
            self._months.add(month)
        async with connection.transaction():
            booked_rows = await self._move(connection, end, len(rows))
            crossed = await book_rows(connection, rows, may_be_there=may_be_there)
        begin, self._place = self._place, end
        self._told(booked_rows)
        for number in range(begin.segment, end.segment):
            (self.folder / segment_name(number)).unlink(missing_ok=True)
        for each in crossed:
            log.warning(
                "soft budget crossed: %s %s spent $%s of $%s",
                each.kind,
                ":".join(name for name in (each.id, each.part) if name),
                each.spend,
                each.soft_budget,
            )

    async def _move(self, connection: asyncpg.Connection, end: Place, rows: int) -> int:
        """Gives how many rows of this journal are booked with these. Raises Moved."""
        booked = await connection.fetchval(_MOVE, self.folder.name, *self._place, *end, rows)
        if booked is None:
            raise Moved
        return int(booked)

    def _told(self, rows: int) -> None:
        """Its writer sees how far this is."""
        assert self._reader is not None
        self._reader.progress.put(rows, self._place.segment)

    async def _finish(self, connection: asyncpg.Connection, reader: JournalReader) -> None:
        """Its writer is gone, and has said all that it will: charge what it was at, return what it held."""
        rows = reader.unsettled_rows(datetime.now(UTC))
        if reader.tail_bytes():
            log.error("journal %s: %d bytes of a torn record are cut", self.folder.name, reader.tail_bytes())
        for month in months_of(rows) - self._months:
            await ensure_partition(connection, month)
        async with connection.transaction():
            await self._move(connection, reader.place, len(rows))
            await book_rows(connection, rows, may_be_there=True)
            for worker in sorted(reader.workers):
                await connection.execute("SELECT switchgear_leave($1)", worker)
            await connection.execute(_FINISH, self.folder.name)
        if rows:
            log.error(
                "a worker died: %d calls under way are booked as uncertain, at their ceilings", len(rows)
            )
        self._reader = None
        reader.close()
        self._remove()

    def _remove(self) -> None:
        """All of it is in Postgres. What could not be stored there stays."""
        if (self.folder / ASIDE).exists():
            with suppress(OSError):
                self.folder.rename(self.folder.with_name(f"unstorable-{self.folder.name}"))
            return
        shutil.rmtree(self.folder, ignore_errors=True)


def bare(row: SpendRow) -> SpendRow:
    """The row without texts that callers and providers chose."""
    return msgspec.structs.replace(
        row,
        call_id=row.request_id,
        end_user=None,
        requester_ip=None,
        user_agent=None,
        key_alias=None,
        model_group=_plain(row.model_group),
        model=_plain(row.model),
        error_message=None,
    )


def _plain(text: str) -> str:
    return "".join(letter for letter in text[:200] if letter.isascii() and letter.isprintable())


def _is_missing_partition(exc: BaseException) -> bool:
    """Postgres names the constraint that a row violates; a missing partition has no name."""
    return isinstance(exc, asyncpg.CheckViolationError) and exc.constraint_name is None
