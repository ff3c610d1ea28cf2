"""What the config says about addresses that come from users."""

import ipaddress
import re
from collections.abc import Mapping

import msgspec

from models_registry.config.hosts import origin_of
from models_registry.config.reader import Config

DEFAULT_MB = 20.0
MAX_MB = 100.0
SIZE = "MAX_IMAGE_URL_DOWNLOAD_SIZE_MB"
UNJUDGED = (
    "general_settings.user_url_validation: false: users may have this gateway fetch from its own machine and "
    "from private networks; only the addresses of clouds' credentials stay refused"
)

_HOST = re.compile(r"[\w.-]+(:\d+)?")
IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


class GuardRules(msgspec.Struct, frozen=True, kw_only=True):
    """Which addresses of users may be asked."""

    private: bool = False
    """Whether all private networks may be asked."""
    hosts: frozenset[tuple[str, int | None]] = frozenset()
    """Names of hosts that may be asked wherever they lead, each with the one port that may be, or None."""
    networks: tuple[IpNetwork, ...] = ()
    """Private networks that may be asked."""
    through_proxy: bool = False
    """Whether a proxy of the environment may fetch. It finds the host's address itself, and nobody judges
    it."""
    max_bytes: int = int(DEFAULT_MB * 1024 * 1024)
    """The most bytes of one file. 0: nothing is fetched."""


def rules_of(config: Config) -> tuple[GuardRules, tuple[str, ...], tuple[str, ...]]:
    """The rules, with the errors and the warnings about them, each with its path in the config."""
    general = config.general_settings
    errors: list[str] = []
    hosts: set[tuple[str, int | None]] = set()
    networks: list[IpNetwork] = []
    for place, text in enumerate(general.user_url_allowed_hosts or ()):
        try:
            allowed = _allowed(text)
        except ValueError:
            errors.append(
                f"general_settings.user_url_allowed_hosts[{place}]: expected a host (files.internal), a host "
                f"with a port, or a network (10.0.0.0/8), found {text[:100]!r}"
            )
            continue
        if isinstance(allowed, tuple):
            hosts.add(allowed)
        else:
            networks.append(allowed)
    max_bytes, flaw = _max_bytes(config.environment)
    private = general.user_url_validation is False
    rules = GuardRules(
        private=private,
        hosts=frozenset(hosts),
        networks=tuple(networks),
        through_proxy=bool(general.fetch_through_proxy),
        max_bytes=max_bytes,
    )
    return rules, (*errors, *flaw), ((UNJUDGED,) if private else ())


def _allowed(text: str) -> tuple[str, int | None] | IpNetwork:
    try:
        return ipaddress.ip_network(text.strip().strip("[]"), strict=False)
    except ValueError:
        pass
    origin = origin_of(f"http://{text.strip()}")
    if origin is None or not _HOST.fullmatch(text.strip()):
        raise ValueError(text)
    return origin.host, origin.port if text.rpartition(":")[2].isdecimal() else None


def _max_bytes(env: Mapping[str, str]) -> tuple[int, tuple[str, ...]]:
    text = env.get(SIZE, "")
    try:
        size = float(text) if text else DEFAULT_MB
    except ValueError:
        size = -1.0
    if not 0 <= size <= MAX_MB:
        return 0, (f"{SIZE}: expected a number from 0 to {MAX_MB:g}, found {text[:50]!r}",)
    return int(size * 1024 * 1024), ()
