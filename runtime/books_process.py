"""The bookkeeper as a process beside the workers, started anew when it dies.

What watches it is a process of its own that imports nothing: the parent of the workers is granian's, and
a thread in it would hold locks at the moment of a fork.
"""

import asyncio
import ctypes
import multiprocessing
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from runtime.parent import end_with_parent
from schema.secret import Secret

BOOK_S = 10.0
"""How long a stopping server tries to bring its last rows into Postgres. What is left waits on disk."""
PAUSE_S = 0.2
NAME = "books"
PR_SET_NAME = 15


class BooksProcess:
    """Keeps the books of a directory of journals while it is open."""

    def __init__(self, journals: Path, dsn: Secret) -> None:
        journals.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._watch = multiprocessing.get_context().Process(
            target=_watch, args=(journals, dsn, os.getpid()), name=NAME
        )

    def __enter__(self) -> None:
        self._watch.start()

    def __exit__(self, *exc: object) -> None:
        self._watch.terminate()
        self._watch.join(BOOK_S)
        if self._watch.is_alive():
            sys.stderr.write("switchgear: rows of the spend ledger wait on disk for the next start\n")
            self._watch.kill()
            self._watch.join()


def _watch(journals: Path, dsn: Secret, parent_pid: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C reaches all; the parent decides
    stopping = False

    def stop(sign: int, frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True
        keeper.terminate()

    keeper = _keeper(journals, dsn)
    signal.signal(signal.SIGTERM, stop)
    _call_it(NAME)
    end_with_parent(parent_pid, signal.SIGTERM)
    while not stopping:
        keeper.start()
        keeper.join()
        if not stopping:
            sys.stderr.write(f"switchgear: the bookkeeper ended with {keeper.exitcode}; starting it again\n")
            time.sleep(PAUSE_S)
            keeper = _keeper(journals, dsn)


def _keeper(journals: Path, dsn: Secret) -> "multiprocessing.process.BaseProcess":
    return multiprocessing.get_context().Process(target=_keep, args=(journals, dsn, os.getpid()), name=NAME)


def _keep(journals: Path, dsn: Secret, parent_pid: int) -> None:
    from runtime.bookkeeper import keep_books
    from runtime.logs import set_up_logs

    end_with_parent(parent_pid, signal.SIGKILL)  # what it was at is found out by who comes next
    logs = set_up_logs()
    try:
        asyncio.run(keep_books(journals, dsn.reveal()))
    finally:
        logs.flush()


def _call_it(name: str) -> None:
    """So that `ps` tells it from a worker."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_NAME, name.encode())
