"""Whether an address is a provider's own. Hosts are compared parsed, name by name and never by prefix.

The environment holds a key for each provider. It goes to hosts that are known to be that provider's, so
that a deployment whose address is another vendor's never gets it.
"""

import ipaddress
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import urlsplit

from models_registry.config.providers import Provider

PORTS = MappingProxyType({"http": 80, "https": 443})
NEAR_ENDINGS = frozenset({"localhost", "local", "internal", "lan", "home", "intranet", "localdomain", "svc"})
"""Last labels that no public name has: RFC 6761, RFC 6762, ICANN's reservation of `internal`, and habit;
`vllm.models.svc` is Kubernetes'."""
_METADATA = frozenset({ipaddress.ip_address("fd00:ec2::254"), ipaddress.ip_address("100.100.100.200")})
"""Where Amazon's and Alibaba's machines ask for their credentials; other clouds use a link-local address."""
_METADATA_NAMES = frozenset({"metadata.google.internal", "metadata.goog"})
_ONE_LABEL = re.compile(r"[a-z][a-z0-9_-]*")
"""A name such as `gpu-1`. One of digits alone would be an address: `134744072` is 8.8.8.8."""


class Origin(NamedTuple):
    """Where an address leads: `https`, `api.openai.com`, 443."""

    scheme: str
    host: str
    port: int


def origin_of(address: str) -> Origin | None:
    """None for what leads nowhere certain: no scheme or host, a bad port, a user before the host."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in PORTS or not host or "@" in parts.netloc or "\\" in address:
        return None
    return Origin(parts.scheme, _plain(host), PORTS[parts.scheme] if port is None else port)


def is_provider(provider: Provider, address: str, env: Mapping[str, str]) -> bool:
    """Whether an address is the provider's own, or of the host that the environment gives for it."""
    origin = origin_of(address)
    if origin is None:
        return False
    if any(origin == origin_of(env[name]) for name in provider.api_base_env if env.get(name)):
        return True
    own = any(fits(pattern, origin.host) for pattern in provider.hosts)
    return own and (origin.scheme, origin.port) == ("https", PORTS["https"])


def takes_environment_key(provider: Provider, address: str, env: Mapping[str, str]) -> bool:
    """Whether the environment's key for a provider may go there. Who runs models on machines of their own has
    no host that could be listed: there it is this machine and its network."""
    return is_provider(provider, address, env) or (provider.local and is_near(address))


def fits(pattern: str, host: str) -> bool:
    """Whether a host is the one of a pattern, in which `*` is one label: `*.api.openai.com`."""
    wanted, found = pattern.split("."), host.split(".")
    return len(wanted) == len(found) and all(
        other and label in ("*", other) for label, other in zip(wanted, found, strict=True)
    )


def is_near(address: str) -> bool:
    """Whether an address is this machine's or a private network's. Where clouds tell machines their
    credentials (169.254.169.254), no model is."""
    origin = origin_of(address)
    if origin is None:
        return False
    try:
        ip = ipaddress.ip_address(origin.host)
    except ValueError:
        if origin.host in _METADATA_NAMES:
            return False
        head, _, last = origin.host.rpartition(".")
        if not head:
            return _ONE_LABEL.fullmatch(origin.host) is not None
        return last in NEAR_ENDINGS or origin.host.endswith(".home.arpa")
    if isinstance(ip, ipaddress.IPv6Address):
        ip = ip.ipv4_mapped or ip
    return (ip.is_private or ip.is_loopback) and not (ip.is_link_local or ip in _METADATA)


def _plain(host: str) -> str:
    """The host in ASCII, without the dot that ends a full name. Letters that name resolution would turn into
    others are left as they are, so that they fit nothing."""
    host = host.lower().removesuffix(".")
    if host.isascii():
        return host
    try:
        encoded = host.encode("idna").decode("ascii")
        return encoded if encoded.encode("ascii").decode("idna") == host else host
    except UnicodeError:
        return host
