"""Where the response cache's Redis stands: `cache_params` of the type `redis`, in LiteLLM's words.

    url: redis://user:password@redis.lan:6379/1        rediss:// is TLS
    host: redis.lan, port: 6379, username, password, db, ssl
    residency: local, allow_public_local: true          ours: where its answers stay

What the config leaves out is read from LiteLLM's variables, REDIS_URL, or REDIS_HOST, REDIS_PORT and so on.
"""

import ipaddress
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from models_registry.config.hosts import is_near
from models_registry.config.residency import said_residency
from models_registry.target import Residency
from schema.secret import Secret

PORT = 6379
MAX_DB = 1_000_000
MAX_DIGITS = 20
VARIABLES: Mapping[str, str] = MappingProxyType(
    {name: f"REDIS_{name.upper()}" for name in ("url", "host", "port", "username", "password", "db", "ssl")}
)
STAYS = ("residency", "allow_public_local")
"""Our words for whether its answers stay in the house, as deployments have them."""
NOT_ALONE = ("redis_startup_nodes", "sentinel_nodes", "service_name", "gcp_service_account")
"""LiteLLM's words for a cluster, for Sentinel, and for Google's accounts: not in this version."""
VARIABLES_NOT_ALONE = ("REDIS_CLUSTER_NODES", "REDIS_SENTINEL_NODES", "REDIS_SERVICE_NAME")
"""LiteLLM's variables for them. It reads them before the variables of one host."""
_SCHEMES = MappingProxyType({"redis": False, "rediss": True})
_NO_TEXT = re.compile("[\x00\ud800-\udfff]")
"""Neither Postgres nor UTF-8 has these."""
_FLAGS = MappingProxyType({"true": True, "1": True, "false": False, "0": False})


def not_alone_by(params: Mapping[str, Any], environment: Mapping[str, str]) -> str | None:
    """The parameter or variable that names a cluster or Sentinel. None: nothing does. Variables count where
    the parameters name no host."""
    found = next((name for name in NOT_ALONE if params.get(name) is not None), None)
    if found is None and params.get("url") is None and params.get("host") is None:
        return next((name for name in VARIABLES_NOT_ALONE if environment.get(name)), None)
    return found


class RedisPlace(msgspec.Struct, frozen=True, kw_only=True):
    """A Redis, and who we are there."""

    host: str
    port: int = PORT
    db: int = 0
    username: str | None = None
    password: Secret | None = None
    tls: bool = False
    said: Residency | None = None
    """What the config says of its residency. None: nothing, and its address decides."""
    judged: bool = False
    """Whether somebody entered its host through the API. It is then judged at each connection where the
    host's name leads."""

    @property
    def residency(self) -> Residency:
        """Where the answers stay that are kept there. At an address of this machine or its network they stay
        in the house where the config says nothing."""
        if self.said is not None:
            return self.said
        return Residency.NEAR if is_near(self.origin) else Residency.ANYWHERE

    @property
    def must_be_near(self) -> bool:
        """Whether each address that its host's name has must be this machine's or a private network's."""
        return self.residency in (Residency.NEAR, Residency.LOCAL)

    @property
    def origin(self) -> str:
        """Its address as one of the web, by which it is judged."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


class BadPlace(Exception):
    """A parameter that can't be used. The message says what was expected, without any value."""

    def __init__(self, name: str, what: str) -> None:
        super().__init__(f"{name}: {what}")
        self.name = name
        self.what = what


def redis_place_of(
    params: Mapping[str, Any], environment: Mapping[str, str], *, judged: bool = False
) -> RedisPlace | None:
    """The Redis of the parameters and the environment. None: neither names one. `judged`: somebody entered
    the parameters through the API. Raises BadPlace."""
    given: dict[str, Any] = {name: params.get(name) for name in VARIABLES}
    is_named = given["url"] is not None or given["host"] is not None
    if not is_named:
        given = {
            name: environment.get(variable) or None if value is None else value
            for (name, variable), value in zip(VARIABLES.items(), given.values(), strict=True)
        }
    place = _place_of(given)
    if place is None:
        return None
    said = _said(params, place.origin)
    return msgspec.structs.replace(place, said=said, judged=judged and is_named)


def _said(params: Mapping[str, Any], origin: str) -> Residency | None:
    is_trusted = _flag(params.get("allow_public_local"), "allow_public_local")
    found = said_residency(params.get("residency"), origin, is_trusted=is_trusted)
    if isinstance(found, str):
        raise BadPlace("residency", found)
    if is_trusted and found is not Residency.TRUSTED:
        raise BadPlace("allow_public_local", "expected beside `residency: local`")
    return found


def _place_of(given: Mapping[str, Any]) -> RedisPlace | None:
    if given["url"] is not None:
        return _of_url(given["url"])
    if given["host"] is None:
        return None
    return RedisPlace(
        host=_host(given["host"], "host"),
        port=_number(given["port"], "port", PORT, most=65_535),
        db=_number(given["db"], "db", 0, most=MAX_DB),
        username=_text(given["username"], "username"),
        password=_secret(given["password"]),
        tls=_flag(given["ssl"], "ssl"),
    )


def _of_url(url: object) -> RedisPlace:
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
        host, port = parts.hostname, parts.port
    except ValueError:
        raise BadPlace("url", "expected redis://host:6379/0 or rediss://host:6379/0") from None
    if parts.scheme not in _SCHEMES or not host or parts.query:
        raise BadPlace("url", "expected redis://host:6379/0 or rediss://host:6379/0")
    return RedisPlace(
        host=_host(host, "url"),
        port=_number(port, "url", PORT, most=65_535),
        db=_number(parts.path.strip("/") or None, "url", 0, most=MAX_DB),
        username=_text(unquote(parts.username or ""), "url"),
        password=_secret(unquote(parts.password or ""), "url"),
        tls=_SCHEMES[parts.scheme],
    )


def _host(found: object, name: str) -> str:
    text = found if isinstance(found, str) else ""
    if not 0 < len(text) <= 253 or not text.isascii() or not text.isprintable() or {*text} & {*" /@"}:
        raise BadPlace(name, "expected the name of a host, or its address")
    if ":" in text and not _is_ipv6(text):
        raise BadPlace(name, "expected the name of a host without its port, which has a setting of its own")
    return text


def _is_ipv6(text: str) -> bool:
    try:
        return ipaddress.ip_address(text.strip("[]")).version == 6
    except ValueError:
        return False


def _number(found: object, name: str, usual: int, *, most: int) -> int:
    if found is None:
        return usual
    if isinstance(found, str) and len(found) <= MAX_DIGITS and found.isascii() and found.isdecimal():
        found = int(found)
    if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found <= most:
        raise BadPlace(name, f"expected a whole number up to {most}")
    return found


def _text(found: object, name: str) -> str | None:
    if found is None or found == "":
        return None
    if not isinstance(found, str) or len(found) > 4096 or _NO_TEXT.search(found):
        raise BadPlace(name, "expected a text of at most 4096 characters, and no NUL among them")
    return found


def _secret(found: object, name: str = "password") -> Secret | None:
    text = _text(found, name)
    return None if text is None else Secret(text)


def _flag(found: object, name: str) -> bool:
    if found is None or isinstance(found, bool):
        return found is True
    if isinstance(found, str) and found.lower() in _FLAGS:
        return _FLAGS[found.lower()]
    raise BadPlace(name, "expected true or false")
