"""Which kind of network an IP address belongs to.

An IPv6 address that carries an IPv4 address is judged as that one: `::ffff:127.0.0.1` is this machine.
"""

import enum
import ipaddress
import re

_NUMBER = re.compile(r"0[xX][0-9a-fA-F]*|[0-9]+")
IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


class Network(enum.Enum):
    """A kind of network, by what may be sent there."""

    PUBLIC = "public"
    PRIVATE = "private"
    """This machine and private networks (10.0.0.0/8, fd00::/8)."""
    SHARED = "shared"
    """Networks that a provider shares among its customers (100.64.0.0/10)."""
    FORBIDDEN = "forbidden"
    """Where nothing is ever asked: the services that give a cloud's machines their credentials, link-local
    and reserved addresses, groups of hosts."""


METADATA = frozenset(
    map(
        ipaddress.ip_address,
        (
            "169.254.169.254",  # Amazon, Azure, Google and most others
            "169.254.170.2",  # Amazon's containers
            "169.254.170.23",  # Amazon's clusters
            "fd00:ec2::254",  # Amazon by IPv6
            "fd00:ec2::23",  # Amazon's clusters by IPv6
            "fd20:ce::254",  # Google by IPv6
            "100.100.100.200",  # Alibaba
            "168.63.129.16",  # Azure's host: an address that looks public
            "192.0.0.192",  # Oracle
        ),
    )
)
"""The addresses at which clouds give machines their credentials and settings."""
_SHARED = ipaddress.IPv4Network("100.64.0.0/10")
_THIS_NETWORK = ipaddress.IPv4Network("0.0.0.0/8")
"""A connection to 0.0.0.0 reaches this machine."""
_SITE_LOCAL = ipaddress.IPv6Network("fec0::/10")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_LOCAL_NAT64 = ipaddress.IPv6Network("64:ff9b:1::/48")
"""Networks choose themselves where in such an address the IPv4 address stands."""
_COMPATIBLE = ipaddress.IPv6Network("::/96")


def network_of(ip: IpAddress) -> Network:
    """The kind of network of an address."""
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.scope_id is not None or ip in _LOCAL_NAT64:
            return Network.FORBIDDEN
        if ip.ipv4_mapped is not None:
            return network_of(ip.ipv4_mapped)
        inner = _tunnelled(ip)
        if inner is not None:  # a relay stands between: nothing private is reached through one
            return Network.PUBLIC if network_of(inner) is Network.PUBLIC else Network.FORBIDDEN
    if ip in METADATA or ip.is_link_local or ip.is_multicast or ip.is_unspecified:
        return Network.FORBIDDEN
    if isinstance(ip, ipaddress.IPv4Address):
        if ip in _SHARED:
            return Network.SHARED
        if ip in _THIS_NETWORK:
            return Network.FORBIDDEN
    elif ip in _SITE_LOCAL:
        return Network.PRIVATE
    if ip.is_loopback:
        return Network.PRIVATE
    if ip.is_reserved:
        return Network.FORBIDDEN
    return Network.PRIVATE if ip.is_private else Network.PUBLIC


def gives_credentials(ip: IpAddress) -> bool:
    """Whether a cloud may give its machines' credentials at an address, in whichever form it is written."""
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or _tunnelled(ip)
        if inner is not None:
            return gives_credentials(inner)
        if ip in _LOCAL_NAT64:
            return True
    return ip in METADATA or ip.is_link_local


def _tunnelled(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 address leads to over a relay."""
    if ip.sixtofour is not None:
        return ip.sixtofour
    if ip.teredo is not None:
        return ip.teredo[1]
    low = int(ip) & 0xFFFFFFFF
    if ip in _NAT64 or (ip in _COMPATIBLE and low > 1):
        return ipaddress.IPv4Address(low)
    return None


def ip_of(host: str) -> IpAddress | None:
    """The address that a host is, in each way in which resolvers read one: `169.254.169.254`, `2852039166`,
    `0xa9.254.43518`. None: the host is a name."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        pass
    parts = host.split(".")
    if len(parts) > 4 or not all(_NUMBER.fullmatch(part) for part in parts):
        return None
    numbers = [_read(part) for part in parts]
    *firsts, last = numbers
    if any(number > 255 for number in firsts) or last >= 256 ** (4 - len(firsts)):
        return None
    value = last
    for place, number in enumerate(firsts):
        value += number << (8 * (3 - place))
    return ipaddress.IPv4Address(value)


def _read(text: str) -> int:
    if text[:2] in ("0x", "0X"):
        return int(text[2:] or "0", 16)
    try:
        return int(text, 8) if text.startswith("0") and len(text) > 1 else int(text)
    except ValueError:  # 08: some resolvers read it as 8
        return int(text)
