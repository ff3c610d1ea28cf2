"""Child processes, and signals that come while one is made."""

import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

PR_SET_NAME = 15
STOPS = (signal.SIGTERM, signal.SIGINT)


def fork_children() -> None:
    """From now on children are forks, granian's too: they have what their parent imported, and are its own.
    Since Python 3.14 the default is a server of processes, whose children are neither."""
    if sys.platform == "linux":
        multiprocessing.set_start_method("fork", force=True)


def heed_stops() -> None:
    """Let those signals come that `holding_stops` holds back."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)


@contextmanager
def holding_stops() -> Iterator[None]:
    """A SIGTERM or SIGINT waits until this is over, or `heed_stops` is called. Python runs a signal's handler
    wherever it is: among the hooks of a fork and of an import, which drop what the handler raises, the signal
    would be lost; and a child whose start it interrupts would be nobody's to stop. Such blocks may stand in
    each other."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def wait_or_kill(process: "subprocess.Popen[bytes]", within_s: float) -> None:
    """Wait until a child has ended that was told to. It is killed where it does not end in `within_s`
    seconds."""
    try:
        process.wait(within_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class _Forks:
    """What happens at every fork of this process."""

    def __init__(self) -> None:
        self._mask: set[int] = set()

    def before(self) -> None:
        self._mask = set(signal.pthread_sigmask(signal.SIG_BLOCK, STOPS))

    def in_parent(self) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)

    def in_child(self) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C reaches all; the parent decides
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        heed_stops()


def end_forks_by_sigterm() -> None:
    """From now on, a SIGTERM ends a fork of this process from its first moment, until the fork sets a handler
    of its own. The handlers that a fork has from its parent do nothing in it: a worker that is stopped while
    it imports would go on. To be called once."""
    forks = _Forks()
    os.register_at_fork(before=forks.before, after_in_parent=forks.in_parent, after_in_child=forks.in_child)


class ChildProcess(multiprocessing.Process):
    """As `multiprocessing.Process`, with its name in `ps`."""

    def start(self) -> None:
        with holding_stops():
            super().start()

    def run(self) -> None:
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(PR_SET_NAME, self.name.encode())
        heed_stops()
        super().run()
