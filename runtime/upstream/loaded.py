"""Which context a local host has loaded a model with. A call with another size of context makes the host load
the model anew, for all its callers.

The host itself says it (Ollama's `/api/ps`), to all workers alike. It is asked at most every `FRESH_S`
seconds. A load takes a while to show there, so what this worker sent counts as loaded for `LOADING_S`.
"""

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

import msgspec

from functions.ports.models import Upstream
from models_registry.backends.backend import UpstreamRequest
from models_registry.backends.headers import bearer
from models_registry.target import Deadlines, Target
from schema.errors import GatewayError

K = TypeVar("K")
V = TypeVar("V")
FRESH_S = 2.0
LOADING_S = 120.0
MAX_KEPT = 1_000
"""The hosts, and the models, that are remembered. The oldest is forgotten first."""
OK = 200
PATH = "/api/ps"
DEADLINES = Deadlines(connect_s=1.0, first_byte_s=1.0, idle_s=1.0, total_s=2.0)
LATEST = ":latest"


class _LoadedModel(msgspec.Struct, frozen=True):
    name: str = ""
    model: str = ""
    context_length: int = 0


class _LoadedModels(msgspec.Struct, frozen=True):
    models: list[_LoadedModel] = []


_ANSWERS = msgspec.json.Decoder(_LoadedModels)


class _HostSaid(NamedTuple):
    at: float
    contexts: Mapping[str, int]


class _Sent(NamedTuple):
    at: float
    tokens: int


class HostContexts:
    """Implements `functions.ports.models.Contexts`."""

    def __init__(self, upstream: Upstream, clock: Callable[[], float] = time.monotonic) -> None:
        self._upstream = upstream
        self._clock = clock
        self._heard: dict[str, _HostSaid] = {}
        self._sent: dict[tuple[str, str], _Sent] = {}

    async def loaded(self, target: Target) -> int:
        """See Contexts."""
        now, host = self._clock(), target.api_base
        heard = self._heard.get(host)
        if heard is None or now - heard.at >= FRESH_S:
            # Calls that come meanwhile go by what was heard before.
            before = {} if heard is None else heard.contexts
            _keep(self._heard, host, _HostSaid(now, before))
            said = await self._ask(target)
            heard = _HostSaid(now, before if said is None else said)
            _keep(self._heard, host, heard)
        sent = self._sent.get((host, target.model))
        loading = sent.tokens if sent is not None and now - sent.at < LOADING_S else 0
        return max(heard.contexts.get(_tagged(target.model), 0), loading)

    def sent(self, target: Target, tokens: int) -> None:
        """See Contexts."""
        key, now = (target.api_base, target.model), self._clock()
        before = self._sent.get(key)
        if before is None or tokens >= before.tokens or now - before.at >= LOADING_S:
            _keep(self._sent, key, _Sent(now, tokens))

    async def _ask(self, target: Target) -> Mapping[str, int] | None:
        """The models that a host has loaded, each with its context. None: the host does not say."""
        headers = bearer(target) | {name.lower(): value for name, value in target.headers.items()}
        request = UpstreamRequest(url=f"{target.api_base}{PATH}", headers=headers, body=b"", method="GET")
        try:
            response = await self._upstream.open(request, DEADLINES)
            body = await response.read()
            models = _ANSWERS.decode(body).models
        except (GatewayError, msgspec.DecodeError, UnicodeDecodeError):
            return None
        if response.status != OK:
            return None
        return {_tagged(each.model or each.name): each.context_length for each in models[:MAX_KEPT]}


def _tagged(model: str) -> str:
    """A model's name with its tag: `llama3` is `llama3:latest`."""
    return model if ":" in model.rpartition("/")[2] else model + LATEST


def _keep(kept: dict[K, V], key: K, value: V) -> None:
    kept.pop(key, None)
    kept[key] = value
    if len(kept) > MAX_KEPT:
        del kept[next(iter(kept))]
