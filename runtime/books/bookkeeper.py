"""The bookkeeper: the process that brings the workers' journals into Postgres. There is one for each data
directory.

The bookkeeper is a process of its own, so that calls don't wait for it, and so that the journal of a dead
worker is booked at once. While Postgres is away the bookkeeper waits, and nothing is lost.
"""

import asyncio
import logging
import os
import re
import shutil
import signal
import time
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import NamedTuple

import asyncpg

from runtime.books.booking import Books, put_aside
from runtime.books.crossings import NO_CUSTOMER_BUDGET, CustomerBudget
from runtime.books.latency import drop_old_hours
from runtime.books.reader import UnreadableJournal, count_segments, is_abandoned
from runtime.ledger.frames import SEGMENT_BYTES
from runtime.ledger.journal import MAX_BYTES
from runtime.outbound import post_json
from runtime.postgres.errors import reaching
from runtime.postgres.own_connection import OwnConnection
from runtime.process.locks import is_locked, locked
from runtime.telemetry.alert_store import AlertStore
from runtime.telemetry.alerts import Desk
from schema.alerts import AlertKind
from schema.errors.overload import DatabaseUnavailable

INTERVAL_S = 0.25
WHOLE_LOOK_S = 1.0
"""How often the folder of the journals is listed, and every journal in it is read."""
IDLE_S = 10.0
"""After so many seconds without a new record, the bookkeeper looks for records once in WHOLE_LOOK_S. Before
that it looks once in each interval."""
SIZES_S = 5.0
"""How often the sizes of the journals are looked at."""
FIRST_DROP_S = 60.0
DROP_S = 3600.0
"""The histograms of old hours are dropped a minute after the start, and then once an hour."""
FIRST_BACKOFF_S = 0.1
LAST_BACKOFF_S = 5.0
LAST_PUT_OFF_S = 25.6
"""The longest wait of a journal that failed. The wait begins at FIRST_BACKOFF_S and doubles."""
LOCK_TIMEOUT = "500ms"
"""How long the bookkeeper waits for a locked row. Meanwhile it has the accounts locked that leases need."""
STATEMENT_TIMEOUT_S = 60.0
DRAFT_LIVES_S = 60.0
"""How old the folder of an unfinished journal must be before it is deleted."""
LOCK = "bookkeeper.lock"
LOOK_S = 1.0
"""How often the bookkeeper looks for reasons to raise an alert."""
AWAY_S = 5.0
"""How long Postgres is away before an alert says so."""
BEHIND_S = 60.0
"""How far behind the books are before an alert says so."""
LAST_ALERTS_S = 2.0
"""How long the alerts of the last look may take to be stored when the bookkeeper ends."""

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

log = logging.getLogger(__name__)


class _Off(NamedTuple):
    """A journal that failed waits until `until_mono`, which is `wait_s` seconds after the failure."""

    until_mono: float
    wait_s: float


class _Trouble(NamedTuple):
    """Why nothing can be booked: an exception's name, and whether it means that Postgres is away."""

    name: str
    is_away: bool


class Bookkeeper:
    """Keeps the books of every journal in the directory `parent`, and raises alerts. `dsn` is the address of
    Postgres. `journal_bytes` is the most that one journal may hold. `customer_budget` is the config's budget
    of customers that have none of their own."""

    def __init__(
        self,
        parent: Path,
        dsn: str,
        *,
        interval_s: float = INTERVAL_S,
        desk: Desk | None = None,
        journal_bytes: int = MAX_BYTES,
        customer_budget: CustomerBudget = NO_CUSTOMER_BUDGET,
    ) -> None:
        self._parent = parent
        self._interval_s = interval_s
        self._desk = desk or Desk((), post_json)
        self._journal_bytes = journal_bytes
        self._customer_budget = customer_budget
        self._alerts = AlertStore(self._desk, dsn)
        self._well_mono = self._stepped_mono = time.monotonic()
        """`_well_mono` is when everything written was last booked. `_stepped_mono` is when Postgres last
        answered a step of a journal."""
        self._trouble: _Trouble | None = None
        """Why nothing can be booked just now. None where booking works."""
        self._books: dict[str, Books] = {}
        """The open books, by the name of the journal's folder."""
        self._off: dict[str, _Off] = {}
        """The journals that failed and wait, by the name of the folder."""
        self._connection = OwnConnection(
            dsn,
            "switchgear books",
            statement_timeout_s=STATEMENT_TIMEOUT_S,
            settings={
                "synchronous_commit": "on",  # what is booked is deleted from the journal
                "lock_timeout": LOCK_TIMEOUT,
            },
        )
        self._look_mono = 0.0
        self._news_mono = time.monotonic()
        self._sizes_mono = 0.0
        self._drop_mono = time.monotonic() + FIRST_DROP_S
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Make `run` book what is written now, and end."""
        self._stopping.set()

    async def run(self) -> None:
        """Book until `stop` is called and everything written by then is booked. Journals that failed are left
        for the next start."""
        backoff_s = FIRST_BACKOFF_S
        looking = asyncio.create_task(self._looking(), name="looking")
        try:
            while True:
                try:
                    stopping = self._stopping.is_set()
                    if self._has_news():
                        self._news_mono = time.monotonic()
                        await self.catch_up()
                    elif stopping or self._trouble is not None or time.monotonic() >= self._look_mono:
                        await self.catch_up()
                    else:
                        self._step_taken()
                    backoff_s = FIRST_BACKOFF_S
                    if stopping:
                        self._look()
                        await self._alerts.finish(LAST_ALERTS_S)
                        return
                    idle = time.monotonic() - self._news_mono > IDLE_S
                    await self._pause(max(self._interval_s, WHOLE_LOOK_S) if idle else self._interval_s)
                except Exception as exc:  # after any error the records stay in the journals
                    if backoff_s in (FIRST_BACKOFF_S, LAST_BACKOFF_S):
                        log.warning("spend ledger: rows wait, trying again: %r", exc)
                    self._trouble = _Trouble(type(exc).__name__, isinstance(exc, DatabaseUnavailable))
                    await self._connection.close()
                    await asyncio.sleep(backoff_s)
                    backoff_s = min(backoff_s * 2, LAST_BACKOFF_S)
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
            await self.close()

    async def close(self) -> None:
        await self._desk.close()
        await self._alerts.close()
        await self._connection.close()
        for books in self._books.values():
            books.close()
        self._books = {}

    async def catch_up(self) -> None:
        """Book all that is written, one batch of each journal in turn. A journal that fails waits for a later
        turn, and the others go on. Raises DatabaseUnavailable."""
        self._look_mono = time.monotonic() + WHOLE_LOOK_S
        await self._connected()
        busy = True
        while busy:
            busy = False
            for folder in self._folders():
                connection = await self._connected()
                try:
                    busy = await self._step(folder, connection) or busy
                except DatabaseUnavailable:
                    self._forget(folder)
                    raise
                except Exception as exc:
                    self._forget(folder)
                    self._put_off(folder, exc)
                self._step_taken()
        self._step_taken()
        if time.monotonic() >= self._drop_mono:
            with reaching():
                await drop_old_hours(await self._connected())
            self._drop_mono = time.monotonic() + DROP_S
        if not self._off:
            self._well_mono = time.monotonic()
            self._desk.ended(AlertKind.BOOKS_BEHIND, self._desk.host)

    def _has_news(self) -> bool:
        """Whether a worker has written to a journal that is open here. This reads a few bytes of each. New
        journals, dead workers, damage and journals that failed are seen by `catch_up`, which runs once in
        WHOLE_LOOK_S."""
        return any(books.has_news for books in self._books.values())

    def _step_taken(self) -> None:
        """Note that Postgres answers."""
        self._stepped_mono, self._trouble = time.monotonic(), None

    async def _step(self, folder: Path, connection: asyncpg.Connection) -> bool:
        """Book one batch of a journal. The result is true where more may be ready at once."""
        off = self._off.get(folder.name)
        if off is not None and time.monotonic() < off.until_mono:
            return False
        books = self._books.get(folder.name)
        if books is None:
            books = await Books.opened(connection, folder, self._desk.raised, self._customer_budget)
            self._books[folder.name] = books
        more = await books.step(connection)
        self._off.pop(folder.name, None)
        if books.behind_s > BEHIND_S and (not is_abandoned(folder) or self._is_long_unwell()):
            self._raise_behind(f"Rows are booked {books.behind_s:.0f} s after their calls.")
        if books.finished:
            self._forget(folder)
        return more

    async def _looking(self) -> None:
        """Look for reasons to raise an alert once in LOOK_S, also while a backlog is booked or Postgres does
        not answer."""
        while True:
            try:
                self._look()
            except Exception as exc:  # booking goes on without alerts
                log.error("the bookkeeper can't look for alerts: %r", exc)
            await asyncio.sleep(LOOK_S)

    def _look(self) -> None:
        """Raise and end alerts by the state of the books and the journals, and begin to store the alerts.
        This waits for nothing."""
        if time.monotonic() >= self._sizes_mono:
            self._sizes_mono = time.monotonic() + SIZES_S
            self._look_at_journals()
        if self._trouble is not None:
            self._look_without(self._trouble)
            return
        now_mono = time.monotonic()
        self._desk.ended(AlertKind.POSTGRES_AWAY, self._desk.host)
        if now_mono - self._stepped_mono > BEHIND_S:
            self._raise_behind(f"Postgres has taken no rows for {now_mono - self._stepped_mono:.0f} s.")
        elif self._off and now_mono - self._well_mono > BEHIND_S:
            self._raise_behind(f"Journals that can't be booked: {', '.join(sorted(self._off)[:10])}.")
        self._alerts.begin()

    def _look_without(self, trouble: _Trouble) -> None:
        """Raise alerts while nothing can be booked or stored. Such alerts are told before they are stored."""
        behind_s = time.monotonic() - self._well_mono
        if behind_s > AWAY_S and trouble.is_away:
            message = (
                f"The bookkeeper of {self._desk.host} can't reach Postgres. Calls go on from memory; rows "
                "wait in journals."
            )
            self._desk.raised(AlertKind.POSTGRES_AWAY, self._desk.host, message)
            self._desk.say_unstored(AlertKind.POSTGRES_AWAY)
        elif behind_s > BEHIND_S:
            self._raise_behind(f"Nothing can be booked: {trouble.name}.")
            self._desk.say_unstored(AlertKind.BOOKS_BEHIND)
        self._desk.say_unstored(AlertKind.JOURNAL_FILLING)

    def _look_at_journals(self) -> None:
        sizes = [count_segments(folder) * SEGMENT_BYTES for folder in self._folders()]
        fullest, host = max(sizes, default=0), self._desk.host
        if fullest > SEGMENT_BYTES and fullest * 2 >= self._journal_bytes:
            full = self._journal_bytes >> 20
            message = f"A journal of {host} holds {fullest >> 20} MiB of {full}; then calls are refused."
            self._desk.raised(AlertKind.JOURNAL_FILLING, host, message)
        else:
            self._desk.ended(AlertKind.JOURNAL_FILLING, host)

    def _is_long_unwell(self) -> bool:
        """Whether the books have been behind for more than BEHIND_S. The rows of a dead worker are old when
        they are booked, and they alone are no backlog."""
        return time.monotonic() - self._well_mono > BEHIND_S

    def _raise_behind(self, message: str) -> None:
        host = self._desk.host
        self._desk.raised(AlertKind.BOOKS_BEHIND, host, f"{host}: {message}")

    def _put_off(self, folder: Path, exc: Exception) -> None:
        """Let a journal that failed wait: 0.1 s at first, 25.6 s at most. A journal that can't be read and
        has no writer any more is put aside. What its workers hold of budgets stays charged."""
        if isinstance(exc, UnreadableJournal | FileNotFoundError) and is_abandoned(folder):
            log.error("journal %s can't be read and is put aside: %s", folder.name, exc)
            put_aside(folder, "unreadable")
            return
        off = self._off.get(folder.name)
        wait_s = FIRST_BACKOFF_S if off is None else min(off.wait_s * 2, LAST_PUT_OFF_S)
        self._off[folder.name] = _Off(time.monotonic() + wait_s, wait_s)
        if wait_s in (FIRST_BACKOFF_S, LAST_PUT_OFF_S):
            log.error("journal %s: its rows wait, trying again: %r", folder.name, exc)

    def _forget(self, folder: Path) -> None:
        books = self._books.pop(folder.name, None)
        if books is not None:
            books.close()

    def _folders(self) -> list[Path]:
        """The folders of the journals, sorted by name. Folders of unfinished journals, left by workers that
        died, are removed."""
        found = []
        with suppress(FileNotFoundError), os.scandir(self._parent) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    _tidy(Path(entry.path))
                elif _is_uuid(entry.name):
                    found.append(Path(entry.path))
        return sorted(found)

    async def _connected(self) -> asyncpg.Connection:
        with reaching():
            return await self._connection.opened()

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()


def _is_uuid(name: str) -> bool:
    return _UUID.fullmatch(name) is not None


def _tidy(draft: Path) -> None:
    with suppress(OSError):
        if time.time() - draft.stat().st_mtime > DRAFT_LIVES_S and is_abandoned(draft):
            shutil.rmtree(draft)


def books_lock(parent: Path) -> AbstractContextManager[bool]:
    """Lock a directory for its bookkeeper. The value is false where another process keeps the books."""
    return locked(parent / LOCK)


def is_booking(parent: Path) -> bool:
    """Whether a process keeps the books of this directory."""
    return is_locked(parent / LOCK)


async def keep_books(keeper: Bookkeeper, parent: Path, *, stop_s: float) -> None:
    """Keep the books until SIGTERM, and for `stop_s` seconds longer at most. One process keeps the books of a
    directory; another one waits for its turn."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    while not stopping.is_set():
        with books_lock(parent) as mine:
            if mine:
                keeping = asyncio.create_task(keeper.run())
                await stopping.wait()
                keeper.stop()
                try:
                    await asyncio.wait_for(keeping, stop_s)
                except TimeoutError:
                    log.warning("rows of the spend ledger wait on disk for the next start")
                return
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), 1.0)
