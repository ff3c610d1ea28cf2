"""The bookkeeper's process beside the workers. It waits until the checks of the start have passed, and it is
started again when it dies.

The server's main process learns of its death by SIGCHLD. There is no thread that watches: a thread could hold
locks at the moment when a worker is forked.
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from types import FrameType

from runtime.blueprint import Blueprint
from runtime.ledger.journal_folder import private_folder
from runtime.process.child import ChildProcess
from runtime.process.parent import end_with_parent
from runtime.serving.checks import StartGate

BOOK_S = 10.0
"""How long a stopping server tries to bring its last rows into Postgres. The rows that are left wait on
disk."""
KILL_S = 2.0
"""How much longer a stopping server waits before it kills the bookkeeper."""
PAUSE_S = 1.0
"""The pause before a bookkeeper is started again that ran for less than this."""
NAME = "books"


class BooksProcess:
    """Runs the bookkeeper of a data directory until the block ends. It must be opened in the main thread,
    while stops are held. Raises SettingsError for a folder of journals that `private_folder` refuses."""

    def __init__(self, blueprint: Blueprint, gate: StartGate) -> None:
        private_folder(blueprint.settings.journals)
        self._blueprint = blueprint
        self._gate = gate
        self._before: Callable[[int, FrameType | None], object] | int | None = None
        """Who else hears of a child's end."""
        self._pid = os.getpid()
        self._open = False
        self._keeper: BaseProcess | None = None
        self._started_mono = 0.0
        self._changes = 0
        """How many signals came."""
        self._is_looking = False

    def __enter__(self) -> None:
        self._open = True
        self._start(pause_s=0.0)
        self._before = signal.signal(signal.SIGCHLD, self._child_changed)

    def __exit__(self, *exc: object) -> None:
        self._open = False
        signal.signal(signal.SIGCHLD, self._before)
        keeper = self._keeper
        assert keeper is not None
        keeper.terminate()
        keeper.join(BOOK_S + KILL_S)
        if keeper.is_alive():
            sys.stderr.write("switchgear: rows of the spend ledger wait on disk for the next start\n")
            keeper.kill()
            keeper.join()

    def _start(self, *, pause_s: float) -> None:
        arguments = (self._blueprint, self._gate, self._pid, pause_s)
        self._started_mono = time.monotonic()
        self._keeper = ChildProcess(target=_keep, args=arguments, name=NAME)
        self._keeper.start()

    def _child_changed(self, sign: int, frame: FrameType | None) -> None:
        """Look at the bookkeeper, once at a time. Python runs this in the middle of itself where a worker
        dies while the bookkeeper is started: a second look would see a process that is not there yet, and
        start another one, which nobody would watch."""
        if callable(self._before):
            self._before(sign, frame)
        self._changes += 1
        if self._is_looking:
            return  # whoever looks does so once more
        seen = 0
        while seen != self._changes:
            seen, self._is_looking = self._changes, True
            try:
                self._look()
            finally:
                self._is_looking = False

    def _look(self) -> None:
        """Start the bookkeeper again, if it has ended. A forked process has the handler too, and must not do
        so."""
        keeper = self._keeper
        if not self._open or os.getpid() != self._pid or keeper is None or keeper.is_alive():
            return
        if self._gate.is_shut:
            return
        sys.stderr.write(f"switchgear: the bookkeeper ended with {keeper.exitcode}; starting it again\n")
        young = time.monotonic() - self._started_mono < PAUSE_S
        self._start(pause_s=PAUSE_S if young else 0.0)


def _keep(blueprint: Blueprint, gate: StartGate, parent_pid: int, pause_s: float) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process, and the parent decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    end_with_parent(parent_pid, signal.SIGTERM)
    time.sleep(pause_s)
    gate.wait()
    from runtime.books.bookkeeper import keep_books
    from runtime.process.logs import set_up_logs
    from runtime.serving.keeper import keeper_of

    logs = set_up_logs()
    keeper = keeper_of(blueprint)
    try:
        asyncio.run(keep_books(keeper, blueprint.settings.journals, stop_s=BOOK_S))
    finally:
        logs.flush()
