"""Which host an address leads to, for the tables of facts about hosts. Whether a host gets a provider's key
is decided in `models_registry/config/hosts.py`, which is stricter."""

from urllib.parse import urlsplit


def is_at(name: str, address: str) -> bool:
    """Whether an address (`https://api.x.ai/v1`) leads to the host `name` (`x.ai`) or to a subdomain of it.
    False also where the address can't be parsed."""
    try:
        host = (urlsplit(address).hostname or "").rstrip(".")
    except ValueError:
        return False
    return host == name or host.endswith(f".{name}")
