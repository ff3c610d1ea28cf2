"""The local hosts of a config: those that deployments name, and what `general_settings.local_hosts` (ours)
says of them.

    local_hosts:
      - api_base: http://ollama:11434
        pull_base: http://ollama-pull:11434
        memory_gb: 16
        keep_warm: [{model: mistral, hours: 08:00-18:00, days: mon-fri}]
"""

import enum
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, time
from types import MappingProxyType
from typing import Any

import msgspec

from models_registry.config.hosts import is_near, origin_of
from models_registry.config.listed import ListedEntry
from models_registry.config.sections import GeneralSettings
from models_registry.target import Target, TlsOptions
from schema.cache_options import is_seconds
from schema.secret import Secret

PATH = "general_settings.local_hosts"
MAX_HOSTS = 100
MAX_WARM = 50
GIB = 1024**3
NAME = re.compile(r"[A-Za-z0-9_.:\[\]-]{1,100}")
MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/@-]{0,199}")
_PART = r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}"
LIBRARY = re.compile(rf"{_PART}(?:/{_PART})?(?::[A-Za-z0-9._-]{{1,64}})?")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
_MEMORY = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)([mMgG]?)")
UNITS: Mapping[str, float] = MappingProxyType({"": 1.0, "g": 1.0, "m": 1 / 1024})
"""Gigabytes, and what containers are given: `2g`, `2048m`."""
_READ = frozenset({"name", "api_base", "pull_base", "memory_gb", "api_key", "kind", "keep_warm"})


def memory_of(text: str) -> int | None:
    """The bytes that a container is given by a text such as `2048m` or `2g`. None: it says no amount."""
    found = _gigabytes(text)
    return None if found is None else int(found * GIB)


def _gigabytes(text: str) -> float | None:
    told = _MEMORY.fullmatch(text)
    return None if told is None else float(told[1]) * UNITS[told[2].lower()]


def is_of_library(model: str) -> bool:
    """Whether a name is one of Ollama's library: `llama3`, `llama3:8b`, `someone/model`. Of three parts the
    first is a registry's host to Ollama, also without a dot (`git/a/b`): such a name is none, and neither is
    one whose first of two parts looks like a host."""
    first, slash, _ = model.partition("/")
    return LIBRARY.fullmatch(model) is not None and ".." not in model and not (slash and "." in first)


class HostKind(enum.Enum):
    """What serves on a local host."""

    OLLAMA = "ollama"
    LLAMACPP = "llamacpp"
    VLLM = "vllm"
    LM_STUDIO = "lm_studio"


KINDS: Mapping[str, HostKind] = MappingProxyType(
    {
        "ollama": HostKind.OLLAMA,
        "ollama_chat": HostKind.OLLAMA,
        "llamacpp": HostKind.LLAMACPP,
        "llamafile": HostKind.LLAMACPP,
        "hosted_vllm": HostKind.VLLM,
        "lm_studio": HostKind.LM_STUDIO,
    }
)
"""The kinds by the prefixes of local providers."""


class WarmTime(msgspec.Struct, frozen=True, kw_only=True):
    """A model that is kept loaded on a host, and when."""

    model: str
    days: frozenset[int] = frozenset(range(7))
    """0 is Monday."""
    begins: time | None = None
    ends: time | None = None
    """Before `begins`: it is the next day's. None: all day."""

    def holds(self, now: datetime) -> bool:
        """Whether the model is to be loaded at a moment of the gateway's time zone."""
        if self.begins is None or self.ends is None:
            return now.weekday() in self.days
        at = now.time()
        if self.begins <= self.ends:
            return now.weekday() in self.days and self.begins <= at < self.ends
        begun_today = now.weekday() in self.days and at >= self.begins
        return begun_today or ((now.weekday() - 1) % 7 in self.days and at < self.ends)


class LocalHost(msgspec.Struct, frozen=True, kw_only=True):
    """A machine that serves models, as its management needs it."""

    name: str
    """By which it is named: `ollama:11434`, or what the config says."""
    kind: HostKind
    api_base: str
    """Its address without `/v1`."""
    pull_base: str
    """Where models are pulled and deleted: another server on the same files, or the host itself."""
    api_key: Secret | None = None
    tls: TlsOptions | None = None
    memory_bytes: int | None = None
    """None: nobody knows."""
    keep_warm: tuple[WarmTime, ...] = ()

    @property
    def pulls_elsewhere(self) -> bool:
        return self.pull_base != self.api_base


def local_hosts_of(
    general: GeneralSettings, targets: Iterable[Target]
) -> tuple[tuple[LocalHost, ...], tuple[str, ...]]:
    """The hosts, by the order of the config, and the errors in what it says of them."""
    errors: list[str] = []
    found: dict[str, LocalHost] = {}
    for target in targets:
        kind = KINDS.get(target.provider)
        if kind is None or not (target.local and is_near(target.api_base)):
            continue
        base = bare(target.api_base)
        if base not in found and len(found) < MAX_HOSTS:
            name = _name_of(base)
            found[base] = LocalHost(
                name=name if all(name != each.name for each in found.values()) else base,
                kind=kind,
                api_base=base,
                pull_base=base,
                api_key=target.api_key,
                tls=target.tls,
            )
    listed = general.local_hosts or []
    if len(listed) > MAX_HOSTS:
        errors.append(f"{PATH}: at most {MAX_HOSTS}")
    for place, item in enumerate(listed[:MAX_HOSTS]):
        reading = _ListedHost(f"{PATH}[{place}]", item)
        host = reading.host(found)
        errors += reading.errors
        if host is not None:
            found[host.api_base] = host
    names = [host.name for host in found.values()]
    errors += [f"{PATH}: two hosts are called {name}" for name in sorted(set(names)) if names.count(name) > 1]
    pulling = {host.pull_base for host in found.values() if host.pulls_elsewhere}
    errors += [
        f"{PATH}: {_name_of(base)} is a pull_base, and models are called there too; it may get no prompt"
        for base in sorted(pulling & found.keys())
    ]
    return tuple(found.values()), tuple(errors)


def bare(address: str) -> str:
    """An address without its `/v1`."""
    return address.rstrip("/").removesuffix("/v1").rstrip("/")


def _name_of(address: str) -> str:
    origin = origin_of(address)
    return address[:100] if origin is None else f"{origin.host}:{origin.port}"


class _ListedHost(ListedEntry):
    """Reads one entry. No error shows a value."""

    def host(self, known: Mapping[str, LocalHost]) -> LocalHost | None:
        """The host. None: it has errors."""
        if self.errors:
            return None
        self.check_names(_READ)
        base = self._address("api_base", None)
        before = known.get(base)
        name = self._item.get("name") or (_name_of(base) if before is None else before.name)
        if not isinstance(name, str) or not NAME.fullmatch(name):
            self.wrong("name", "expected 1 to 100 letters, digits, `_`, `.`, `-`, `:`")
        key = self._item.get("api_key")
        if key is not None and not (isinstance(key, str) and key.isascii() and key.isprintable()):
            self.wrong("api_key", "expected printable ASCII")
        kind = self._kind(before)
        pull_base = self._address("pull_base", base)
        warm = self._warm()
        if warm and kind is not HostKind.OLLAMA:
            self.wrong("keep_warm", "an Ollama host alone loads models when it is asked")
        memory = self._memory()
        if self.errors:
            return None
        return LocalHost(
            name=str(name),
            kind=kind,
            api_base=base,
            pull_base=pull_base,
            api_key=Secret(key) if isinstance(key, str) else None if before is None else before.api_key,
            tls=None if before is None else before.tls,
            memory_bytes=memory,
            keep_warm=warm,
        )

    def _address(self, name: str, default: str | None) -> str:
        found = self._item.get(name, default)
        if not isinstance(found, str) or origin_of(found) is None:
            self.wrong(name, "expected an address that begins with http:// or https://")
            return ""
        return bare(found)

    def _kind(self, before: LocalHost | None) -> HostKind:
        found = self._item.get("kind")
        if found is None:
            return HostKind.OLLAMA if before is None else before.kind
        if found not in {each.value for each in HostKind}:
            self.wrong("kind", f"expected {', '.join(each.value for each in HostKind)}")
            return HostKind.OLLAMA
        return HostKind(found)

    def _memory(self) -> int | None:
        found = self._item.get("memory_gb")
        if isinstance(found, str) and (told := _gigabytes(found)) is not None:
            found = told  # from the environment
        if found is None or found == "":
            return None
        if not is_seconds(found) or not 0 < found <= 100_000:
            self.wrong("memory_gb", "expected a number of gigabytes")
            return None
        return int(found * GIB)

    def _warm(self) -> tuple[WarmTime, ...]:
        found = self._item.get("keep_warm") or []
        if not isinstance(found, list) or len(found) > MAX_WARM:
            self.wrong("keep_warm", f"expected a list of at most {MAX_WARM}")
            return ()
        made = [self._warm_time(each) for each in found]
        return tuple(each for each in made if each is not None)

    def _warm_time(self, item: Any) -> WarmTime | None:  # values of YAML
        fields = {"model": item} if isinstance(item, str) else item
        if not isinstance(fields, Mapping) or not {*fields} <= {"model", "hours", "days"}:
            self.wrong("keep_warm", "expected names of models, or mappings with model, hours and days")
            return None
        model, hours, days = fields.get("model"), fields.get("hours"), fields.get("days")
        if not isinstance(model, str) or not MODEL.fullmatch(model):
            self.wrong("keep_warm.model", "expected the name of a model")
            return None
        on = _days(days)
        span = None if hours is None else _HOURS.fullmatch(hours) if isinstance(hours, str) else None
        if on is None or (hours is not None and span is None):
            self.wrong("keep_warm", "expected hours such as 08:00-18:00, and days such as mon-fri or sat,sun")
            return None
        if span is None:
            return WarmTime(model=model, days=on)
        begin_h, begin_m, end_h, end_m = map(int, span.groups())
        return WarmTime(model=model, days=on, begins=time(begin_h, begin_m), ends=time(end_h, end_m))


def _days(text: object) -> frozenset[int] | None:
    """`mon-fri`, `sat,sun`. None: it is neither."""
    if text is None:
        return frozenset(range(7))
    if not isinstance(text, str):
        return None
    found: set[int] = set()
    for part in text.lower().replace(" ", "").split(","):
        first, dash, last = part.partition("-")
        ends: Sequence[str] = (first, last) if dash else (first, first)
        if not all(day in DAYS for day in ends):
            return None
        begin, end = DAYS.index(ends[0]), DAYS.index(ends[1])
        found |= {day % 7 for day in range(begin, (end if end >= begin else end + 7) + 1)}
    return frozenset(found)
