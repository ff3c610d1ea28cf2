"""What the environment says. The only module that reads `os.environ`.

Each setting has the name the outside contract gives it; LiteLLM's name is an alias.
"""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

import msgspec

from schema.secret import Secret

WELL_KNOWN_KEYS = frozenset({"sk-1234", "sk-12345", "sk-123456", "sk-test", "sk-master", "sk-litellm"})
MIN_KEY_LENGTH = 16


class SettingsError(ValueError):
    """A setting that can't be used; the message names it and says what to do."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """One process's settings. `data_dir` holds what the gateway keeps on this machine."""

    data_dir: Path
    database_url: Secret | None
    """None: the embedded Postgres under `data_dir`."""
    master_key: Secret | None
    max_body_bytes: int = 32 * 1024 * 1024
    drain_s: int = 30
    """How long SIGTERM waits for calls in flight."""


def environment() -> dict[str, str]:
    """A copy of the process's environment."""
    return dict(os.environ)


def read_settings(env: Mapping[str, str]) -> Settings:
    """Settings from an environment. Raises SettingsError."""
    database_url = env.get("DATABASE_URL")
    if database_url and not database_url.startswith(("postgres://", "postgresql://")):
        raise SettingsError("DATABASE_URL: expected postgresql://user:password@host:port/database")
    master_key = env.get("SWITCHGEAR_MASTER_KEY") or env.get("LITELLM_MASTER_KEY")
    return Settings(
        data_dir=Path(env.get("SWITCHGEAR_DATA") or ".data").resolve(),
        database_url=Secret(database_url) if database_url else None,
        master_key=checked_master_key(master_key) if master_key else None,
        max_body_bytes=_whole(env, "SWITCHGEAR_MAX_BODY_BYTES", 32 * 1024 * 1024),
        drain_s=_whole(env, "SWITCHGEAR_DRAIN_S", 30),
    )


def checked_master_key(key: str) -> Secret:
    """A master key worth the name. Raises SettingsError for one that can be guessed."""
    if key in WELL_KNOWN_KEYS or len(key) < MIN_KEY_LENGTH or not key.startswith("sk-"):
        raise SettingsError(
            "SWITCHGEAR_MASTER_KEY (or general_settings.master_key): expected `sk-` and at least "
            f"{MIN_KEY_LENGTH} characters that can't be guessed; leave it unset and one is made"
        )
    return Secret(key)


def stored_master_key(data_dir: Path) -> tuple[Secret, bool]:
    """The key of this data directory, made at the first start; True when it is new.

    Created with the owner's rights alone before anything is written, and exactly once where
    several processes start together.
    """
    path = data_dir / "master.key"
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists():
        return checked_master_key(path.read_text().strip()), False
    key = f"sk-{secrets.token_urlsafe(32)}"
    draft = data_dir / f".master.key.{os.getpid()}"
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(f"{key}\n")
    try:
        os.link(draft, path)
    except FileExistsError:
        return checked_master_key(path.read_text().strip()), False
    finally:
        draft.unlink()
    return Secret(key), True


def _whole(env: Mapping[str, str], name: str, default: int) -> int:
    text = env.get(name)
    if not text:
        return default
    if not text.isdecimal() or int(text) == 0:
        raise SettingsError(f"{name}: expected a whole number above zero, found {text!r}")
    return int(text)
