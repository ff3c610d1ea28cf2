"""The headers of an upstream request: built from the deployment, never copied from the caller."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

from models_registry.target import Target
from models_registry.turns.facts import CallFacts

WRITTEN_HERE = frozenset(
    {"content-length", "transfer-encoding", "connection", "accept-encoding", "expect", "te"}
)
"""Headers that the client writes itself; from elsewhere they would contradict its own."""
BEARER = "authorization"
TOLD_PREFIX = b"llm_provider-"
"""LiteLLM's prefix for a provider's headers in the answer to the caller."""
MAX_TOLD = 40
MAX_TOLD_BYTES = 256
"""A longer value is left out: proxies take answers whose whole head has some thousand bytes."""
UNTOLD = frozenset(
    (
        b"connection keep-alive proxy-authenticate proxy-authorization te trailer transfer-encoding upgrade "
        b"content-length set-cookie set-cookie2 cookie authorization x-api-key api-key www-authenticate"
    ).split()
)
"""The headers that belong to the connection, or may have a secret."""


def upstream_headers(
    target: Target, facts: CallFacts, *, credential: Mapping[str, str], foreign: tuple[str, ...]
) -> dict[str, str]:
    """The headers with lower-case names. `foreign` are the prefixes of pass-on headers that are meant for
    another provider; they are left out. The config's `extra_headers` win over all others."""
    headers = {"content-type": "application/json"}
    for name, value in facts.pass_on.items():
        if not name.startswith(foreign):
            headers[name] = value
    headers.update(credential)
    headers.update((name.lower(), value) for name, value in target.headers.items())
    return headers


def bearer(target: Target) -> dict[str, str]:
    """The credential as most providers take it, `authorization: Bearer ...`, or as the deployment's provider
    does. Empty: the deployment has no key."""
    if target.api_key is None:
        return {}
    key = target.api_key.reveal()
    return {target.key_header: f"Bearer {key}" if target.key_header == BEARER else key}


def told_headers(headers: Sequence[tuple[bytes, bytes]], target: Target) -> list[tuple[bytes, bytes]]:
    """A provider's headers for the answer to the caller, each under its name with `llm_provider-` in front. A
    value that repeats the deployment's credential is left out."""
    key = b"" if target.api_key is None else target.api_key.reveal().encode()
    told = [
        (known_as, value)
        for name, value in headers
        if (known_as := _told_name(name)) is not None
        and len(value) <= MAX_TOLD_BYTES
        and value.isascii()
        and not (key and key in value)
    ]
    return told if len(told) <= MAX_TOLD else told[:MAX_TOLD]


@lru_cache(maxsize=1024)
def _told_name(name: bytes) -> bytes | None:
    lower = name.lower()
    return None if lower in UNTOLD or len(lower) > MAX_TOLD_BYTES else TOLD_PREFIX + lower
