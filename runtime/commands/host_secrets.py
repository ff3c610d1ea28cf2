"""`switchgear secrets`: the secrets of one host, written once into the volumes of the compose project.

A file that is there is never written again: a Postgres that was made with a password keeps it.
"""

import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import msgspec

from runtime.local.pgadmin import EMAIL
from runtime.postgres.console_role import ROLE
from runtime.settings import SettingsError

DATABASE, HOST, PORT = "litellm", "postgres", 5432
OWN, SHARED = 0o600, 0o444
"""A file of the gateway alone, and one in a volume that one other container mounts, under another user."""
SHOWN: Mapping[str, object] = MappingProxyType(
    {
        "Name": "Switchgear",
        "Group": "Servers",
        "Host": HOST,
        "Port": PORT,
        "MaintenanceDB": DATABASE,
        "Username": ROLE,
        "ConnectionParameters": {"sslmode": "prefer", "passfile": "/.pgpass", "connect_timeout": 10},
    }
)
"""The server that pgAdmin's image imports at its first start."""


def write_secrets(env: Mapping[str, str], data: Path, places: Path) -> list[str]:
    """Write what is missing. `data` is the gateway's own folder; `places` has one for Postgres and one for
    pgAdmin. Gives the names of the files that were written, and no secret. Raises SettingsError."""
    written: list[str] = []

    def once(path: Path, mode: int, make: Callable[[], str]) -> str:
        """The file's text. It is made where it is missing, whole or not at all."""
        try:
            if not path.exists():
                draft = path.with_name(f".{path.name}.{os.getpid()}")
                with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as file:
                    file.write(f"{make()}\n")
                draft.chmod(mode)
                draft.rename(path)
                written.append(str(path))
            return path.read_text().strip()
        except OSError as exc:
            raise SettingsError(f"{exc.filename or path}: {exc.strerror}") from exc

    once(data / "master.key", OWN, lambda: env.get("LITELLM_MASTER_KEY") or f"sk-{_random()}")
    once(data / "salt.key", OWN, lambda: env.get("LITELLM_SALT_KEY") or f"sk-{_random()}")
    postgres = once(places / "postgres" / "password", SHARED, _random)
    once(data / "pgpass", OWN, lambda: f"{HOST}:{PORT}:{DATABASE}:{DATABASE}:{postgres}")
    console = once(data / "console.password", OWN, _random)
    pgpass = f"{HOST}:{PORT}:{DATABASE}:{ROLE}:{console}"
    once(places / "pgadmin" / "pgpass", SHARED, lambda: pgpass)
    pgadmin = once(data / "pgadmin.password", OWN, _random)
    once(places / "pgadmin" / "password", SHARED, lambda: pgadmin)
    once(
        places / "pgadmin" / "servers.json",
        SHARED,
        lambda: msgspec.json.encode({"Servers": {"1": dict(SHOWN)}}).decode(),
    )
    return written


def sign_in_lines(master_key: str, data: Path) -> list[str]:
    """What `switchgear key` prints: the admin's key, and how pgAdmin is signed in to where there is one."""
    lines = [master_key]
    password = data / "pgadmin.password"
    if password.exists():
        lines.append(f"pgAdmin: {EMAIL}, password {password.read_text().strip()}")
    return lines


def _random() -> str:
    return secrets.token_urlsafe(32)
