"""A real Postgres under the data directory, for a machine that has none.

It listens on a Unix socket alone, in a directory that admits its owner only. It runs in a session
of its own, so that a terminal's Ctrl-C does not reach it before the gateway has written what it
owes. Those who use it hold a shared lock on a file, which the kernel drops however they end: the
last to stop shuts Postgres down, and one left behind by `kill -9` is adopted at the next start.
"""

import fcntl
import os
import re
import signal
import socket
import stat
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
import psutil

from runtime.local.postgres_cluster import (
    EmbeddedPostgresError,
    Owner,
    binaries,
    ensure_cluster,
    owner,
    run_as,
)
from runtime.process.locks import locked

MAX_SOCKET_PATH_BYTES = 103
"""sockaddr_un holds 108 bytes on Linux and 104 on macOS, the last a NUL."""
SOCKET_NAME = ".s.PGSQL.5432"
PLAIN_PATH = re.compile(r"[A-Za-z0-9_./-]+")
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0
POLL_S = 0.02
READY = "ready"

SETTINGS = MappingProxyType(
    {
        "listen_addresses": "",
        "unix_socket_permissions": "0700",
        "max_connections": "200",
        "shared_buffers": "32MB",
        "max_wal_size": "256MB",
        "log_checkpoints": "off",
        "timezone": "UTC",
    }
)


class Postmaster(msgspec.Struct, frozen=True, kw_only=True):
    """What `postmaster.pid` says of a running server."""

    pid: int
    socket_dir: str
    status: str


class EmbeddedPostgres:
    """One user's handle on the server of a data directory. `start` and `stop` block."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir.resolve()
        self.log_path = self.data_dir.with_name(f"{self.data_dir.name}.log")
        self._lock_path = self.data_dir.with_name(f"{self.data_dir.name}.lock")
        self._in_use: int | None = None
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> str:
        """Start the server or join the one running; gives its DSN. Raises EmbeddedPostgresError."""
        try:
            return self._start()
        except PermissionError as exc:
            raise EmbeddedPostgresError(
                f"{exc.filename} belongs to another user: run as that user, or give SWITCHGEAR_DATA a folder "
                "of yours."
            ) from exc

    def _start(self) -> str:
        self.data_dir.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        with self._starting():
            if self._in_use is None:
                self._in_use = _open_lock(self.data_dir.with_name(f"{self.data_dir.name}.users"))
                fcntl.flock(self._in_use, fcntl.LOCK_SH)
            try:
                who = owner(self.data_dir)
                ensure_cluster(self.data_dir, who)
                if self._running() is None:
                    self._outlive_the_last()
                    self._launch(who)
                return _dsn(self._ready().socket_dir)
            except BaseException:
                if self._let_go():
                    self._abandon()
                raise

    def stop(self) -> None:
        """Leave the server; shut it down where nobody else uses it. Does nothing when not started."""
        if self._in_use is None:
            return
        with self._starting():
            if self._let_go():
                self._shut_down()

    def is_running(self) -> bool:
        return self._running() is not None

    def start_again(self) -> bool:
        """Launch a server that has died; nobody waits until it is ready. False where another process is at
        it, or something of the dead one is left, beside which a second server would ruin the data."""
        with locked(self._lock_path) as mine:
            if not mine or self._in_use is None or self._running() is not None:
                return False
            if self._child is not None:
                self._child.poll()
            if self._left_behind():
                return False
            self._launch(owner(self.data_dir))
        return True

    def _left_behind(self) -> bool:
        """Postgres stands in its data directory, all of its processes do, and nothing else does."""
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()) == self.data_dir:
                    return True
        return False

    @contextmanager
    def _starting(self) -> Iterator[None]:
        """One process at a time starts or stops the server of a data directory."""
        lock = _open_lock(self._lock_path)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _let_go(self) -> bool:
        """Give up our use of the server. True where nobody else uses it."""
        if self._in_use is None:
            return False
        lock, self._in_use = self._in_use, None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        else:
            return True
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)
            os.close(lock)

    def _outlive_the_last(self) -> None:
        """What a killed server left ends by itself when it notices."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while self._left_behind():
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError(
                    f"processes of a Postgres that was killed still run in {self.data_dir}: end them"
                )
            time.sleep(POLL_S)

    def _launch(self, who: Owner) -> None:
        socket_dir = self._socket_dir(who)
        # What a crash left names a process that is gone, or that nobody has waited for, or is another by now.
        for left in (self.data_dir / "postmaster.pid", Path(socket_dir) / f"{SOCKET_NAME}.lock"):
            left.unlink(missing_ok=True)
        settings = {**SETTINGS, "unix_socket_directories": socket_dir}
        with (
            open(os.open(self.log_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as log,
            _signals_later(),
        ):
            self._child = subprocess.Popen(
                [
                    str(binaries() / "postgres"),
                    "-D",
                    str(self.data_dir),
                    *(f"--{name}={value}" for name, value in settings.items()),
                ],
                cwd="/",
                env={"LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **run_as(who),  # type: ignore[call-overload]  # a dict of keyword arguments
            )

    def _socket_dir(self, who: Owner) -> str:
        """The data directory where its path is short and plain (a DSN takes a comma for a second
        host), else a private directory made for it."""
        path = str(self.data_dir)
        if PLAIN_PATH.fullmatch(path) and len(path) + 1 + len(SOCKET_NAME) <= MAX_SOCKET_PATH_BYTES:
            return path
        link = self.data_dir.with_name(f"{self.data_dir.name}.socket")
        with suppress(OSError):
            made = os.readlink(link)
            facts = os.lstat(made)
            if stat.S_ISDIR(facts.st_mode) and facts.st_uid == who.uid and not facts.st_mode & 0o077:
                return made
        link.unlink(missing_ok=True)
        made = tempfile.mkdtemp(prefix="switchgear-", dir="/tmp")
        if who.switch:
            os.chown(made, who.uid, who.gid)
        link.symlink_to(made)
        return made

    def _running(self) -> Postmaster | None:
        """The server of this directory. A `postmaster.pid` that a crash left names a process that
        is gone, or by now another program: Postgres stands in its data directory, nothing else does."""
        found = _read_postmaster(self.data_dir)
        if found is None:
            return None
        with suppress(psutil.Error):
            process = psutil.Process(found.pid)
            if process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()) == self.data_dir:
                return found
        return None

    def _ready(self) -> Postmaster:
        """Wait until the server takes connections; a crashed one recovers first."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            found = self._running()
            if found is not None and found.status == READY and _answers(found.socket_dir):
                return found
            if self._child is not None and self._child.poll() is not None:
                raise EmbeddedPostgresError(f"Postgres did not start: {self._last_words()}")
            time.sleep(POLL_S)
        raise EmbeddedPostgresError(
            f"Postgres was not ready after {START_TIMEOUT_S:.0f} s: {self._last_words()}"
        )

    def _abandon(self) -> None:
        """End a server of ours whose start was broken off, maybe before it could say that it runs."""
        child, self._child = self._child, None
        if child is None:
            return
        child.send_signal(signal.SIGINT)
        try:
            child.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    def _shut_down(self) -> None:
        """Fast shutdown (SIGINT: open transactions roll back), then harder ones."""
        for sign in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            found = self._running()
            if found is None:
                break
            with suppress(ProcessLookupError):
                os.kill(found.pid, sign)
            deadline = time.monotonic() + STOP_TIMEOUT_S
            while self._running() is not None and time.monotonic() < deadline:
                if self._child is not None:
                    self._child.poll()
                time.sleep(POLL_S)
        self._abandon()  # one that was launched and has not said yet that it runs

    def _last_words(self) -> str:
        lines = self.log_path.read_text(errors="replace").strip().splitlines()
        return " | ".join(lines[-3:]) or f"see {self.log_path}"


@contextmanager
def _signals_later() -> Iterator[None]:
    """What asks us to end waits until we know whom we started. Handlers run in the main thread, whichever
    thread the kernel tells, so no mask would do."""
    came: list[int] = []
    before: dict[signal.Signals, Any] = {}  # what `signal.signal` gives and takes
    if threading.current_thread() is threading.main_thread():
        for sign in (signal.SIGTERM, signal.SIGINT):
            before[sign] = signal.signal(sign, lambda number, frame: came.append(number))
    try:
        yield
    finally:
        for sign, handler in before.items():
            signal.signal(sign, handler)
        for number in came:
            signal.raise_signal(number)


def _open_lock(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def _read_postmaster(data_dir: Path) -> Postmaster | None:
    """Lines: pid, directory, start time, port, socket directory, address, shared memory, status."""
    try:
        lines = (data_dir / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return None
    if not lines or not lines[0].strip().isdecimal():
        return None
    return Postmaster(
        pid=int(lines[0]),
        socket_dir=lines[4].strip() if len(lines) > 4 else "",
        status=lines[7].strip() if len(lines) > 7 else "",
    )


def _answers(socket_dir: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(os.path.join(socket_dir, SOCKET_NAME)) == 0


def _dsn(socket_dir: str) -> str:
    return f"postgresql://postgres@/postgres?host={socket_dir}"
