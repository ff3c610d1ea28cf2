"""Starts an embedded Postgres again that has died, as workers are.

By a timer's signal in the main process, which sees a server that another process of ours started too. No
thread watches: it would hold locks at the moment when a worker is forked.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Protocol

LOOK_S = 1.0
MOST_TRIES = 5
"""In a row. Then whoever supervises us decides: calls go on as they do while Postgres is away."""
FIRST_PAUSE_S = 1.0
STEADY_S = 60.0
"""After so long a server that was started again counts as well."""


class Server(Protocol):
    def is_running(self) -> bool: ...

    def start_again(self) -> bool:
        """Begin to. False: it can't be done just now."""
        ...


class PostgresWatch:
    """Watches while it is open, where that is in the main thread: signals come nowhere else."""

    def __init__(self, server: Server, clock: Callable[[], float] = time.monotonic) -> None:
        self._server = server
        self._clock = clock
        self._pid = os.getpid()
        self._tries = 0
        self._next_mono = 0.0
        self._gave_up = False

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGALRM, self._signalled)
            signal.setitimer(signal.ITIMER_REAL, LOOK_S, LOOK_S)

    def __exit__(self, *exc: object) -> None:
        if threading.current_thread() is threading.main_thread():
            signal.setitimer(signal.ITIMER_REAL, 0.0)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)

    def _signalled(self, sign: int, frame: FrameType | None) -> None:
        """A fork of this process has inherited the handler, and no timer."""
        if os.getpid() == self._pid:
            self.look()

    def look(self) -> None:
        now = self._clock()
        if self._server.is_running():
            if self._tries and now - self._next_mono > STEADY_S:
                self._tries = 0
            return
        if now < self._next_mono or self._gave_up:
            return
        if self._tries >= MOST_TRIES:
            self._gave_up = True
            _say(f"gave up on the embedded Postgres after {MOST_TRIES} tries; its log says why it ends")
            return
        if self._server.start_again():
            self._next_mono = now + FIRST_PAUSE_S * 2**self._tries
            self._tries += 1
            _say("the embedded Postgres ended; starting it again")


def _say(text: str) -> None:
    sys.stderr.write(f"switchgear: {text}\n")
    sys.stderr.flush()
