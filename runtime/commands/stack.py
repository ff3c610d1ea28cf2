"""`just stack`: what the compose project runs, on this machine without containers: nginx with its
configuration, the gateway, Postgres, pgAdmin, a local model."""

import asyncio
import os
import secrets
import signal
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import FrameType
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

from runtime.blueprint import Blueprint
from runtime.commands.dev import READY_TIMEOUT_S, banner, url_of
from runtime.config_file import Document, merge
from runtime.local.models import local_models
from runtime.local.nginx import Nginx
from runtime.local.pgadmin import EMAIL, ConsoleServer, PgAdmin, PgAdminError
from runtime.outbound import Unreachable, get_json
from runtime.postgres.console_role import ROLE, make_console_role
from runtime.process.child import ChildProcess
from runtime.process.parent import end_with_parent
from runtime.serving.serve import Listen, ServedDatabase, check_address, run, salted, settings_of
from runtime.settings import Settings
from schema.secret import Secret

FRONT_PORT, PGADMIN_PORT = 3000, 8080
"""nginx's ports, which the user's document names. Both are open on loopback alone."""
NAMES = "localhost 127.0.0.1 [::1]"
OFF = "off"


class Around(msgspec.Struct, frozen=True, kw_only=True):
    """What stands around the gateway."""

    url: str
    log_path: Path
    pgadmin: PgAdmin | None
    """None: the user wants none."""


def stack(document: Document, env: Mapping[str, str], listen: Listen) -> int:
    """Start everything, print the addresses, and serve until Ctrl-C. Gives the exit code. Raises AddressTaken
    and NginxError."""
    for port in (FRONT_PORT, PGADMIN_PORT):
        check_address(Listen(port=port))
    listen = msgspec.structs.replace(listen, port=_free(listen.port))
    url = f"http://localhost:{FRONT_PORT}"
    env = {"PROXY_BASE_URL": url, **env, "SWITCHGEAR_TRUSTED_PROXIES": "127.0.0.1/32"}
    with local_models(env) as found:
        whole = merge(document, found.document)
        settings, master_key, _ = settings_of(whole, dict(found.env))
        settings = salted(settings)
        folder = settings.data_dir / "stack"
        folder.mkdir(parents=True, exist_ok=True)
        on = env.get("PGADMIN", "on") != OFF
        pgadmin = PgAdmin(folder / "pgadmin", env, port=_free(5050)) if on else None
        front = Around(url=url, log_path=folder / "nginx.log", pgadmin=pgadmin)
        nginx = Nginx(folder / "nginx", values_of(front, settings, listen), log_path=front.log_path)
        with ServedDatabase(settings) as dsn:
            blueprint = Blueprint(
                document=whole, env=found.env, settings=settings, master_key=master_key, dsn=dsn
            )
            where = "DATABASE_URL" if settings.database_url else str(settings.data_dir / "postgres")
            shown = msgspec.structs.replace(listen, host="localhost", port=FRONT_PORT)
            text = banner(found, shown, master_key, dsn=dsn, where=where)
            # A process and no thread, as in `just dev`: granian forks its workers.
            desk = ChildProcess(target=_desk, args=(front, dsn, text, listen, os.getpid()), name="desk")
            try:
                nginx.start()
                desk.start()
                return run(blueprint, listen)
            finally:
                if desk.pid is not None:
                    desk.terminate()
                    desk.join()
                nginx.stop()


def values_of(front: Around, settings: Settings, listen: Listen) -> dict[str, str]:
    """What nginx's templates are filled with."""
    pgadmin = front.pgadmin
    return {
        "SG_MODE": "development",
        "SG_GATEWAY": f"127.0.0.1:{listen.port}",
        "SG_PGADMIN": "on" if pgadmin else OFF,
        "SG_PGADMIN_ADDRESS": f"127.0.0.1:{pgadmin.port if pgadmin else 9}",
        "SG_SERVER_NAMES": NAMES,
        "SG_BASE_URL": front.url,
        "SG_HSTS": "",
        "SG_ACCESS_LOG": "/dev/stdout",
        "SG_REAL_IP_FROM": "unix:",
        "SG_LISTEN": f"127.0.0.1:{FRONT_PORT}",
        "SG_PGADMIN_LISTEN": f"127.0.0.1:{PGADMIN_PORT}",
        "SG_BODY_MAX": str(settings.max_body_bytes),
    }


def _desk(front: Around, dsn: Secret, text: str, listen: Listen, parent_pid: int) -> None:
    """Wait for the gateway, print what there is, and run pgAdmin until SIGTERM."""
    end_with_parent(parent_pid, signal.SIGTERM)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C reaches all; the parent decides
    signal.signal(signal.SIGTERM, _leave)
    if not _ready(url_of(listen)):
        return
    print(f"{text}\n\nUI        {front.url}/ui    (nginx's log: {front.log_path})", flush=True)
    if front.pgadmin is None:
        print("pgAdmin   switched off (PGADMIN=off)", flush=True)
        return
    try:
        password = _start_pgadmin(front.pgadmin, dsn)
        print(
            f"pgAdmin   http://localhost:{PGADMIN_PORT}/pgadmin    for an admin who has signed in at "
            f"{front.url}/ui\n          then as {EMAIL}, password {password}",
            flush=True,
        )
        signal.pause()
    except (PgAdminError, OSError) as exc:
        print(f"pgAdmin   {exc}", flush=True)
    finally:
        front.pgadmin.stop()


def _start_pgadmin(pgadmin: PgAdmin, dsn: Secret) -> str:
    from asyncpg import PostgresError

    password = secrets.token_urlsafe(24)
    try:
        asyncio.run(make_console_role(dsn.reveal(), password))
    except PostgresError as exc:
        raise PgAdminError(f"its database role {ROLE} can't be made: {type(exc).__name__}") from exc
    return pgadmin.start(server_of(dsn, password), say=lambda line: print(line, flush=True))


def server_of(dsn: Secret, password: str) -> ConsoleServer:
    """The server of a DSN, for pgAdmin's own role."""
    parts = urlsplit(dsn.reveal())
    options = parse_qs(parts.query)
    return ConsoleServer(
        host=unquote(parts.hostname or "") or options.get("host", ["localhost"])[0],
        port=parts.port or int(options.get("port", ["5432"])[0]),
        database=unquote(parts.path.lstrip("/")) or "postgres",
        user=ROLE,
        password=password,
    )


def _ready(url: str) -> bool:
    ends_at = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < ends_at:
        with suppress(Unreachable):
            get_json(f"{url}/health/readiness", timeout_s=1.0)
            return True
        time.sleep(0.05)
    return False


def _free(port: int) -> int:
    """This port of loopback, or another one where it is taken."""
    for each in (port, 0):
        with socket.socket() as sock, suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(("127.0.0.1", each))
            found: int = sock.getsockname()[1]
            return found
    return port


def _leave(sign: int, frame: FrameType | None) -> None:
    raise SystemExit(0)
