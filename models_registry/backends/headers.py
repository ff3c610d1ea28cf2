"""The headers of an upstream request: built from the deployment, never copied from the caller."""

from collections.abc import Mapping

from models_registry.backends.backend import CallFacts
from models_registry.target import Target

WRITTEN_HERE = frozenset(
    {"content-length", "transfer-encoding", "connection", "accept-encoding", "expect", "te"}
)
"""Headers that the client writes itself; from elsewhere they would contradict its own."""


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
    """The credential as most providers take it: `authorization: Bearer ...`. Empty: the deployment has no
    key."""
    return {"authorization": f"Bearer {target.api_key.reveal()}"} if target.api_key is not None else {}
