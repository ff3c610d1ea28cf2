"""Which host an address leads to, for facts about hosts. Who gets a key is decided in
`models_registry/config/hosts.py`, which is stricter."""

from urllib.parse import urlsplit


def is_at(name: str, address: str) -> bool:
    """Whether an address is of the host `name`, such as `x.ai`, or of a subdomain of it."""
    try:
        host = (urlsplit(address).hostname or "").rstrip(".")
    except ValueError:
        return False
    return host == name or host.endswith(f".{name}")
