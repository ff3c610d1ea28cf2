"""pgAdmin on this machine, from PyPI, in a Python environment of its own: it is half a gigabyte, and its
dependencies are not ours."""

import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import msgspec

from runtime.process.child import wait_or_kill
from runtime.process.parent import end_with_parent

VERSION = "9.18"
EMAIL = "admin@switchgear.dev"
"""Whose account it is in pgAdmin. pgAdmin refuses addresses of domains that can't exist."""
INSTALL_S, SETUP_S, STOP_S = 900.0, 180.0, 10.0
PASSWORD_FILE = "password"
HOME = Path(__file__).parents[2] / ".tools" / "pgadmin"
"""Where it is installed. The folder is not committed."""
CONFIG = """
import os
SERVER_MODE = True
DEFAULT_SERVER = "127.0.0.1"
DEFAULT_SERVER_PORT = int(os.environ["SG_PGADMIN_PORT"])
DATA_DIR = os.environ["SG_PGADMIN_DATA"]
LOG_FILE = os.path.join(DATA_DIR, "pgadmin4.log")
SQLITE_PATH = os.path.join(DATA_DIR, "pgadmin4.db")
SESSION_DB_PATH = os.path.join(DATA_DIR, "sessions")
STORAGE_DIR = os.path.join(DATA_DIR, "storage")
AZURE_CREDENTIAL_CACHE_DIR = os.path.join(DATA_DIR, "azure")
UPGRADE_CHECK_ENABLED = False
MASTER_PASSWORD_REQUIRED = False
ENABLE_PSQL = False
ALLOW_SAVE_PASSWORD = False
"""
"""pgAdmin's `config_local.py`: https://www.pgadmin.org/docs/pgadmin4/latest/config_py.html"""


class PgAdminError(Exception):
    """pgAdmin can't be had or does not start. The message says why."""


class ConsoleServer(msgspec.Struct, frozen=True, kw_only=True):
    """The Postgres that pgAdmin shows, as `load-servers` has it. `host` may be a folder with a socket."""

    host: str
    port: int
    database: str
    user: str
    password: str


class PgAdmin:
    """A pgAdmin with its account and its server. `folder` keeps what it knows from start to start. `env` is
    this process's environment, of which pgAdmin gets next to nothing."""

    def __init__(self, folder: Path, env: Mapping[str, str], *, port: int) -> None:
        self.folder = folder.resolve()
        self.port = port
        self._given = {name: env[name] for name in ("PATH", "LANG", "TMPDIR") if name in env}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, server: ConsoleServer, *, say: Callable[[str], None]) -> str:
        """Install it where it is missing, register the server, and start. Gives the account's password.
        Raises PgAdminError."""
        install(say)
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.folder / "config_local.py").write_text(CONFIG)
        password = self._password()
        if not (self.folder / "pgadmin4.db").exists():
            self._run("setup-db", PGADMIN_SETUP_EMAIL=EMAIL, PGADMIN_SETUP_PASSWORD=password)
        self._register(server)
        with (self.folder / "output.log").open("wb") as log:
            self._process = subprocess.Popen(
                [str(HOME / "bin" / "python"), str(_package() / "pgAdmin4.py")],
                env=self._env(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,
                preexec_fn=partial(end_with_parent, os.getpid(), signal.SIGTERM),
            )
        return password

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.terminate()
            wait_or_kill(self._process, STOP_S)
            self._process = None

    def _register(self, server: ConsoleServer) -> None:
        """Write the pass file, and have the server in the account's list, once."""
        storage = self.folder / "storage" / EMAIL.replace("@", "_")
        storage.mkdir(mode=0o700, parents=True, exist_ok=True)
        passes = storage / "pgpass"
        fields = (server.host, str(server.port), server.database, server.user, server.password)
        line = ":".join(field.replace("\\", "\\\\").replace(":", "\\:") for field in fields)
        passes.touch(mode=0o600)
        passes.write_text(f"{line}\n")
        shown = {
            "Name": "Switchgear",
            "Group": "Servers",
            "Host": server.host,
            "Port": server.port,
            "MaintenanceDB": server.database,
            "Username": server.user,
            "ConnectionParameters": {"sslmode": "prefer", "passfile": "/pgpass", "connect_timeout": 10},
        }
        servers = self.folder / "servers.json"
        servers.write_bytes(msgspec.json.encode({"Servers": {"1": shown}}))
        self._run("load-servers", str(servers), "--user", EMAIL, "--replace")

    def _password(self) -> str:
        kept = self.folder / PASSWORD_FILE
        if not kept.exists():
            kept.touch(mode=0o600)
            kept.write_text(secrets.token_urlsafe(18))
        return kept.read_text().strip()

    def _run(self, *words: str, **env: str) -> None:
        command = [str(HOME / "bin" / "python"), str(_package() / "setup.py"), *words]
        done = subprocess.run(
            command,
            env={**self._env(), **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SETUP_S,
            check=False,
        )
        if done.returncode != 0:
            raise PgAdminError(f"pgAdmin's {words[0]} failed: {(done.stderr + done.stdout).strip()[-500:]}")

    def _env(self) -> dict[str, str]:
        """The environment without what is ours: it has the keys of providers."""
        return {
            **self._given,
            "HOME": str(self.folder),
            "PYTHONPATH": str(self.folder),
            "SG_PGADMIN_DATA": str(self.folder),
            "SG_PGADMIN_PORT": str(self.port),
        }


def _package() -> Path:
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return HOME / "lib" / version / "site-packages" / "pgadmin4"


def install(say: Callable[[str], None]) -> None:
    """Install pgAdmin where it is missing. It is a package of its own, beside those of the gateway. Raises
    PgAdminError."""
    if _package().exists():
        return
    say(f"pgAdmin {VERSION} is being installed into {HOME} (500 MB, once)")
    uv = shutil.which("uv") or str(HOME.parent / "bin" / "uv")
    try:
        if Path(uv).exists():
            made = [[uv, "venv", "-q", "--clear", "--python", sys.executable, str(HOME)]]
            made += [[uv, "pip", "install", "-q", "--python", str(HOME / "bin" / "python")]]
        else:
            made = [[sys.executable, "-m", "venv", "--clear", str(HOME)]]
            made += [[str(HOME / "bin" / "python"), "-m", "pip", "install", "-q"]]
        made[1].append(f"pgadmin4=={VERSION}")
        for command in made:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_S)
    except subprocess.CalledProcessError as exc:
        raise PgAdminError(f"pgAdmin {VERSION} can't be installed: {exc.stderr.strip()[-300:]}") from exc
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise PgAdminError(f"pgAdmin {VERSION} can't be installed: {exc}") from exc
