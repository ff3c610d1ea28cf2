"""Which context a local host has loaded a model with. A call with another size of context makes the host load
the model anew, for all its callers.

The host itself says it (Ollama's `/api/ps`), to all workers alike. It is asked at most every `FRESH_S`
seconds. A load takes a while to show there, so what this worker sent counts as loaded for `LOADING_S`.
"""

import re
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit

import msgspec

from functions.ports.models import Upstream
from models_registry.backends.backend import UpstreamRequest
from models_registry.backends.headers import bearer
from models_registry.target import Deadlines, Residency, Target
from schema.errors.base import GatewayError

K = TypeVar("K")
V = TypeVar("V")
FRESH_S = 2.0
LOADING_S = 120.0
MAX_KEPT = 1_000
"""The hosts, and the models, that are remembered. The oldest is forgotten first."""
OK = 200
PATH = "/api/ps"
SHOW_PATH = "/api/show"
SERVER_FAULTS = 500
CLOUD = re.compile(r"[:-]cloud$")
"""How the names of models end that Ollama passes on to its own cloud."""
REMOTE_FRESH_S = 60.0
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


class _ShownModel(msgspec.Struct, frozen=True):
    remote_host: str = ""
    remote_model: str = ""


_SHOWN = msgspec.json.Decoder(_ShownModel)


class _RemoteSaid(NamedTuple):
    at: float
    is_remote: bool


class HostContexts:
    """Implements `functions.ports.models.Contexts`."""

    def __init__(self, upstream: Upstream, clock: Callable[[], float] = time.monotonic) -> None:
        self._upstream = upstream
        self._clock = clock
        self._heard: dict[str, _HostSaid] = {}
        self._sent: dict[tuple[str, str], _Sent] = {}
        self._remote: dict[tuple[str, str], _RemoteSaid] = {}

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

    async def is_remote(self, target: Target) -> bool:
        """See Contexts. What a host said is believed for `REMOTE_FRESH_S`."""
        if CLOUD.search(target.model):
            return True
        now, key = self._clock(), (target.api_base, target.model)
        known = self._remote.get(key)
        if known is not None and now - known.at < REMOTE_FRESH_S:
            return known.is_remote
        said = await self._show(target)
        is_remote = said is None or bool(said.remote_host or said.remote_model)
        if said is not None:
            _keep(self._remote, key, _RemoteSaid(now, is_remote))
        return is_remote

    async def _show(self, target: Target) -> "_ShownModel | None":
        """What a host says of the deployment's model. None: it does not say."""
        headers = bearer(target) | {name.lower(): value for name, value in target.headers.items()}
        headers["content-type"] = "application/json"
        body = msgspec.json.encode({"model": target.model})
        request = UpstreamRequest(url=_show_address(target), headers=headers, body=body, tls=target.tls)
        is_ollama = target.dialect.facts.loads_contexts
        try:
            near = _stays_near(target)
            response = await self._upstream.open(request, DEADLINES, near=near, judged=target.judged)
            told = await response.read()
            if response.status != OK:
                return None if is_ollama or response.status >= SERVER_FAULTS else _ShownModel()
            return _SHOWN.decode(told)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None if is_ollama else _ShownModel()
        except GatewayError:
            return None

    def sent(self, target: Target, tokens: int) -> None:
        """See Contexts."""
        key, now = (target.api_base, target.model), self._clock()
        before = self._sent.get(key)
        if before is None or tokens >= before.tokens or now - before.at >= LOADING_S:
            _keep(self._sent, key, _Sent(now, tokens))

    async def _ask(self, target: Target) -> Mapping[str, int] | None:
        """The models that a host has loaded, each with its context. None: the host does not say."""
        headers = bearer(target) | {name.lower(): value for name, value in target.headers.items()}
        request = UpstreamRequest(
            url=f"{target.api_base}{PATH}", headers=headers, body=b"", method="GET", tls=target.tls
        )
        try:
            near = _stays_near(target)
            response = await self._upstream.open(request, DEADLINES, near=near, judged=target.judged)
            body = await response.read()
            models = _ANSWERS.decode(body).models
        except (GatewayError, msgspec.DecodeError, UnicodeDecodeError):
            return None
        if response.status != OK:
            return None
        return {_tagged(each.model or each.name): each.context_length for each in models[:MAX_KEPT]}


def _stays_near(target: Target) -> bool:
    """Whether a question about the deployment may go to a near address alone."""
    return target.residency in (Residency.NEAR, Residency.LOCAL)


def _show_address(target: Target) -> str:
    """Where Ollama tells of a model, also where it is spoken to in OpenAI's dialect. Another server answers
    there that it knows no such path."""
    if target.dialect.facts.loads_contexts:
        return f"{target.api_base}{SHOW_PATH}"
    parts = urlsplit(target.api_base)
    return f"{parts.scheme}://{parts.netloc}{SHOW_PATH}"


def _tagged(model: str) -> str:
    """A model's name with its tag: `llama3` is `llama3:latest`."""
    return model if ":" in model.rpartition("/")[2] else model + LATEST


def _keep(kept: dict[K, V], key: K, value: V) -> None:
    kept.pop(key, None)
    kept[key] = value
    if len(kept) > MAX_KEPT:
        del kept[next(iter(kept))]
