"""Judges an address that somebody entered through the API.

The config file is written by whoever runs the gateway, and may name any address. An address that was entered
through the API is judged here, when it is entered and each time it is read. The addresses at which clouds
give machines their credentials are always refused, however they are written.
"""

from urllib.parse import urlsplit

from models_registry.config.hosts import METADATA_NAMES
from models_registry.config.networks import Network, ip_of, network_of

MAX_ADDRESS_CHARS = 2_048


def refusal_of(address: str) -> str | None:
    """Why an address may not be stored. None: it may. The answer has no part of the address. Whether the
    address can be called at all is judged with the other parts of its deployment."""
    if len(address) > MAX_ADDRESS_CHARS:
        return f"has more than {MAX_ADDRESS_CHARS} characters"
    try:
        host = urlsplit(address).hostname or ""
    except ValueError:
        return "holds a bad host or port"
    if "\\" in address or not host:
        return "expected http:// or https:// and a host"
    host = host.removesuffix(".").lower()
    if host in METADATA_NAMES:
        return "leads to a cloud's metadata service"
    ip = ip_of(host)
    if ip is not None and network_of(ip) is Network.FORBIDDEN:
        return "leads to an address that is never asked: link-local, metadata or reserved"
    return None
