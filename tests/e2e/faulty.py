"""`python -m tests.e2e.faulty serve ...`: the gateway, with places where it can be killed.

A place has a name. A file of that name in the directory FAULTS arms the place. The first process that comes
there removes the file, and then kills itself with SIGKILL, or the process whose number stands in the file.
The file `no-room` is different: while it is there, the disk has no room for another journal segment. Segments
are small, so that a new one is begun often.
"""

import errno
import functools
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import runtime.books.booking
import runtime.books.insert
import runtime.ledger.journal
import runtime.serving.serve
from runtime.__main__ import main
from runtime.books.booking import Books
from runtime.ledger.attempts import BookedLedger
from runtime.ledger.journal import Journal, Segment
from runtime.limits.governor import Governor
from runtime.limits.leases import Leases
from runtime.state.store import StateStore
from runtime.upstream.client import HttpUpstream
from runtime.upstream.response import HttpResponse

FAULTS = "SWITCHGEAR_TEST_FAULTS"
NO_ROOM = "no-room"
SMALL_SEGMENT_BYTES = 32 * 1024

IN_A_WORKER: dict[str, tuple[type, str, bool]] = {
    "admitting": (Governor, "admit", False),
    "leasing": (Leases, "lease", False),
    "leased": (Leases, "lease", True),
    "returning a slice": (Leases, "give_back", False),
    "slice returned": (Leases, "give_back", True),
    "admitted": (BookedLedger, "_write_down", False),
    "held": (BookedLedger, "_write_down", True),
    "sending": (HttpUpstream, "open", False),
    "answering": (HttpUpstream, "open", True),
    "answered": (HttpResponse, "read", True),
    "streaming": (HttpResponse, "chunks", True),
    "settling": (BookedLedger, "book", False),
    "settled": (Journal, "settle", True),
    "replying": (BookedLedger, "book", True),
    "storing": (StateStore, "put", False),
    "stored": (StateStore, "put", True),
    "turning over": (Segment, "__init__", True),
    "turned over": (Journal, "_turn_over", True),
    "syncing": (Journal, "_sync", False),
}
IN_THE_BOOKKEEPER: dict[str, tuple[type, str, bool]] = {
    "booking": (Books, "_commit", False),
    "place moved": (Books, "_move", True),
    "committed": (Books, "_told", False),
    "booked": (Books, "_commit", True),
}
AT_A_DEAD_WORKERS_END: dict[str, tuple[type, str, bool]] = {
    "finishing": (Books, "_finish", False),
    "finished": (Books, "_remove", False),
    "removed": (Books, "_remove", True),
}
ROWS_BOOKED = "rows booked"


def install(folder: Path) -> None:
    """Put the places into the gateway's own classes."""
    for points in (IN_A_WORKER, IN_THE_BOOKKEEPER, AT_A_DEAD_WORKERS_END):
        for name, (owner, method, behind) in points.items():
            setattr(owner, method, _watched(getattr(owner, method), folder / name, behind=behind))
    book_rows = _watched(runtime.books.insert.book_rows, folder / ROWS_BOOKED, behind=True)
    setattr(runtime.books.booking, "book_rows", book_rows)  # noqa: B010  (a name that it imported)
    setattr(runtime.serving.serve, "STEADY_S", 0.0)  # noqa: B010  (or it would give up: workers die all the time here)
    for name in ("SEGMENT_BYTES", "MAX_OPEN_BYTES"):
        setattr(runtime.ledger.journal, name, SMALL_SEGMENT_BYTES)
    allocate = os.posix_fallocate

    def allocate_or_not(fd: int, offset: int, length: int) -> None:
        if (folder / NO_ROOM).exists():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        allocate(fd, offset, length)

    os.posix_fallocate = allocate_or_not


def _watched(function: Callable[..., Any], trap: Path, *, behind: bool) -> Callable[..., Any]:
    """The function with a trap before it or behind it. For a stream, behind means after its first piece."""

    @functools.wraps(function)
    def watched(*args: Any, **kwargs: Any) -> Any:
        if not behind:
            spring(trap)
        result = function(*args, **kwargs)
        if not behind:
            return result
        if isinstance(result, AsyncIterator):
            return _pieces(result, trap)
        if isinstance(result, Awaitable):
            return _ended(result, trap)
        spring(trap)
        return result

    return watched


async def _ended(result: Awaitable[Any], trap: Path) -> Any:
    value = await result
    spring(trap)
    return value


async def _pieces(result: AsyncIterator[Any], trap: Path) -> AsyncIterator[Any]:
    async for piece in result:
        yield piece
        spring(trap)


def spring(trap: Path) -> None:
    try:
        victim = trap.read_text()
        trap.unlink()
    except FileNotFoundError:
        return
    os.kill(int(victim or os.getpid()), signal.SIGKILL)


if __name__ in ("__main__", "__mp_main__"):
    install(Path(os.environ[FAULTS]))
if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
