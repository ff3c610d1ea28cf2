"""Serving: granian with its workers beside the checks of a start, until a signal ends it.

This is the parent of every worker, and of the bookkeeper. While the checks run, it imports what these need:
they are forks, so it is imported once, and lies in memory once, however many there are. It runs none of it.
"""

import gc
import importlib
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any  # granian's workers have no types

import msgspec

from models_registry.config.reader import Config, read_config
from runtime.blueprint import Blueprint
from runtime.config_file import Document
from runtime.process.child import end_forks_by_sigterm, heed_stops, holding_stops
from runtime.serving.books_process import BooksProcess
from runtime.serving.checks import Checks, StartGate
from runtime.settings import (
    Settings,
    SettingsError,
    check_data_dir,
    check_kept_key,
    check_kept_salt,
    checked_master_key,
    data_dir_of,
    database_address,
    read_settings,
    stored_master_key,
    stored_salt_key,
    with_body_limits,
    with_connections,
    with_cors_origins,
    with_keepalive,
    with_upstream_connections,
)
from schema.secret import Secret

if TYPE_CHECKING:
    from runtime.blueprint import Checked
    from runtime.serving.worker import WorkerApp

GENERAL_URL = "general_settings.database_url"
GENERAL_KEY = "general_settings.master_key"
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
NEEDED_BY_FORKS = (
    "granian.server",
    "runtime.books.bookkeeper",
    "runtime.serving.keeper",
    "runtime.serving.worker",
)
SCIM = "scim2_models"
"""To import it takes half a second, for which the first call of a directory would hold up its worker."""


class AddressTaken(Exception):
    """The address can't be listened on; the message names it and the option to change."""


class Listen(msgspec.Struct, frozen=True, kw_only=True):
    """Where and how widely to serve."""

    host: str = "127.0.0.1"
    port: int = 4000
    workers: int = 1
    http2: bool = False
    """Beside HTTP/1: a proxy in front speaks it to its clients, and HTTP/1 to us."""
    fast_path: bool = True
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
            from runtime.local.postgres import EmbeddedPostgres
            from runtime.local.postgres_watch import PostgresWatch

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


def whole_check(
    document: Document, env: dict[str, str], *, families: tuple[str, ...] | None, strict: bool
) -> "Checked":
    """The checks that `serve` makes before it touches the database, all of them, with nothing made."""
    from runtime.blueprint import check
    from runtime.catalog import UnknownFunction, entries

    checked = check(document, env, strict=strict)
    errors = [*checked.errors, *settings_errors(checked.config)]
    try:
        entries(families)
    except UnknownFunction as exc:
        errors.append(f"--functions: {exc}")
    return msgspec.structs.replace(checked, errors=tuple(errors))


def settings_errors(config: Config) -> list[str]:
    """What `settings_of` would raise: each error, not the first one alone. No master key is made."""
    env, general = config.environment, config.general_settings
    errors: list[str] = []
    settings = Settings(data_dir=data_dir_of(env), database_url=None, master_key=None)
    with _noted(errors):
        settings = read_settings(env)
    with _noted(errors):
        with_connections(settings, general.database_connection_pool_limit)
    with _noted(errors):
        with_upstream_connections(
            settings, general.max_upstream_connections, general.max_upstream_connections_per_host
        )
    with _noted(errors):
        with_body_limits(settings, general.max_request_size_mb, general.max_request_bodies_mb)
    if general.database_url and not env.get("DATABASE_URL"):
        with _noted(errors):
            database_address(general.database_url, GENERAL_URL)
    with _noted(errors):
        check_data_dir(settings.data_dir)
    with _noted(errors):
        if settings.salt_key is None:
            check_kept_salt(settings.data_dir)
    with _noted(errors):
        if settings.master_key is None and config.master_key is None:
            check_kept_key(settings.data_dir)
        elif settings.master_key is None and config.master_key is not None:
            checked_master_key(config.master_key.reveal(), GENERAL_KEY)
    return errors


@contextmanager
def _noted(errors: list[str]) -> Iterator[None]:
    try:
        yield
    except SettingsError as exc:
        errors.append(str(exc))


def settings_of(document: Document, env: dict[str, str]) -> tuple[Settings, Secret, bool]:
    """Settings of the environment and the config file together, the master key, and whether that
    was made just now. Raises SettingsError."""
    config = read_config(document, env)
    settings = read_settings(config.environment)
    general = config.general_settings
    if settings.database_url is None and general.database_url:
        url = database_address(general.database_url, GENERAL_URL).url
        settings = msgspec.structs.replace(settings, database_url=url)
    check_data_dir(settings.data_dir)
    settings = with_connections(settings, general.database_connection_pool_limit)
    settings = with_upstream_connections(
        settings, general.max_upstream_connections, general.max_upstream_connections_per_host
    )
    settings = with_body_limits(settings, general.max_request_size_mb, general.max_request_bodies_mb)
    settings = with_cors_origins(settings, general.cors_origins)
    settings = with_keepalive(settings, general.stream_keepalive_s)
    key = settings.master_key
    if key is None and config.master_key is not None:
        key = checked_master_key(config.master_key.reveal(), GENERAL_KEY)
    if key is not None:
        return settings, key, False
    made, is_new = stored_master_key(settings.data_dir)
    return settings, made, is_new


def salted(settings: Settings) -> Settings:
    """The settings with the salt key that is kept in the data directory, where the environment has none. With
    the embedded Postgres the first start makes one. Raises SettingsError."""
    if settings.salt_key is not None:
        return settings
    salt_key = stored_salt_key(settings.data_dir, makes=settings.database_url is None)
    return msgspec.structs.replace(settings, salt_key=salt_key)


def run(blueprint: Blueprint, listen: Listen) -> int:
    """Check, and serve until SIGTERM or SIGINT; then drain, and book what is left. Gives the exit code: that
    of the checks where they refuse the start. Raises SettingsError."""
    with holding_stops(), Checks(blueprint, workers=listen.workers) as checks:
        import_for_forks(*(() if blueprint.settings.scim_token is None else (SCIM,)))
        try:
            with BooksProcess(blueprint, checks.gate):
                heed_stops()
                code = _run(blueprint, listen, checks)
        except SettingsError:
            heed_stops()
            if not checks.wait():
                raise
            code = 0
        return checks.refusal or code


def import_for_forks(*more: str) -> None:
    """Import what the workers and the bookkeeper need, and these modules. Nothing that is imported is
    garbage, and none is looked for among it: a page of memory that nobody writes to stays shared."""
    gc.disable()
    for name in (*NEEDED_BY_FORKS, *more):
        importlib.import_module(name)
    gc.freeze()
    gc.enable()


def _run(blueprint: Blueprint, listen: Listen, checks: Checks) -> int:
    end_forks_by_sigterm()
    pause_s, tries = FIRST_PAUSE_S, 0
    while tries < CRASH_LOOPS:
        started = time.monotonic()
        with holding_stops():
            crashed = _crashed(blueprint, listen, checks)
        if not crashed:
            return 0
        if time.monotonic() - started > STEADY_S:
            pause_s, tries = FIRST_PAUSE_S, 0
        sys.stderr.write(f"switchgear: workers keep dying; starting again in {pause_s:.0f} s\n")
        leave_on_signals()
        time.sleep(pause_s)
        pause_s, tries = min(pause_s * 2, 30.0), tries + 1
    sys.stderr.write(f"switchgear: gave up after {CRASH_LOOPS} tries\n")
    return 1


def _crashed(blueprint: Blueprint, listen: Listen, checks: Checks) -> bool:
    """One run of granian, which heeds signals once it has its handlers. True where it gave up by itself."""
    from granian.constants import HTTPModes, Interfaces, Loops, RuntimeModes
    from granian.http import HTTP1Settings, HTTP2Settings
    from granian.log import LogLevels, logger
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
    server.on_startup(heed_stops)

    _pass_sighup_on(server)

    def refused() -> None:
        """The checks have said why. What granian says of workers that it stops so early means nothing."""
        logger.disabled = True
        server.signal_handler_interrupt()  # type: ignore[no-untyped-call]

    loader = partial(_load, blueprint, listen, checks.gate, os.getpid())
    try:
        with checks.stopping(refused):
            if not checks.refusal:
                server.serve(target_loader=loader, wrap_loader=False)
    except SystemExit as exc:
        # A terminal's Ctrl-C reaches the workers too, and one that ends before granian asked it to
        # counts as crashed.
        return bool(exc.code) and not server.interrupt_signal
    return False


def _pass_sighup_on(server: Any) -> None:
    """SIGHUP is for the workers, which look at the config file then. granian would start all of them anew.
    A worker that is a zombie takes the signal too."""

    def pass_on(sign: int, frame: FrameType | None) -> None:
        for worker in server.wrks:
            with suppress(ProcessLookupError):
                os.kill(worker.inner.pid, signal.SIGHUP)

    server.signal_handler_reload = pass_on


def _load(blueprint: Blueprint, listen: Listen, gate: StartGate, parent_pid: int) -> "WorkerApp":
    """In the worker's own process. What a start makes is no garbage: until the worker has started, none is
    looked for. The parent has imported the module, and nothing that imports this one needs it."""
    gc.disable()
    from runtime.serving.worker import load_worker

    app = load_worker(blueprint, parent_pid, http2=listen.http2, fast_path=listen.fast_path)
    gate.wait()
    return app


def leave_on_signals() -> None:
    """SIGTERM and Ctrl-C end this process in good order where granian doesn't handle them: while
    it starts, and between two runs. What was started is stopped on the way out."""
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, _leave)


def _leave(sign: int, frame: FrameType | None) -> None:
    raise SystemExit(0)
