"""Serving: prepare the database, then granian with its workers, until a signal ends it.

This is the parent of every worker and stays small: what is large (prices, the migration
machinery) runs in a child that is gone before the first worker starts.
"""

import asyncio
import multiprocessing
import os
import signal
import socket
import sys
import time
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import msgspec

from models_registry.config.reader import read_config
from runtime.blueprint import Blueprint
from runtime.config_file import Document
from runtime.local.postgres import EmbeddedPostgres
from runtime.local.postgres_watch import PostgresWatch
from runtime.serving.books_process import BooksProcess
from runtime.settings import (
    Settings,
    checked_master_key,
    read_settings,
    stored_master_key,
    with_body_limits,
    with_connections,
    with_cors_origins,
    with_upstream_connections,
)
from schema.secret import Secret

if TYPE_CHECKING:
    from runtime.blueprint import Checked
    from runtime.serving.worker import WorkerApp

BACKPRESSURE = 10_000
"""Requests a worker works on at once; granian's own default would cap streams far lower."""
BACKLOG = 2_048
HEAD_S = 30
"""How long a request's head may take, and how long a connection may say nothing before one."""
BUFFER_BYTES = 128 * 1024
"""The buffer of a connection in each direction; a head is no longer than that."""
PING_S = 20
"""How often an HTTP/2 client is asked whether it is there, and how long its answer may take."""
STREAMS = 100
"""Requests at once on one HTTP/2 connection."""
HEADERS_BYTES = 64 * 1024
STREAM_BUFFER_BYTES = 16 * 1024
KILL_AFTER_DRAIN_S = 15
"""granian's kill comes this long after the drain deadline: settled calls still have to be flushed."""
CRASH_LOOPS = 5
"""granian gives up when a respawned worker dies again within seconds. It is started anew, this
often in a row, with a growing pause; then whoever supervises us decides."""
FIRST_PAUSE_S = 1.0
STEADY_S = 60.0


class AddressTaken(Exception):
    """The address can't be listened on; the message names it and the option to change."""


class Listen(msgspec.Struct, frozen=True, kw_only=True):
    """Where and how widely to serve."""

    host: str = "127.0.0.1"
    port: int = 4000
    workers: int = 1
    http2: bool = False
    """Beside HTTP/1: a proxy in front speaks it to its clients, and HTTP/1 to us."""
    front: bool = True
    """Whether functions are answered ahead of Litestar."""


def check_address(listen: Listen) -> None:
    """Raise AddressTaken unless the address can be bound, before anything is started for it.

    granian would share a port that another granian serves (SO_REUSEPORT) and split its calls.
    """
    try:
        found = socket.getaddrinfo(listen.host, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen()
    except OSError as exc:
        option = "--host" if isinstance(exc, socket.gaierror) else "--port"
        where = f"port {listen.port} on {listen.host}"
        raise AddressTaken(f"{where}: {exc.strerror}; choose another with {option}") from exc


class ServedDatabase:
    """The Postgres in use: the one of `DATABASE_URL`, else the embedded one, which is watched while this is
    open."""

    def __init__(self, settings: Settings) -> None:
        self._embedded = None
        self.dsn = settings.database_url
        if self.dsn is None:
            self._embedded = EmbeddedPostgres(settings.data_dir / "postgres")
            self._watch = PostgresWatch(self._embedded)

    def __enter__(self) -> Secret:
        if self._embedded is not None:
            self.dsn = Secret(self._embedded.start())
            self._watch.__enter__()
        assert self.dsn is not None, "one of the two is there"
        return self.dsn

    def __exit__(self, *exc: object) -> None:
        if self._embedded is not None:
            self._watch.__exit__()
            self._embedded.stop()


def settings_of(document: Document, env: dict[str, str]) -> tuple[Settings, Secret, bool]:
    """Settings of the environment and the config file together, the master key, and whether that
    was made just now. Raises SettingsError."""
    config = read_config(document, env)
    settings = read_settings(config.environment)
    general = config.general_settings
    if settings.database_url is None and general.database_url:
        settings = read_settings({**config.environment, "DATABASE_URL": general.database_url})
    settings = with_connections(settings, general.database_connection_pool_limit)
    settings = with_upstream_connections(
        settings, general.max_upstream_connections, general.max_upstream_connections_per_host
    )
    settings = with_body_limits(settings, general.max_request_size_mb, general.max_request_bodies_mb)
    settings = with_cors_origins(settings, general.cors_origins)
    key = settings.master_key
    if key is None and config.master_key is not None:
        key = checked_master_key(config.master_key.reveal())
    if key is not None:
        return settings, key, False
    made, is_new = stored_master_key(settings.data_dir)
    return settings, made, is_new


def prepare(blueprint: Blueprint, *, workers: int) -> int:
    """Check the config and bring the tables up to date, in a child process. Gives its exit code, which is 3
    where so many workers would ask for more connections than Postgres has. `workers` is 0 where none run."""
    child = multiprocessing.get_context().Process(target=_prepare, args=(blueprint, workers))
    child.start()
    child.join()
    return child.exitcode or 0


def _prepare(blueprint: Blueprint, workers: int) -> None:
    from runtime.blueprint import check
    from runtime.catalog import UnknownFunction, entries
    from runtime.postgres.lanes import excess
    from runtime.postgres.migrations import ForeignDatabase, MigrationFailed, max_connections, migrate
    from schema.errors import DatabaseUnavailable

    checked = check(blueprint.document, blueprint.env)
    report(checked)
    if checked.errors:
        sys.exit(2)
    try:
        entries(blueprint.families)
    except UnknownFunction as exc:
        sys.stderr.write(f"switchgear: --functions: {exc}\n")
        sys.exit(2)
    try:
        asyncio.run(migrate(blueprint.dsn.reveal()))
        most = asyncio.run(max_connections(blueprint.dsn.reveal())) if workers else 0
    except (ForeignDatabase, MigrationFailed, DatabaseUnavailable) as exc:
        sys.stderr.write(f"switchgear: {exc}\n")
        sys.exit(3)
    too_many = excess(workers, blueprint.settings.connections, most) if workers else None
    if too_many is not None:
        sys.stderr.write(f"switchgear: {too_many}\n")
        sys.exit(3)


def report(checked: "Checked") -> None:
    """Config problems on stderr, one a line."""
    for kind, lines in (
        ("warning", checked.warnings),
        ("error", [f"{reason} (this deployment is skipped)" for reason in checked.skipped]),
        ("error", checked.errors),
    ):
        for line in lines:
            sys.stderr.write(f"config {kind}: {line}\n")
    sys.stderr.flush()


def run(blueprint: Blueprint, listen: Listen) -> int:
    """Serve until SIGTERM or SIGINT, then drain, and book what is left. Gives the exit code."""
    with BooksProcess(blueprint):
        return _run(blueprint, listen)


def _run(blueprint: Blueprint, listen: Listen) -> int:
    pause_s, tries = FIRST_PAUSE_S, 0
    while tries < CRASH_LOOPS:
        started = time.monotonic()
        if not _crashed(blueprint, listen):
            return 0
        if time.monotonic() - started > STEADY_S:
            pause_s, tries = FIRST_PAUSE_S, 0
        sys.stderr.write(f"switchgear: workers keep dying; starting again in {pause_s:.0f} s\n")
        leave_on_signals()
        time.sleep(pause_s)
        pause_s, tries = min(pause_s * 2, 30.0), tries + 1
    sys.stderr.write(f"switchgear: gave up after {CRASH_LOOPS} tries\n")
    return 1


def _crashed(blueprint: Blueprint, listen: Listen) -> bool:
    """One run of granian. True where it gave up by itself."""
    from granian.constants import HTTPModes, Interfaces, Loops, RuntimeModes
    from granian.http import HTTP1Settings, HTTP2Settings
    from granian.log import LogLevels
    from granian.server import Server

    server = Server(
        "switchgear",
        address=listen.host,
        port=listen.port,
        interface=Interfaces.ASGI,
        workers=listen.workers,
        loop=Loops.auto,
        runtime_mode=RuntimeModes.st,
        http=HTTPModes.auto if listen.http2 else HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=HEAD_S * 1000, max_buffer_size=BUFFER_BYTES),
        http2_settings=HTTP2Settings(
            keep_alive_interval=PING_S * 1000,
            keep_alive_timeout=PING_S,
            max_concurrent_streams=STREAMS,
            max_headers_size=HEADERS_BYTES,
            max_send_buffer_size=STREAM_BUFFER_BYTES,
        ),
        websockets=False,
        backlog=BACKLOG,
        backpressure=BACKPRESSURE,
        respawn_failed_workers=True,
        workers_kill_timeout=blueprint.settings.drain_s + KILL_AFTER_DRAIN_S,
        log_level=LogLevels.warning,
        working_dir=Path.cwd(),
    )
    try:
        server.serve(target_loader=partial(_load, blueprint, listen, os.getpid()), wrap_loader=False)
    except SystemExit as exc:
        # A terminal's Ctrl-C reaches the workers too, and one that ends before granian asked it to
        # counts as crashed.
        return bool(exc.code) and not server.interrupt_signal
    return False


def _load(blueprint: Blueprint, listen: Listen, parent_pid: int) -> "WorkerApp":
    """In the worker's own process, so that the parent never holds what a worker imports."""
    from runtime.serving.worker import load_worker

    return load_worker(blueprint, parent_pid, http2=listen.http2, front=listen.front)


def leave_on_signals() -> None:
    """SIGTERM and Ctrl-C end this process in good order where granian doesn't handle them: while
    it starts, and between two runs. What was started is stopped on the way out."""
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, _leave)


def _leave(sign: int, frame: FrameType | None) -> None:
    raise SystemExit(0)
