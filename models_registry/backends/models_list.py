"""The cheapest question to a provider: which models it has. It costs nothing, and shows whether the host
answers and takes the key."""

from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec

from models_registry.backends.anthropic.wire import messages_headers
from models_registry.backends.backend import UpstreamRequest
from models_registry.backends.headers import bearer, upstream_headers
from models_registry.target import Target
from models_registry.turns.facts import CallFacts
from models_registry.turns.surfaces import Surface

MAX_BYTES = 4 * 1024 * 1024
DEPLOYMENTS = "/deployments/"
UNKNOWN_STATUSES = frozenset({404, 405, 501})
"""A server that answers so is there, and has no list."""
LATEST = ":latest"


class _OllamaModel(msgspec.Struct, frozen=True):
    name: str = ""


class _OllamaModels(msgspec.Struct, frozen=True):
    models: list[_OllamaModel] = []


_OLLAMA = msgspec.json.Decoder(_OllamaModels)


def models_request(target: Target, facts: CallFacts) -> UpstreamRequest | None:
    """The question. None: the provider has no list that a key of this kind may read."""
    dialect = target.dialect.facts
    if not dialect.models_path or target.signing is not None or target.body_version:
        return None
    prefix = target.path_prefix
    if DEPLOYMENTS in prefix:  # Azure names the deployment in the path
        prefix = prefix.partition(DEPLOYMENTS)[0]
    elif not urlsplit(target.api_base).path:
        prefix = dialect.version_path
    headers: Mapping[str, str]
    if Surface.MESSAGES in dialect.surfaces:
        headers = messages_headers(target, facts)
    else:
        headers = upstream_headers(target, facts, credential=bearer(target), foreign=())
    return UpstreamRequest(
        url=f"{target.api_base}{prefix}{dialect.models_path}{target.query}",
        headers=dict(headers),
        body=b"",
        method="GET",
        tls=target.tls,
    )


def flaw_in(status: int, body: bytes, target: Target) -> str:
    """What is wrong, judged by the answer. Empty: nothing."""
    if status in UNKNOWN_STATUSES or (200 <= status < 300 and not target.dialect.facts.lists_pulled):
        return ""
    if status in (401, 403):
        return f"the provider refuses the credential (HTTP {status})"
    if not 200 <= status < 300:
        return f"the provider answers HTTP {status}"
    try:
        names = {each.name for each in _OLLAMA.decode(body).models}
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "the host's list of models can't be read"
    wanted = target.model if ":" in target.model.rpartition("/")[2] else target.model + LATEST
    if "*" in wanted or wanted in names:
        return ""
    return f"the host does not have the model {target.model[:100]}"
