"""The process that brings the workers' journals into Postgres: one for each data directory.

It is apart from the workers, so that their calls don't wait for it, and so that what a dead worker left
is booked at once. While Postgres is away it waits; nothing is lost meanwhile.
"""

import asyncio
import fcntl
import logging
import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import asyncpg

from runtime.books import Books
from runtime.database_errors import reaching
from runtime.journal_reader import Unreadable, is_abandoned

INTERVAL_S = 0.25
FIRST_BACKOFF_S = 0.1
LAST_BACKOFF_S = 5.0
CONNECT_TIMEOUT_S = 5.0
STATEMENT_TIMEOUT_S = 60.0
DRAFT_LIVES_S = 60.0
LOCK = "bookkeeper.lock"

log = logging.getLogger(__name__)


class Bookkeeper:
    """Keeps the books of every journal in a directory. `dsn` is Postgres's address."""

    def __init__(self, parent: Path, dsn: str, *, interval_s: float = INTERVAL_S) -> None:
        self._parent = parent
        self._dsn = dsn
        self._interval_s = interval_s
        self._books: dict[str, Books] = {}
        self._connection: asyncpg.Connection | None = None
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Book what there is, and end."""
        self._stopping.set()

    async def run(self) -> None:
        """Until `stop`, and until all that was written by then is booked."""
        backoff_s = FIRST_BACKOFF_S
        try:
            while True:
                try:
                    stopping = self._stopping.is_set()
                    await self.catch_up()
                    backoff_s = FIRST_BACKOFF_S
                    if stopping:
                        return
                    await self._pause(self._interval_s)
                except Exception as exc:  # whatever it was, what is in the journals stays there
                    if backoff_s in (FIRST_BACKOFF_S, LAST_BACKOFF_S):
                        log.warning("spend ledger: rows wait, trying again: %r", exc)
                    await self._disconnect()
                    await asyncio.sleep(backoff_s)
                    backoff_s = min(backoff_s * 2, LAST_BACKOFF_S)
        finally:
            await self.close()

    async def close(self) -> None:
        await self._disconnect()
        for books in self._books.values():
            books.close()
        self._books = {}

    async def catch_up(self) -> None:
        """Book all that is written, journal by journal in turn. Raises DatabaseUnavailable, and what
        Postgres says to a statement of ours."""
        busy = True
        while busy:
            busy = False
            for folder in self._folders():
                books = await self._books_of(folder)
                if books is None:
                    continue
                busy = await books.step(await self._connected()) or busy
                if books.finished:
                    del self._books[folder.name]

    async def _books_of(self, folder: Path) -> Books | None:
        """None for a journal that can't be read: it is put aside, and what its workers hold of budgets
        stays charged."""
        books = self._books.get(folder.name)
        if books is None:
            try:
                books = await Books.opened(await self._connected(), folder)
            except (Unreadable, FileNotFoundError, ValueError) as exc:
                log.error("journal %s can't be read and is put aside: %s", folder.name, exc)
                put_aside(folder, "unreadable")
                return None
            self._books[folder.name] = books
        return books

    def _folders(self) -> list[Path]:
        """The journals. Removes what a worker left that died while it made one."""
        found = []
        with suppress(FileNotFoundError), os.scandir(self._parent) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    _tidy(Path(entry.path))
                elif entry.is_dir() and not entry.name.startswith("un"):
                    found.append(Path(entry.path))
        return sorted(found)

    async def _connected(self) -> asyncpg.Connection:
        if self._connection is None or self._connection.is_closed():
            with reaching():
                self._connection = await asyncpg.connect(
                    self._dsn,
                    timeout=CONNECT_TIMEOUT_S,
                    command_timeout=STATEMENT_TIMEOUT_S + 1,
                    server_settings={
                        "application_name": "switchgear books",
                        "timezone": "UTC",
                        "synchronous_commit": "on",  # what is booked is deleted here
                        "statement_timeout": f"{STATEMENT_TIMEOUT_S:.0f}s",
                        "lock_timeout": "10s",
                    },
                )
        return self._connection

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):  # it is of no use any more, however it ends
                await connection.close(timeout=1.0)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)


def put_aside(folder: Path, why: str) -> None:
    """Out of the way, and kept for somebody to look at."""
    with suppress(OSError):
        folder.rename(folder.with_name(f"{why}-{folder.name}"))


def _tidy(draft: Path) -> None:
    with suppress(OSError):
        if time.time() - draft.stat().st_mtime > DRAFT_LIVES_S and is_abandoned(draft):
            shutil.rmtree(draft)


@contextmanager
def books_lock(parent: Path) -> Iterator[bool]:
    """One process a directory keeps the books. False: another one does."""
    fd = os.open(parent / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            mine = True
        except BlockingIOError:
            mine = False
        yield mine
    finally:
        os.close(fd)


async def keep_books(parent: Path, dsn: str) -> None:
    """Until SIGTERM. One process a directory keeps the books; another one waits for its turn."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    while not stopping.is_set():
        with books_lock(parent) as mine:
            if mine:
                keeper = Bookkeeper(parent, dsn)
                loop.add_signal_handler(signal.SIGTERM, keeper.stop)
                await keeper.run()
                return
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), 1.0)
