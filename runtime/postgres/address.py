"""The address of Postgres as other programs write it, as asyncpg reads it.

asyncpg sends each parameter that it does not know to the server as a setting, and the server refuses the
connection. So parameters of Prisma and libpq are mapped here, or left out with a word. Sources: Prisma's
reference of connection URLs for PostgreSQL, and libpq's of connection parameters.
"""

import re
import ssl
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote, unquote_plus

import msgspec

from schema.secret import Secret

SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
DEFAULT_SCHEMA = "public"
_PLAIN_NAME = re.compile(r"[a-z_][a-z0-9_]*")
_OWN_DEADLINES = "has no effect: each connection has deadlines of its own"
_OF_TLS = "has no effect: sslmode, sslrootcert, sslcert and sslkey say how TLS is spoken"

WITHOUT_EFFECT: Mapping[str, str] = MappingProxyType(
    {
        "connection_limit": "has no effect: general_settings.database_connection_pool_limit is how many "
        "connections a worker has",
        "pool_timeout": _OWN_DEADLINES,
        "connect_timeout": _OWN_DEADLINES,
        "socket_timeout": _OWN_DEADLINES,
        "tcp_user_timeout": _OWN_DEADLINES,
        "max_connection_lifetime": _OWN_DEADLINES,
        "max_idle_connection_lifetime": _OWN_DEADLINES,
        "statement_cache_size": "has no effect: a connection keeps 100 prepared statements",
        "single_use_connections": "has no effect: connections are used again",
        "sslidentity": _OF_TLS,
        "sslcompression": _OF_TLS,
        "sslsni": _OF_TLS,
        "channel_binding": "has no effect: passwords are checked by SCRAM without it",
        "gssencmode": "has no effect: connections are encrypted by TLS alone",
        "keepalives": "has no effect: the system's values count",
        "keepalives_idle": "has no effect: the system's values count",
        "keepalives_interval": "has no effect: the system's values count",
        "keepalives_count": "has no effect: the system's values count",
        "fallback_application_name": "has no effect: connections are named switchgear",
        "load_balance_hosts": "has no effect: hosts are tried in order",
    }
)
"""Parameters that are left out, each with what is said of it."""
POOLER = (
    "has no effect, and a pooler that gives each transaction another connection can't be used: "
    "announcements and prepared statements need one of their own. Give the address of Postgres itself (where "
    "Prisma is used, it is often in DIRECT_URL), or of a pool in session mode"
)


class PostgresAddress(msgspec.Struct, frozen=True, kw_only=True):
    """An address that asyncpg reads, and the warnings about what was left out of it. No warning has a part of
    the address in it but the names of its parameters."""

    url: Secret
    warnings: tuple[str, ...] = ()


def postgres_address(url: str, name: str) -> PostgresAddress:
    """`name` is where the address stands: `DATABASE_URL`. Raises ValueError, whose message has no part of the
    address, for one whose parameters contradict each other or mean nothing."""
    head, _, query = url.partition("?")
    given = [pair.partition("=") for pair in query.split("&") if pair]
    values = {unquote_plus(key): unquote_plus(value) for key, _, value in given}
    kept: list[str] = []
    warnings: list[str] = []
    for key, _, value in given:
        known_as = unquote_plus(key)
        if known_as in WITHOUT_EFFECT:
            warnings.append(f"{name}: {known_as} {WITHOUT_EFFECT[known_as]}")
        elif known_as == "pgbouncer":
            warnings += [f"{name}: pgbouncer {POOLER}"] if values[known_as].lower() == "true" else []
        elif known_as == "schema":
            kept += _search_path(values[known_as])
        elif known_as == "sslmode" and values[known_as] not in SSL_MODES:
            raise ValueError(f"{name}: sslmode: expected one of {', '.join(SSL_MODES)}")
        elif known_as not in ("sslaccept", *(("sslmode", "sslcert") if "sslaccept" in values else ())):
            kept.append(f"{key}={value}")
    if "sslaccept" in values:
        kept += _as_prisma_verifies(values, name)
    whole = "?".join((head, "&".join(kept))) if kept else head
    return PostgresAddress(url=Secret(whole), warnings=tuple(dict.fromkeys(warnings)))


def _search_path(schema: str) -> list[str]:
    """Prisma's `schema`: where the tables are."""
    if schema in ("", DEFAULT_SCHEMA):
        return []
    name = schema if _PLAIN_NAME.fullmatch(schema) else '"{}"'.format(schema.replace('"', '""'))
    return [f"search_path={quote(name, safe='')}"]


def _as_prisma_verifies(values: Mapping[str, str], name: str) -> list[str]:
    """Prisma checks the server's certificate with `sslaccept=strict`, by the authorities in `sslcert`, and
    without it believes every certificate."""
    mode, accept = values.get("sslmode", "prefer"), values["sslaccept"]
    if accept == "accept_invalid_certs" or mode == "disable":
        return [f"sslmode={mode}"]
    if accept != "strict":
        raise ValueError(f"{name}: sslaccept: expected strict or accept_invalid_certs")
    file = values.get("sslrootcert") or values.get("sslcert") or ssl.get_default_verify_paths().cafile
    if file is None or not Path(file).is_file():
        raise ValueError(
            f"{name}: sslaccept=strict needs the file of the authorities that are believed: add "
            "sslrootcert=/path/to/ca.pem"
        )
    added = [] if "sslrootcert" in values else [f"sslrootcert={quote(file, safe='/')}"]
    return ["sslmode=verify-full", *added]
