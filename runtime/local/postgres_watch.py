"""Starts the embedded Postgres again when it has died.

The signal of a timer makes the main process look once a second. So it also notices the death of a server that
another gateway process started. There is no thread that watches: a thread could hold locks at the moment when
a worker is forked.
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
"""How often Postgres is started again in a row. After that it stays away, and calls go on as they do while
Postgres is away. Whoever supervises the gateway decides what to do."""
FIRST_PAUSE_S = 1.0
"""The pause after the first try. It doubles with each try."""
STEADY_S = 60.0
"""A server that has run for so long is healthy: the count of tries begins again."""


class Server(Protocol):
    """A server that can be started again."""

    def is_running(self) -> bool: ...

    def start_again(self) -> bool:
        """Begin to start the server, without waiting. False where that is not possible now."""
        ...


class PostgresWatch:
    """Watches a server until the block ends. It works only in the main thread, since Python handles signals
    only there. In another thread it does nothing."""

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
        """Look, but only in the process that opened this watch. A forked process has the handler too, but not
        the timer."""
        if os.getpid() == self._pid:
            self.look()

    def look(self) -> None:
        """Start the server again if it is not running and its pause is over."""
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
