"""How a local host stands, from what its API tells: Ollama's, llama.cpp's, vLLM's, LM Studio's.

What a host does not tell is null. Nothing that it answers makes this raise anything but LocalHostFailed.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

import msgspec

from models_registry.config.local_hosts import HostKind, LocalHost
from runtime.hosts.asking import HostAsking
from schema.errors.base import GatewayError
from schema.errors.upstream import LocalHostFailed
from schema.local_hosts import HostModel

T = TypeVar("T")
MAX_MODELS = 1_000
FOR_GOOD_S = 10 * 365 * 86_400.0
"""Ollama's word for a model that stays loaded is an end in some hundred years."""
SAFE_OLLAMA = (0, 1, 47)
"""Older versions have holes by which who reaches them runs code or reads files (CVE-2024-37032,
CVE-2024-45436)."""
_METRIC = re.compile(
    rb"^(?P<name>[a-zA-Z_:][\w:]*)(?:\{[^}\n]{0,2000}\})?[ \t]+(?P<value>[0-9.eE+-]{1,40})", re.M
)


class HostTold(NamedTuple):
    """What a host tells of itself."""

    models: list[HostModel]
    version: str | None = None
    warnings: list[str] = []
    slots: int | None = None
    busy: int | None = None
    waiting: int | None = None


class _Version(msgspec.Struct, frozen=True):
    version: str = ""


class _FileOnHost(msgspec.Struct, frozen=True):
    name: str = ""
    model: str = ""
    size: int = 0
    size_vram: int | None = None
    context_length: int = 0
    expires_at: str | None = None
    remote_host: str = ""
    remote_model: str = ""

    @property
    def known_as(self) -> str:
        return (self.model or self.name)[:200]


class _FilesOnHost(msgspec.Struct, frozen=True):
    models: list[_FileOnHost] | None = None


class _Props(msgspec.Struct, frozen=True):
    model_path: str = ""
    model_alias: str = ""
    total_slots: int | None = None
    build_info: str = ""
    default_generation_settings: dict[str, Any] = {}


class _Slot(msgspec.Struct, frozen=True):
    is_processing: bool | None = None
    n_ctx: int | None = None


class _ListedModel(msgspec.Struct, frozen=True):
    id: str = ""
    max_model_len: int | None = None
    state: str | None = None
    max_context_length: int | None = None
    loaded_context_length: int | None = None


class _Listed(msgspec.Struct, frozen=True):
    data: list[_ListedModel] = []


def decoded(body: bytes, kind: type[T], host: LocalHost) -> T:
    """Raises LocalHostFailed."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise LocalHostFailed(f"The local host {host.name} answers in another form than expected.") from exc


async def ollama_models(host: LocalHost, asking: HostAsking, path: str) -> list[_FileOnHost]:
    """Ollama's list of models: those on the host (`/api/tags`), or those that are loaded (`/api/ps`)."""
    found = decoded(await asking.ask(host, path), _FilesOnHost, host).models
    return [each for each in (found or [])[:MAX_MODELS] if each.known_as]


async def told(host: LocalHost, asking: HostAsking) -> HostTold:
    """Raises LocalHostFailed."""
    return await _BY_KIND[host.kind](host, asking)


async def _ollama(host: LocalHost, asking: HostAsking) -> HostTold:
    version = decoded(await asking.ask(host, "/api/version"), _Version, host).version[:50]
    there = await ollama_models(host, asking, "/api/tags")
    loaded = {each.known_as: each for each in await ollama_models(host, asking, "/api/ps")}
    models = [_ollama_model(each, loaded.pop(each.known_as, None)) for each in there]
    models += [_ollama_model(each, each) for each in loaded.values()]
    return HostTold(models=models, version=version or None, warnings=version_warnings(version))


def version_warnings(version: str) -> list[str]:
    """What is wrong with a version of Ollama."""
    numbers = re.match(r"(\d{1,5})\.(\d{1,5})\.(\d{1,5})", version)
    if numbers is None:
        return [] if not version or version.startswith("0.0.0") else [f"the version {version!r} is unknown"]
    if tuple(map(int, numbers.groups())) in ((0, 0, 0),):
        return []  # a build of one's own
    if tuple(map(int, numbers.groups())) < SAFE_OLLAMA:
        safe = ".".join(map(str, SAFE_OLLAMA))
        return [f"Ollama {version} is older than {safe} and has known holes (CVE-2024-37032, CVE-2024-45436)"]
    return []


def _ollama_model(there: _FileOnHost, loaded: _FileOnHost | None) -> HostModel:
    return HostModel(
        name=there.known_as,
        size_bytes=there.size or None,
        loaded=loaded is not None,
        left_s=None if loaded is None else left_of(loaded.expires_at),
        context=None if loaded is None else loaded.context_length or None,
        vram_bytes=None if loaded is None else loaded.size_vram,
        remote=bool(there.remote_host or there.remote_model),
    )


def left_of(expires_at: str | None) -> float | None:
    """How long a model stays loaded, by Ollama's word, which has nine decimals of a second. None: for good,
    or nobody knows."""
    text = re.sub(r"(\.\d{6})\d+", r"\1", expires_at or "")
    try:
        ends = datetime.fromisoformat(text)
    except ValueError:
        return None
    left_s = (ends if ends.tzinfo else ends.replace(tzinfo=UTC)).timestamp() - datetime.now(UTC).timestamp()
    return None if left_s > FOR_GOOD_S else round(max(0.0, left_s), 1)


async def _llamacpp(host: LocalHost, asking: HostAsking) -> HostTold:
    props = decoded(await asking.ask(host, "/props"), _Props, host)
    settings = props.default_generation_settings
    context = settings.get("n_ctx")
    busy: int | None = None
    try:
        slots = decoded(await asking.ask(host, "/slots"), list[_Slot], host)
        busy = sum(each.is_processing is True for each in slots)
    except GatewayError:
        slots = []  # a server may be started without them
    numbers = await _metrics(host, asking)
    waiting = numbers.get("llamacpp:requests_deferred")
    name = props.model_alias or re.split(r"[\\/]", props.model_path)[-1]
    models = [
        HostModel(
            name=name[:200] or "model",
            loaded=True,
            context=context if isinstance(context, int) and not isinstance(context, bool) else None,
        )
    ]
    return HostTold(
        models=models,
        version=props.build_info[:50] or None,
        slots=props.total_slots or (len(slots) or None),
        busy=busy,
        waiting=None if waiting is None else int(waiting),
    )


async def _vllm(host: LocalHost, asking: HostAsking) -> HostTold:
    listed = decoded(await asking.ask(host, "/v1/models"), _Listed, host).data[:MAX_MODELS]
    try:
        version = decoded(await asking.ask(host, "/version"), _Version, host).version[:50]
    except GatewayError:
        version = ""
    numbers = await _metrics(host, asking)
    running, waiting = numbers.get("vllm:num_requests_running"), numbers.get("vllm:num_requests_waiting")
    return HostTold(
        models=[HostModel(name=each.id[:200], loaded=True, context=each.max_model_len) for each in listed],
        version=version or None,
        busy=None if running is None else int(running),
        waiting=None if waiting is None else int(waiting),
    )


async def _lm_studio(host: LocalHost, asking: HostAsking) -> HostTold:
    listed = decoded(await asking.ask(host, "/api/v0/models"), _Listed, host).data[:MAX_MODELS]
    return HostTold(
        models=[
            HostModel(
                name=each.id[:200],
                loaded=None if each.state is None else each.state == "loaded",
                context=each.loaded_context_length if each.state == "loaded" else None,
            )
            for each in listed
        ]
    )


async def _metrics(host: LocalHost, asking: HostAsking) -> dict[str, float]:
    """The numbers of a host's metrics, summed over their labels. Empty: it has none."""
    try:
        body = await asking.ask(host, "/metrics")
    except GatewayError:
        return {}
    found: dict[str, float] = {}
    for line in _METRIC.finditer(body):
        name = line["name"].decode()
        try:
            value = float(line["value"])
        except ValueError:
            continue
        if abs(value) < 10**9 and len(found) < MAX_MODELS:
            found[name] = found.get(name, 0.0) + value
    return found


_BY_KIND: Mapping[HostKind, Callable[[LocalHost, HostAsking], Awaitable[HostTold]]] = MappingProxyType(
    {
        HostKind.OLLAMA: _ollama,
        HostKind.LLAMACPP: _llamacpp,
        HostKind.VLLM: _vllm,
        HostKind.LM_STUDIO: _lm_studio,
    }
)
