"""A real Postgres under the data directory, for a machine that has none.

Postgres listens only on a Unix socket, in a directory that admits only its owner. It runs in a session of its
own, so that a Ctrl-C in the terminal does not end it before the gateway has written its last rows.

Each process that uses it holds a shared lock on a file. The kernel drops the lock when the process ends, in
any way. The last process that stops shuts Postgres down. A Postgres that was left behind by a `kill -9` is
used again at the next start.
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
from runtime.process.child import wait_or_kill
from runtime.process.locks import locked

MAX_SOCKET_PATH_BYTES = 103
"""The longest path of a Unix socket: `sockaddr_un` has 108 bytes on Linux and 104 on macOS, and the last one
is a NUL."""
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
    """What the file `postmaster.pid` says about a running server."""

    pid: int
    socket_dir: str
    status: str


class EmbeddedPostgres:
    """The server of a data directory, as used by one process. `start` and `stop` block."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir.resolve()
        self.log_path = self.data_dir.with_name(f"{self.data_dir.name}.log")
        self._lock_path = self.data_dir.with_name(f"{self.data_dir.name}.lock")
        self._in_use: int | None = None
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> str:
        """Start the server, or join the one that runs. Gives its DSN. Raises EmbeddedPostgresError."""
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
        """Stop using the server, and shut it down where no other process uses it. This does nothing where the
        server was not started."""
        if self._in_use is None:
            return
        with self._starting():
            if self._let_go():
                self._shut_down()

    def is_running(self) -> bool:
        return self._running() is not None

    def start_again(self) -> bool:
        """Start a server that has died, and do not wait until it is ready. False where another process is
        doing so, or where processes of the dead server still run: a second server beside them would destroy
        the data."""
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
        """Whether a process of a Postgres still runs. All processes of Postgres have the data directory as
        their working directory, and no other process has."""
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()) == self.data_dir:
                    return True
        return False

    @contextmanager
    def _starting(self) -> Iterator[None]:
        """Lets one process at a time start or stop the server of a data directory."""
        lock = _open_lock(self._lock_path)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _let_go(self) -> bool:
        """Give up this process's use of the server. True where no other process uses it."""
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
        """Wait until the processes of a killed server have ended. They end by themselves when they notice its
        death."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while self._left_behind():
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError(
                    f"processes of a Postgres that was killed still run in {self.data_dir}: end them"
                )
            time.sleep(POLL_S)

    def _launch(self, who: Owner) -> None:
        socket_dir = self._socket_dir(who)
        # After a crash these files name a process that is gone, is a zombie, or is another program by now.
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
        """The directory of the socket. It is the data directory, where that path is short and plain. (A comma
        would begin a second host in a DSN.) Else it is a private directory in `/tmp`."""
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
        """The server that runs in this directory. After a crash, `postmaster.pid` may name a process that is
        gone, or that is another program by now. So the process must have the data directory as its working
        directory."""
        found = _read_postmaster(self.data_dir)
        if found is None:
            return None
        with suppress(psutil.Error):
            process = psutil.Process(found.pid)
            if process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()) == self.data_dir:
                return found
        return None

    def _ready(self) -> Postmaster:
        """Wait until the server takes connections. After a crash, a server recovers its data first. Raises
        EmbeddedPostgresError."""
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
        """End the server that this process started, after a start that was broken off. It may not have
        written `postmaster.pid` yet."""
        child, self._child = self._child, None
        if child is None:
            return
        child.send_signal(signal.SIGINT)
        wait_or_kill(child, STOP_TIMEOUT_S)

    def _shut_down(self) -> None:
        """Shut the server down. Three signals follow each other, 30 s apart: SIGINT (open transactions roll
        back), SIGQUIT, SIGKILL."""
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
        self._abandon()  # a server that was started and has not written `postmaster.pid` yet

    def _last_words(self) -> str:
        lines = self.log_path.read_text(errors="replace").strip().splitlines()
        return " | ".join(lines[-3:]) or f"see {self.log_path}"


@contextmanager
def _signals_later() -> Iterator[None]:
    """Delays SIGTERM and SIGINT until the block ends, so that the process that is started inside is known. A
    signal mask would not do: Python runs handlers in the main thread, whichever thread gets the signal."""
    came: list[int] = []
    before: dict[signal.Signals, Any] = {}  # the handlers, as `signal.signal` gives and takes them
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
    """What `postmaster.pid` says. Its lines are: pid, data directory, start time, port, socket directory,
    listen address, shared memory, status. None where there is no such file, or no pid in it."""
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
