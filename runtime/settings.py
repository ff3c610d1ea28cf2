"""The settings in the environment. Only this module reads `os.environ`.

`docs/guide.md` has the table of their names. Where LiteLLM has a variable for a setting, its name is an
alias.
"""

import math
import os
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import msgspec

from runtime.postgres.address import PostgresAddress, postgres_address
from runtime.postgres.lanes import DEFAULT_CONNECTIONS, LEAST_CONNECTIONS
from runtime.upstream.proxies import Proxies
from schema.secret import MIN_KEY_CHARS, Secret

WELL_KNOWN_KEYS = frozenset({"sk-1234", "sk-12345", "sk-123456", "sk-test", "sk-master", "sk-litellm"})
SALT_FILE = "salt.key"
MAX_BODY_MB = 4096
MIN_KEEPALIVE_S, MAX_KEEPALIVE_S = 0.1, 3600.0
MAX_UPSTREAM_CONNECTIONS = 65_536
MAX_BODIES_BYTES = 256 * 1024 * 1024
FOLDERS = ("journals", "metrics", "postgres")
"""What is kept in folders of its own in the data directory."""
_HOSTS = re.compile(
    r"(\[[0-9A-Fa-f:.%]+\]|[^\[\]:@,\s]*)(:[0-9]{1,5})?(,(\[[0-9A-Fa-f:.%]+\]|[^\[\]:@,\s]+)(:[0-9]{1,5})?)*"
)
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?")
_ROOT_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)+")


class SettingsError(ValueError):
    """A setting that can't be used. The message names the setting and says what to do."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of one process. `data_dir` is the folder for everything that the gateway keeps on this
    machine."""

    data_dir: Path
    database_url: Secret | None
    """The address of Postgres. None stands for the embedded Postgres under `data_dir`."""
    master_key: Secret | None
    """None where the environment has no master key."""
    salt_key: Secret | None = None
    """What the values of callers are sealed with. None: there is none, and nothing of callers is stored."""
    max_body_bytes: int = 32 * 1024 * 1024
    """The most bytes that the body of one request may have."""
    max_bodies_bytes: int = MAX_BODIES_BYTES
    """The most bytes that the bodies of all requests under way in a worker may have together. A request that
    does not fit is refused with 503."""
    connections: int = DEFAULT_CONNECTIONS
    """How many connections to Postgres a worker has."""
    upstream_connections: int = 16_384
    """How many connections to providers a worker has at most."""
    upstream_connections_per_host: int = 8_192
    drain_s: int = 30
    """How long a stopping server waits for calls under way."""
    journal_mb: int = 1024
    """How many MiB of a worker's journal may wait for Postgres before new calls are refused."""
    journal_sync_ms: int = 100
    """How often a journal is written to the disk itself, so that a loss of power can't take it."""
    root_path: str = ""
    """The path under which a proxy shows the gateway, such as `/llm`."""
    cors_origins: tuple[str, ...] | None = None
    """The origins whose pages may call every route (`general_settings.cors_origins`). None: every origin may
    call the routes of models, and none the others."""
    stream_keepalive_s: float = 30.0
    """How long a streamed call may be silent before its client is sent a comment
    (`general_settings.stream_keepalive_s`). 0: for ever."""
    metrics_token: Secret | None = None
    """A key that may read `/metrics` and nothing else."""
    scim_token: Secret | None = None
    """A key with which a directory calls `/scim/v2`, and nothing else."""

    @property
    def journals(self) -> Path:
        return self.data_dir / "journals"

    @property
    def pulls(self) -> Path:
        """The folder for the locks of pulls of local models."""
        return self.data_dir / "pulls"

    @property
    def metrics(self) -> Path:
        """The folder for the counts of the workers."""
        return self.data_dir / "metrics"


def environment() -> dict[str, str]:
    """A copy of the process's environment."""
    return dict(os.environ)


def read_settings(env: Mapping[str, str]) -> Settings:
    """The settings in an environment. Raises SettingsError."""
    database_url = env.get("DATABASE_URL")
    _check_proxies(env)
    master_key = env.get("SWITCHGEAR_MASTER_KEY") or env.get("LITELLM_MASTER_KEY")
    salt_key = env.get("SWITCHGEAR_SALT_KEY") or env.get("LITELLM_SALT_KEY")
    return Settings(
        data_dir=data_dir_of(env),
        database_url=database_address(database_url, "DATABASE_URL").url if database_url else None,
        master_key=checked_master_key(master_key) if master_key else None,
        salt_key=checked_salt_key(salt_key) if salt_key else None,
        max_body_bytes=_whole(env, "SWITCHGEAR_MAX_BODY_BYTES", 32 * 1024 * 1024),
        max_bodies_bytes=_whole(env, "SWITCHGEAR_MAX_BODIES_BYTES", MAX_BODIES_BYTES),
        drain_s=_whole(env, "SWITCHGEAR_DRAIN_S", 30),
        journal_mb=_whole(env, "SWITCHGEAR_JOURNAL_MB", 1024),
        journal_sync_ms=_whole(env, "SWITCHGEAR_JOURNAL_SYNC_MS", 100),
        root_path=_root_path(env.get("SERVER_ROOT_PATH")),
        metrics_token=_token(env, "SWITCHGEAR_METRICS_TOKEN"),
        scim_token=_token(env, "SWITCHGEAR_SCIM_TOKEN"),
    )


def data_dir_of(env: Mapping[str, str]) -> Path:
    return Path(env.get("SWITCHGEAR_DATA") or ".data").resolve()


def check_data_dir(data_dir: Path) -> None:
    """Raise SettingsError where the folder can't be made or written. Nothing is made."""
    there = next(each for each in (data_dir, *data_dir.parents) if each.exists())
    inside = [data_dir / name for name in FOLDERS if (data_dir / name).exists()]
    for each in (there, *inside):
        if not each.is_dir() or not os.access(each, os.W_OK | os.X_OK):
            raise SettingsError(
                f"SWITCHGEAR_DATA: {each} is no folder that can be written; name a folder that the user of "
                "this process owns"
            )


def check_kept_key(data_dir: Path) -> None:
    """Raise SettingsError where the master key in the folder can't be used."""
    if (data_dir / "master.key").exists():
        stored_master_key(data_dir)


def check_kept_salt(data_dir: Path) -> None:
    """Raise SettingsError where the salt key in the folder can't be used."""
    if (data_dir / SALT_FILE).exists():
        stored_salt_key(data_dir, makes=False)


def _check_proxies(env: Mapping[str, str]) -> None:
    try:
        Proxies(env)
    except ValueError as exc:
        raise SettingsError(str(exc)) from None  # the original error of a URL may hold its password


def with_connections(settings: Settings, limit: int | None) -> Settings:
    """The settings with `general_settings.database_connection_pool_limit` as their number of connections.
    Raises SettingsError."""
    if limit is None:
        return settings
    if limit < LEAST_CONNECTIONS:
        raise SettingsError(
            f"general_settings.database_connection_pool_limit: expected at least {LEAST_CONNECTIONS}, one "
            f"for each of announcements, keys, leases, management and reports; found {limit}"
        )
    return msgspec.structs.replace(settings, connections=limit)


def with_upstream_connections(settings: Settings, in_all: int | None, a_host: int | None) -> Settings:
    """The settings with `general_settings.max_upstream_connections` and `max_upstream_connections_per_host`.
    Raises SettingsError."""
    for name, limit in (("", in_all), ("_per_host", a_host)):
        if limit is not None and not 1 <= limit <= MAX_UPSTREAM_CONNECTIONS:
            raise SettingsError(
                f"general_settings.max_upstream_connections{name}: expected a number of connections from "
                f"1 to {MAX_UPSTREAM_CONNECTIONS}, found {limit}"
            )
    return msgspec.structs.replace(
        settings,
        upstream_connections=settings.upstream_connections if in_all is None else in_all,
        upstream_connections_per_host=settings.upstream_connections_per_host if a_host is None else a_host,
    )


def with_cors_origins(settings: Settings, origins: Sequence[str] | None) -> Settings:
    """The settings with `general_settings.cors_origins`. Raises SettingsError."""
    if origins is None:
        return settings
    for place, origin in enumerate(origins):
        if origin not in ("*", "null") and not _ORIGIN.fullmatch(origin):
            raise SettingsError(
                f"general_settings.cors_origins[{place}]: expected an origin as a browser sends it, in lower "
                f"case and without a path, such as https://chat.example:8443, or *; found {origin[:100]!r}"
            )
    return msgspec.structs.replace(settings, cors_origins=tuple(origins))


def with_keepalive(settings: Settings, every_s: float | int | str | None) -> Settings:
    """The settings with `general_settings.stream_keepalive_s`. Raises SettingsError."""
    if every_s is None:
        return settings
    try:
        seconds = float(every_s)
    except ValueError:
        seconds = -1.0
    if seconds != 0 and not MIN_KEEPALIVE_S <= seconds <= MAX_KEEPALIVE_S:
        raise SettingsError(
            f"general_settings.stream_keepalive_s: expected 0, or seconds from {MIN_KEEPALIVE_S:g} to "
            f"{MAX_KEEPALIVE_S:g}, found {str(every_s)[:50]!r}"
        )
    return msgspec.structs.replace(settings, stream_keepalive_s=seconds)


def _root_path(text: str | None) -> str:
    root = f"/{text.strip('/')}" if text and text.strip("/") else ""
    if root and not _ROOT_PATH.fullmatch(root):
        raise SettingsError(f"SERVER_ROOT_PATH: expected a path such as /llm, found {root[:100]!r}")
    return root


Megabytes = float | int | str


def with_body_limits(settings: Settings, one_mb: Megabytes | None, all_mb: Megabytes | None) -> Settings:
    """The settings with the body limits of `general_settings`, in MB: for the body of one request, and for
    all bodies of a worker together. The second limit is at least the first one. Raises SettingsError."""
    one, together = settings.max_body_bytes, settings.max_bodies_bytes
    if one_mb is not None:
        one = _bytes_of(one_mb, "max_request_size_mb")
    if all_mb is not None:
        together = _bytes_of(all_mb, "max_request_bodies_mb")
        if together < one:
            raise SettingsError(
                f"general_settings.max_request_bodies_mb: expected at least the {one / 1024 / 1024:g} of one "
                f"request's body (max_request_size_mb), found {all_mb}"
            )
    return msgspec.structs.replace(settings, max_body_bytes=one, max_bodies_bytes=max(one, together))


def _bytes_of(megabytes: Megabytes, name: str) -> int:
    try:
        limit = float(megabytes)
    except (ValueError, OverflowError):
        limit = math.nan
    if not 1 <= limit * 1024 * 1024 <= MAX_BODY_MB * 1024 * 1024:
        raise SettingsError(f"general_settings.{name}: expected a number above zero, up to {MAX_BODY_MB}")
    return int(limit * 1024 * 1024)


def checked_master_key(key: str, name: str = "SWITCHGEAR_MASTER_KEY (or LITELLM_MASTER_KEY)") -> Secret:
    """The master key as a secret. Raises SettingsError for a key that is too short, well known, or without
    `sk-`. `name` is the setting that has it."""
    if key in WELL_KNOWN_KEYS or len(key) < MIN_KEY_CHARS or not key.startswith("sk-"):
        raise SettingsError(
            f"{name}: expected `sk-` and at least {MIN_KEY_CHARS} characters that can't be guessed; leave it "
            "unset and one is made"
        )
    return Secret(key)


def _token(env: Mapping[str, str], name: str) -> Secret | None:
    token = env.get(name)
    if token and (len(token) < MIN_KEY_CHARS or not token.startswith("sk-")):
        raise SettingsError(f"{name}: expected `sk-` and at least {MIN_KEY_CHARS} characters, as keys have")
    return Secret(token) if token else None


def checked_salt_key(key: str, name: str = "SWITCHGEAR_SALT_KEY (or LITELLM_SALT_KEY)") -> Secret:
    """The salt key as a secret. Raises SettingsError for a key that is too short or well known. `name` is the
    setting that has it."""
    if key in WELL_KNOWN_KEYS or len(key) < MIN_KEY_CHARS:
        raise SettingsError(f"{name}: expected at least {MIN_KEY_CHARS} characters that can't be guessed")
    return Secret(key)


def stored_salt_key(data_dir: Path, *, makes: bool) -> Secret | None:
    """The salt key of this data directory, which all its processes share. `makes`: it is made where there is
    none yet, as `stored_master_key` does. Raises SettingsError for a bad key in the file."""
    path = data_dir / SALT_FILE
    if not makes and not path.exists():
        return None
    return _stored_key(path, _kept_salt_key)[0]


def _kept_salt_key(path: Path) -> Secret:
    try:
        return checked_salt_key(path.read_text().strip())
    except ValueError:  # SettingsError, and bytes that are no text
        raise SettingsError(
            f"{path}: expected at least {MIN_KEY_CHARS} characters; put the salt key of this database there, "
            "or set SWITCHGEAR_SALT_KEY"
        ) from None


def stored_master_key(data_dir: Path) -> tuple[Secret, bool]:
    """The master key of this data directory, and whether it is new. The key is made at the first start.

    Only the owner may read the file, from the moment it is made. Where several processes start together, the
    key is made exactly once. Raises SettingsError for a bad key in the file.
    """
    return _stored_key(data_dir / "master.key", _kept_master_key)


def _stored_key(path: Path, kept: Callable[[Path], Secret]) -> tuple[Secret, bool]:
    data_dir = path.parent
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.exists():
            return kept(path), False
        return _made_key(path, kept)
    except OSError as exc:
        raise SettingsError(
            f"SWITCHGEAR_DATA: {exc.filename or data_dir}: {exc.strerror}; name a folder that the user of "
            "this process owns"
        ) from exc


def _kept_master_key(path: Path) -> Secret:
    try:
        return checked_master_key(path.read_text().strip())
    except ValueError:  # SettingsError, and bytes that are no text
        raise SettingsError(
            f"{path}: expected `sk-` and at least {MIN_KEY_CHARS} characters; set SWITCHGEAR_MASTER_KEY, or "
            "delete the file and another key is made"
        ) from None


def _made_key(path: Path, kept: Callable[[Path], Secret]) -> tuple[Secret, bool]:
    key = f"sk-{secrets.token_urlsafe(32)}"
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(f"{key}\n")
    try:
        os.link(draft, path)
    except FileExistsError:
        return kept(path), False
    finally:
        draft.unlink()
    return Secret(key), True


def database_address(url: str, name: str) -> PostgresAddress:
    """The address of Postgres, checked, as asyncpg reads it. `name` is the setting that has it. Raises
    SettingsError."""
    _check_database_url(url, name)
    try:
        return postgres_address(url, name)
    except ValueError as exc:
        raise SettingsError(str(exc)) from None


def _check_database_url(url: str, name: str) -> None:
    """Raise SettingsError for an address that asyncpg can't read, or would read in another way: a `/`, `?`,
    `#` or `@` in a password would end the password early. The error has no part of the address in it."""
    if not url.startswith(("postgres://", "postgresql://")):
        raise SettingsError(f"{name}: expected postgresql://user:password@host:port/database")
    try:
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
        ports = [int(port) for port in query.get("port", "").split(",") if port]
    except ValueError:
        ports = [0]
    else:
        hosts = parts.netloc.partition("@")[2] if "@" in parts.netloc else parts.netloc
        ports += [int(port) for port in re.findall(r":([0-9]+)(?=,|$)", hosts)]
        if not _HOSTS.fullmatch(hosts) or "@" in parts.path or parts.fragment or not url.isprintable():
            ports = [0]
    if not all(0 < port < 65_536 for port in ports):
        raise SettingsError(
            f"{name} can't be read; percent-encode what is special in user and password "
            "(/ is %2F, ? is %3F, # is %23, @ is %40, : is %3A) and check host and port"
        ) from None


def _whole(env: Mapping[str, str], name: str, default: int) -> int:
    text = env.get(name)
    if not text:
        return default
    if not text.isdecimal() or len(text) > 15 or int(text) == 0:
        raise SettingsError(f"{name}: expected a whole number above zero, found {text[:40]!r}")
    return int(text)
