"""The checks of a start, in a child process: the config, the functions by name, the tables, the connections.

The workers are started at the same time, and import what they need while the checks run. Workers and the
bookkeeper wait at a gate before they touch the database. Where the checks refuse the start, the gate stays
shut, and the server ends.

The server's main process learns of the end of the checks by SIGCHLD: no thread waits for it, since one would
hold locks at the moment when a worker is forked.
"""

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Self

from runtime.blueprint import Blueprint
from runtime.process.child import ChildProcess, heed_stops, holding_stops

if TYPE_CHECKING:
    from runtime.blueprint import Checked

NO_SALT = (
    "switchgear: no salt key, so no responses are stored, `previous_response_id` is refused, and models and "
    "credentials that are stored can't be read or changed: set SWITCHGEAR_SALT_KEY to a text that can't be "
    "guessed, the same for all servers of this database\n"
)
REDIS_WITHOUT_SALT = (
    "litellm_settings.cache_params.type: `redis` keeps answers sealed under a salt key, and there is none: "
    "answers are kept in the memory of each worker alone; set SWITCHGEAR_SALT_KEY"
)
CACHE_WITHOUT_SALT = (
    "litellm_settings.cache_params.type: `postgres` keeps answers sealed under a salt key, and there is "
    "none: set SWITCHGEAR_SALT_KEY, or use the type `local`"
)
STOP_S = 5.0
"""How long checks that are stopped may take to roll back."""
SHUT_S = 1.0
"""How long a process waits at a gate that stays shut for the SIGTERM that ends it. Then it ends by itself."""


class StartGate:
    """What the children of a server wait at. It opens once, for all of them and for those that come later."""

    def __init__(self) -> None:
        self._inside, self._outside = socket.socketpair()

    def open(self) -> None:
        """The checks passed. Called in their process."""
        self._outside.send(b"1")

    def hold_no_key(self) -> None:
        """Leave it to the process of the checks to open: where that one is gone, the gate stays shut."""
        self._outside.close()

    def wait(self) -> None:
        """Go on where the gate is open or opens. Ends this process where it stays shut."""
        if not self._inside.recv(1, socket.MSG_PEEK):
            time.sleep(SHUT_S)
            os._exit(1)
        self._inside.close()

    @property
    def is_shut(self) -> bool:
        """Whether the checks have ended without opening the gate."""
        try:
            return not self._inside.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False

    def close(self) -> None:
        self._inside.close()
        self._outside.close()


class Checks:
    """Runs the checks while it is open. Opened in the main thread, while stops are held: a signal that came
    after the child's start and before the block's would leave the child running."""

    def __init__(self, blueprint: Blueprint, *, workers: int) -> None:
        self.gate = StartGate()
        self._pid = os.getpid()
        self._child = ChildProcess(target=_pass_or_exit, args=(blueprint, workers, self.gate), name="checks")
        self._stop: Callable[[], object] | None = None

    def __enter__(self) -> Self:
        signal.signal(signal.SIGCHLD, self._child_changed)
        self._child.start()
        self.gate.hold_no_key()
        return self

    def __exit__(self, *exc: object) -> None:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._child.terminate()
        self._child.join(STOP_S)
        if self._child.is_alive():
            self._child.kill()
            self._child.join()
        self.gate.close()

    @property
    def refusal(self) -> int:
        """The exit code of checks that have refused the start; 0 while they run, and where they passed."""
        return self._child.exitcode or 0

    def wait(self) -> int:
        """What `refusal` is at the end of the checks."""
        self._child.join()
        return self.refusal

    @contextmanager
    def stopping(self, stop: Callable[[], object]) -> Iterator[None]:
        """Call this where the checks refuse the start in the meantime."""
        self._stop = stop
        try:
            yield
        finally:
            self._stop = None

    def _child_changed(self, sign: int, frame: FrameType | None) -> None:
        """A fork of this process has inherited this, and no checks."""
        if os.getpid() == self._pid and self._stop is not None and self.refusal:
            self._stop()


def prepare(blueprint: Blueprint) -> int:
    """Check, and bring the tables up to date, where nothing is served. Gives the exit code of the checks."""
    with holding_stops(), Checks(blueprint, workers=0) as checks:
        heed_stops()
        return checks.wait()


def _pass_or_exit(blueprint: Blueprint, workers: int, gate: StartGate) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    check_all(blueprint, workers=workers)
    gate.open()


def check_all(blueprint: Blueprint, *, workers: int) -> None:
    """Raise SystemExit for what keeps a server from starting: 2 for the config, 3 for the database. More
    workers than Postgres has connections for are a 3 too. `workers` is 0 where none run."""
    from models_registry.config.response_cache import CacheKind
    from runtime.blueprint import check
    from runtime.catalog import UnknownFunction, entries
    from runtime.postgres.lanes import excess
    from runtime.postgres.migrations import ForeignDatabase, MigrationFailed, max_connections, migrate
    from runtime.state.salt_check import OtherSaltKey, check_salt
    from schema.errors.overload import DatabaseUnavailable

    checked = check(blueprint.document, blueprint.env, strict=blueprint.strict)
    report(checked)
    if checked.errors:
        sys.exit(2)
    try:
        entries(blueprint.families)
    except UnknownFunction as exc:
        sys.stderr.write(f"switchgear: --functions: {exc}\n")
        sys.exit(2)
    salt_key = blueprint.settings.salt_key
    if salt_key is None and checked.cache.kind is CacheKind.REDIS:
        sys.stderr.write(f"switchgear: {REDIS_WITHOUT_SALT}\n")
    if salt_key is None and checked.cache.kind is CacheKind.POSTGRES:
        sys.stderr.write(f"config error: {CACHE_WITHOUT_SALT}\n")
        sys.exit(2)
    try:
        asyncio.run(migrate(blueprint.dsn.reveal()))
        if salt_key is not None:
            asyncio.run(check_salt(blueprint.dsn.reveal(), salt_key))
        most = asyncio.run(max_connections(blueprint.dsn.reveal())) if workers else 0
    except (ForeignDatabase, MigrationFailed, DatabaseUnavailable, OtherSaltKey) as exc:
        sys.stderr.write(f"switchgear: {exc}\n")
        sys.exit(3)
    too_many = excess(workers, blueprint.settings.connections, most) if workers else None
    if too_many is not None:
        sys.stderr.write(f"switchgear: {too_many}\n")
        sys.exit(3)
    if salt_key is None and workers:
        sys.stderr.write(NO_SALT)


def report(checked: "Checked") -> None:
    """Config problems on stderr, one a line."""
    for kind, lines in (
        ("warning", checked.warnings),
        ("error", checked.skipped_lines),
        ("error", checked.errors),
    ):
        for line in lines:
            sys.stderr.write(f"config {kind}: {' '.join(line.split())}\n")
    sys.stderr.flush()
