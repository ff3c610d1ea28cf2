"""Books one journal into Postgres. A batch of rows and the journal's new place are stored in one transaction.

The place makes sure that each row is booked exactly once. A batch moves the stored place from the batch's
beginning to its end. A batch that finds another place stored applies nothing. So a commit whose answer was
lost is noticed.
"""

import logging
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path

import asyncpg
import msgspec

from runtime.books.crossings import NO_CUSTOMER_BUDGET, Crossed, CustomerBudget
from runtime.books.insert import book_rows
from runtime.books.reader import Batch, JournalReader, ReadPlace, first_place, is_abandoned, segments
from runtime.ledger.journal import segment_name
from runtime.postgres.announcing import announce
from runtime.postgres.errors import REACHING_ERRORS, UNSTORABLE, reaching
from runtime.postgres.listener import LIVE
from runtime.postgres.partitions import ensure_partition, months_of
from schema.alerts import AlertKind
from schema.errors.overload import DatabaseUnavailable
from schema.ledger.rows import SpendRow
from schema.live import booked_news
from schema.money import usd
from schema.tables.partitions import month_after

BATCH_ROWS = 1_000
MAX_MESSAGES = 4
"""The most announcements of one batch. Rows of further owners are counted together."""
ASIDE = "unstorable.jsonl"
"""The file, in the journal's folder, of rows that Postgres can't store."""
STUCK_S = 5.0
"""How long reading stands still before bytes that are no record count as damage."""
TORN_LOOK_S = 1.0
"""How often the rest of a segment is searched while bytes that are no record stand at the reading place."""
FIRST_LOOK_S = 30.0
LAST_LOOK_S = 120.0
"""How often the rest of a segment is searched while nothing stands at the reading place: after 30 s, then
after 60 s, then every 120 s."""

PASSING = (
    DatabaseUnavailable,
    asyncpg.TransactionRollbackError,  # deadlocks too
    asyncpg.ObjectNotInPrerequisiteStateError,  # a lock that was not free in time
    asyncpg.PostgresSystemError,
    asyncpg.ReadOnlySQLTransactionError,  # a standby that is about to be promoted
    asyncpg.SyntaxOrAccessError,  # a table or a right is missing, so every row fails
)
"""Errors that are not the fault of a row. After such an error all rows wait."""

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

Raised = Callable[[AlertKind, str, str, datetime | None], None]
"""Raises an alert, given its kind, object and message, and when the budget's window began (None for alerts
that have none). It does no IO."""

log = logging.getLogger(__name__)


class Moved(Exception):
    """Postgres has another place of the journal than this process expects."""


class Books:
    """The books of one journal. `opened` makes them; `step` is called until they are `finished`."""

    def __init__(self, folder: Path, raised: Raised, customer_budget: CustomerBudget) -> None:
        self.folder = folder
        self._raised = raised
        self._customer_budget = customer_budget
        self._reader: JournalReader | None = None
        self._place = ReadPlace(0, 0)
        """The place up to which the journal is booked."""
        self._months: set[date] = set()
        """The months that certainly have a partition."""
        self._stood_at: tuple[ReadPlace, bool] | None = None
        """The place where reading stood at the last look, and whether bytes were written there."""
        self._look_mono = 0.0
        """When the rest of the segment is searched next, if reading still stands there."""
        self._look_again_s = FIRST_LOOK_S
        self.behind_s = 0.0
        """The age in seconds of the newest row of the last batch, when that row was booked."""

    @classmethod
    async def opened(
        cls,
        connection: asyncpg.Connection,
        folder: Path,
        raised: Raised = lambda *alert: None,
        customer_budget: CustomerBudget = NO_CUSTOMER_BUDGET,
    ) -> "Books":
        """Open the books where Postgres says that booking goes on. `raised` is called with each alert. Raises
        UnreadableJournal, OSError, DatabaseUnavailable."""
        books = cls(folder, raised, customer_budget)
        await books._open(connection)
        return books

    @property
    def finished(self) -> bool:
        """Whether the journal's writer is gone and everything is booked."""
        return self._reader is None

    @property
    def has_news(self) -> bool:
        """Whether the writer has written more than was read."""
        return self._reader is not None and self._reader.is_written_here

    async def step(self, connection: asyncpg.Connection) -> bool:
        """Book one batch, or the end of a journal whose writer is gone. The result is true where more may be
        ready at once. Raises DatabaseUnavailable, errors of Postgres, and what JournalReader raises. After
        any exception these books must be opened again: Postgres knows where booking goes on."""
        reader = self._reader
        if reader is None:
            return False
        abandoned = is_abandoned(self.folder)  # asked before reading: a writer may write and end meanwhile
        batch = reader.read(BATCH_ROWS)
        try:
            with reaching():
                if batch.entries:
                    await self._book(connection, batch)
                    self.behind_s = (datetime.now(UTC) - batch.entries[-1].row.ended_at).total_seconds()
                    return abandoned or len(batch.entries) >= BATCH_ROWS
                if (abandoned or self._is_stuck(reader)) and reader.skip_damage():
                    return True
                if abandoned:
                    await self._finish(connection, reader)
        except Moved:
            await self._open(connection)
            return True
        return False

    def _is_stuck(self, reader: JournalReader) -> bool:
        """Whether reading has stood still for long before bytes that are no record. (Writing a record takes a
        writer far less time.) A search of the segment costs 5 ms, so it is not made at every step."""
        now_mono, stands_at = time.monotonic(), (reader.place, reader.is_written_here)
        if stands_at != self._stood_at:
            self._stood_at, self._look_mono = stands_at, now_mono + STUCK_S
            self._look_again_s = FIRST_LOOK_S
        if now_mono <= self._look_mono:
            return False
        if reader.is_written_here:
            self._look_mono = now_mono + TORN_LOOK_S
        else:
            self._look_mono = now_mono + self._look_again_s
            self._look_again_s = min(self._look_again_s * 2, LAST_LOOK_S)
        return reader.tail_bytes() > 0 or segments(self.folder)[-1] > reader.place.segment + 1

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()

    async def _open(self, connection: asyncpg.Connection) -> None:
        """Begin to read at the place that Postgres has. A journal that Postgres calls finished is removed,
        and not read."""
        self.close()
        self._reader = None
        begin = first_place(self.folder)
        with reaching():
            row = await connection.fetchrow(_PLACE, self.folder.name, socket.gethostname(), *begin)
            self._place = ReadPlace(row["segment"], row["position"])
            if row["finished"]:
                self._remove()
                return
            if self._place.segment < begin.segment:
                log.error(
                    "journal %s: Postgres has forgotten what it booked of it before segment %d: what those"
                    " calls cost is lost",
                    self.folder.name,
                    begin.segment,
                )
                async with connection.transaction():
                    await self._move(connection, begin, 0)
                self._place = begin
        self._drop_segments(self._place.segment)
        self._reader = JournalReader(self.folder, self._place)
        self._told(row["rows"])

    async def _book(self, connection: asyncpg.Connection, batch: Batch) -> None:
        """Book all rows of a batch in one transaction. Where a row can't be stored, book them one by one."""
        rows = [entry.row for entry in batch.entries]
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
            for entry in batch.entries:
                await self._book_alone(connection, entry.row, entry.end)
            await self._commit(connection, [], batch.end, may_be_there=True)

    async def _book_alone(self, connection: asyncpg.Connection, row: SpendRow, end: ReadPlace) -> None:
        """Book one row. Where its texts can't be stored, book it without them. Where it can't be stored even
        so, write it into the file ASIDE."""
        for form in (row, bare(row)):
            try:
                await self._commit(connection, [form], end, may_be_there=True)
            except UNSTORABLE as exc:
                log.error("spend row %s can't be stored: %r", row.request_id, exc)
            else:
                return
        with (self.folder / ASIDE).open("ab") as file:
            file.write(msgspec.json.encode(row) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        log.error("spend row %s is kept in %s", row.request_id, self.folder / ASIDE)
        await self._commit(connection, [], end, may_be_there=True)

    async def _commit(
        self, connection: asyncpg.Connection, rows: Sequence[SpendRow], end: ReadPlace, *, may_be_there: bool
    ) -> None:
        for month in months_of(rows) - self._months:
            await ensure_partition(connection, month)
            await ensure_partition(connection, month_after(month))
            self._months.add(month)
        async with connection.transaction():
            booked_rows = await self._move(connection, end, len(rows))
            crossed = await book_rows(
                connection, rows, may_be_there=may_be_there, customer_budget=self._customer_budget
            )
            if rows:
                await announce(connection, LIVE, news_of(rows))
        begin, self._place = self._place, end
        self._told(booked_rows)
        if end.segment > begin.segment:
            self._drop_segments(end.segment)
        for each in alerts_of(rows, crossed):
            self._raised(*each)

    def _drop_segments(self, before: int) -> None:
        """Delete the segments before this number. They are booked."""
        for number in segments(self.folder):
            if number < before:
                (self.folder / segment_name(number)).unlink(missing_ok=True)

    async def _move(self, connection: asyncpg.Connection, end: ReadPlace, rows: int) -> int:
        """Move the stored place to `end`. Gives how many rows of this journal are booked, with these `rows`.
        Raises Moved where Postgres has another place than expected."""
        booked = await connection.fetchval(_MOVE, self.folder.name, *self._place, *end, rows)
        if booked is None:
            raise Moved
        return int(booked)

    def _told(self, rows: int) -> None:
        """Tell the journal's writer how many rows are booked, and which segment is read."""
        assert self._reader is not None
        self._reader.progress.put(rows, self._place.segment)

    async def _finish(self, connection: asyncpg.Connection, reader: JournalReader) -> None:
        """End a journal whose writer is gone: book the attempts that have no ending as uncertain, and return
        what the worker's leases still hold."""
        rows = reader.unsettled_rows(datetime.now(UTC))
        if reader.tail_bytes():
            log.error("journal %s: %d bytes of a torn record are cut", self.folder.name, reader.tail_bytes())
        try:
            await self._end(connection, reader, rows)
        except (Moved, *PASSING, *REACHING_ERRORS):
            raise
        except Exception as exc:
            if _is_missing_partition(exc):
                raise DatabaseUnavailable("A partition of the ledger was dropped: it is made anew.") from exc
            log.error("the last %d spend rows of a worker can't be stored as they are: %r", len(rows), exc)
            for row in rows:
                await self._book_alone(connection, row, reader.place)
            await self._end(connection, reader, [])
        if rows:
            log.error(
                "a worker died: %d calls under way are booked as uncertain, at their ceilings", len(rows)
            )
        self._reader = None
        reader.close()
        self._remove()

    async def _end(
        self, connection: asyncpg.Connection, reader: JournalReader, rows: Sequence[SpendRow]
    ) -> None:
        for month in months_of(rows):
            await ensure_partition(connection, month)
        async with connection.transaction():
            await self._move(connection, reader.place, len(rows))
            crossed = await book_rows(
                connection, rows, may_be_there=True, customer_budget=self._customer_budget
            )
            for worker in sorted(reader.workers):
                await connection.execute("SELECT switchgear_leave($1)", worker)
            await connection.execute(_FINISH, self.folder.name)
        for each in alerts_of(rows, crossed):
            self._raised(*each)

    def _remove(self) -> None:
        """Remove the folder of a journal that is booked. It is kept, under another name, where it has rows
        that Postgres can't store."""
        if (self.folder / ASIDE).exists():
            put_aside(self.folder, "unstorable")
        else:
            shutil.rmtree(self.folder, ignore_errors=True)


def news_of(rows: Sequence[SpendRow]) -> list[str]:
    """The announcements that tell open pages of a batch."""
    owners: dict[tuple[str, str, str, str], int] = {}
    for row in rows:
        owner = (row.user_id, row.key_hash, row.team_id or "", row.organization_id or "")
        owners[owner] = owners.get(owner, 0) + 1
    return booked_news([(*owner, number) for owner, number in owners.items()], most=MAX_MESSAGES)


def alerts_of(
    rows: Sequence[SpendRow], crossed: Sequence[Crossed]
) -> Iterator[tuple[AlertKind, str, str, datetime | None]]:
    """The alerts of a batch: kind, object, message, and when the budget's window began. There is one for each
    crossing, and one for each row that cost more than was held."""
    for each in crossed:
        yield each.kind, each.budget.object, each.budget.message(each.spend, each.limit), each.since
    for row in rows:
        held = min((charge.taken_nano for charge in row.charges), default=row.cost_nano)
        if held < row.cost_nano:
            message = (
                f"A call to {row.model_group} cost ${usd(row.cost_nano):f}, and ${usd(held):f} was held: "
                f"{row.provider} billed more than the request allowed, or the deployment's price is wrong. "
                f"request_id {row.request_id}"
            )
            yield AlertKind.HOLD_EXCEEDED, f"{row.model_group} ({row.model_id})", message, None


def put_aside(folder: Path, why: str) -> None:
    """Rename a journal's folder to `<why>-<name>`, such as `unreadable-5f2c...`. So no process books it, and
    it is kept for somebody to look at."""
    aside = folder.with_name(f"{why}-{folder.name}")
    if aside.exists():
        aside = folder.with_name(f"{why}-{folder.name}-{time.time_ns()}")
    with suppress(OSError):
        folder.rename(aside)


def bare(row: SpendRow) -> SpendRow:
    """The row without the texts that callers and providers chose. Names of models keep only printable ASCII
    characters, 200 of them at most."""
    return msgspec.structs.replace(
        row,
        call_id=row.request_id,
        end_user=row.end_user if row.end_user and _plain(row.end_user) == row.end_user else None,
        requester_ip=None,
        user_agent=None,
        key_alias=None,
        model_group=_plain(row.model_group),
        model=_plain(row.model),
        error_message=None,
        response_id=None,
        trace_id=None,
        spend_logs_metadata="",
        route="",
        guardrails="",
    )


def _plain(text: str) -> str:
    return "".join(letter for letter in text[:200] if letter.isascii() and letter.isprintable())


def _is_missing_partition(exc: BaseException) -> bool:
    """Whether a partition is missing. Postgres names the constraint that a row violates; a missing partition
    gives the same error without a name."""
    return isinstance(exc, asyncpg.CheckViolationError) and exc.constraint_name is None
