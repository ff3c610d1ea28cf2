"""Whether an address is a provider's own. Addresses are parsed, and hosts are compared label by label, never
by prefix.

The environment has a key for each provider. The key goes only to hosts that are known to be that provider's,
so that a deployment at another vendor's address never gets it.
"""

import ipaddress
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import urlsplit

from models_registry.config.networks import Network, network_of
from models_registry.config.provider import Provider

PORTS = MappingProxyType({"http": 80, "https": 443})
NEAR_ENDINGS = frozenset({"localhost", "local", "internal", "lan", "home", "intranet", "localdomain", "svc"})
"""Last labels that no public name has, by RFC 6761, RFC 6762, ICANN's reservation of `internal`, or habit.
`svc` is Kubernetes': `vllm.models.svc`."""
METADATA_NAMES = frozenset({"metadata.google.internal", "metadata.goog"})
_PLACES = re.compile(r"\{(\w+)\}")
_ONE_LABEL = re.compile(r"[a-z][a-z0-9_-]*")
"""A name such as `gpu-1`. A name of digits alone would be an address: `134744072` is 8.8.8.8."""


class Origin(NamedTuple):
    """Where an address leads: `https`, `api.openai.com`, 443."""

    scheme: str
    host: str
    port: int


def origin_of(address: str) -> Origin | None:
    """Where an address leads. None: it leads nowhere certain, since it has no scheme or host, a bad port, or
    a user before the host."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in PORTS or not host or "@" in parts.netloc or "\\" in address:
        return None
    return Origin(parts.scheme, _plain(host), PORTS[parts.scheme] if port is None else port)


def filled(address: str | None, env: Mapping[str, str]) -> str | None:
    """An address with the environment's values in its places: `https://{ACCOUNT}.example.com`. None: there is
    none, or the environment lacks a value. A value that is an address itself stands for its host."""
    if address is None:
        return None
    for name in _PLACES.findall(address):
        value = env.get(name, "").strip()
        if not value:
            return None
        address = address.replace(f"{{{name}}}", value.partition("://")[2].rstrip("/") or value)
    return address


def is_provider(provider: Provider, address: str, env: Mapping[str, str]) -> bool:
    """Whether an address leads to one of the provider's hosts by https on port 443, or has the scheme, host
    and port of an address that the environment gives for the provider."""
    origin = origin_of(address)
    if origin is None:
        return False
    if any(origin == origin_of(env[name]) for name in provider.api_base_env if env.get(name)):
        return True
    if not provider.hosts and "{" in (provider.api_base or ""):
        own_base = filled(provider.api_base, env)
        return own_base is not None and origin == origin_of(own_base)
    own = any(fits(pattern, origin.host) for pattern in provider.hosts)
    return own and (origin.scheme, origin.port) == ("https", PORTS["https"])


def takes_environment_key(provider: Provider, address: str, env: Mapping[str, str]) -> bool:
    """Whether the environment's key for a provider may go to an address: to the provider's own hosts, and for
    a local provider also to this machine and its network, since no list can name the hosts that people run
    themselves."""
    return is_provider(provider, address, env) or (provider.local and is_near(address))


def fits(pattern: str, host: str) -> bool:
    """Whether a host fits a pattern, in which `*` stands for one label: `*.api.openai.com`."""
    wanted, found = pattern.split("."), host.split(".")
    return len(wanted) == len(found) and all(
        other and label in ("*", other) for label, other in zip(wanted, found, strict=True)
    )


def is_near(address: str) -> bool:
    """Whether an address is this machine's or a private network's. The addresses at which clouds give
    machines their credentials (169.254.169.254) do not count."""
    origin = origin_of(address)
    if origin is None:
        return False
    try:
        ip = ipaddress.ip_address(origin.host)
    except ValueError:
        if origin.host in METADATA_NAMES:
            return False
        head, _, last = origin.host.rpartition(".")
        if not head:
            return _ONE_LABEL.fullmatch(origin.host) is not None
        return last in NEAR_ENDINGS or origin.host.endswith(".home.arpa")
    return network_of(ip) is Network.PRIVATE


def _plain(host: str) -> str:
    """The host in lower-case ASCII, without the dot that ends a full name. A host with letters that name
    resolution would turn into others is left as it is, so that it fits no pattern."""
    host = host.lower().removesuffix(".")
    if host.isascii():
        return host
    try:
        encoded = host.encode("idna").decode("ascii")
        return encoded if encoded.encode("ascii").decode("idna") == host else host
    except UnicodeError:
        return host
