"""The rules of the response cache: `litellm_settings.cache` and `cache_params`, in LiteLLM's words."""

import enum
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from models_registry.config.redis_place import (
    NOT_ALONE,
    STAYS,
    VARIABLES,
    BadPlace,
    RedisPlace,
    not_alone_by,
    redis_place_of,
)
from models_registry.config.sections import LitellmSettings
from schema.cache_options import NAMESPACE, is_seconds
from schema.errors.base import shortened

PATH = "litellm_settings.cache_params"
DEFAULT_TTL_S = 600.0
MAX_TTL_S = 30 * 86_400.0
MIB = 1024 * 1024
MOST_SHOWN = 10**18
NO_VARIABLES: Mapping[str, str] = MappingProxyType({})


class CacheKind(enum.Enum):
    """Where answers are kept."""

    OFF = "off"
    LOCAL = "local"
    """In the memory of each worker."""
    POSTGRES = "postgres"
    """In Postgres, for all workers, and in the memory of each worker before it."""
    REDIS = "redis"
    """The same in Redis."""


ELSEWHERE = frozenset(
    {"redis-semantic", "valkey-semantic", "qdrant-semantic", "s3", "disk", "gcs", "azure-blob"}
)
"""LiteLLM's other types."""
CALL_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "completion": "acompletion",
        "acompletion": "acompletion",
        "text_completion": "atext_completion",
        "atext_completion": "atext_completion",
        "embedding": "aembedding",
        "aembedding": "aembedding",
        "responses": "aresponses",
        "aresponses": "aresponses",
        "anthropic_messages": "anthropic_messages",
    }
)
"""The call types of a config, each with the one that spend rows have."""
OTHER_CALL_TYPES = frozenset({"transcription", "atranscription", "rerank", "arerank"})
"""LiteLLM's call types that this cache does not keep."""
MODES = ("default_on", "default_off")


class CacheRules(msgspec.Struct, frozen=True, kw_only=True):
    """What the response cache keeps, where, for whom, for how long and how much of it."""

    kind: CacheKind = CacheKind.OFF
    redis: RedisPlace | None = None
    """Where Redis stands, for `type: redis`."""
    ttl_s: float = DEFAULT_TTL_S
    """`ttl`: how long an answer is kept where the request does not say."""
    call_types: frozenset[str] = frozenset(CALL_TYPES.values())
    """`supported_call_types`, as spend rows spell them."""
    opt_in: bool = False
    """`mode: default_off`: only a request with `use-cache` uses the cache."""
    namespace: str = ""
    """`namespace`: it stands in front of each key. Caches with two namespaces share nothing."""
    shared: bool = False
    """`shared` (ours): all callers share their answers. Else a team does, a user without one, or a key."""
    max_entries: int = 10_000
    """`max_entries` (ours): the most answers in the memory of a worker."""
    max_bytes: int = 64 * MIB
    """`max_bytes` (ours): the most bytes of them."""
    max_entry_bytes: int = MIB
    """`max_entry_bytes` (ours): a longer answer is not kept."""
    max_stored_entries: int = 200_000
    """`max_stored_entries` (ours): the most answers in Postgres."""
    max_stored_bytes: int = 512 * MIB
    """`max_stored_bytes` (ours): the most bytes of them."""

    @property
    def is_on(self) -> bool:
        return self.kind is not CacheKind.OFF

    @property
    def is_local(self) -> bool:
        """Whether what is kept stays in the house. A Redis of which that is said is judged when it is
        connected to."""
        return self.redis is None or self.redis.residency.is_local


CACHE_OFF = CacheRules()
BOUNDS: Mapping[str, tuple[int, int]] = MappingProxyType(
    {
        "max_entries": (1, 10_000_000),
        "max_bytes": (1024, 64 * 1024 * MIB),
        "max_entry_bytes": (1, 32 * MIB),
        "max_stored_entries": (1, 100_000_000),
        "max_stored_bytes": (1024, 1024 * 1024 * MIB),
    }
)
"""The least and the most that each bound may be."""
READ = frozenset(
    {"type", "ttl", "default_in_memory_ttl", "supported_call_types", "mode", "namespace", "shared", *BOUNDS}
)
READ_FOR_REDIS = READ | {"default_in_redis_ttl", *VARIABLES, *STAYS}


def cache_rules_of(
    settings: LitellmSettings, environment: Mapping[str, str] = NO_VARIABLES, *, judged: bool = False
) -> tuple[CacheRules, tuple[str, ...], tuple[str, ...]]:
    """The rules of a config, the errors in its settings, and warnings. `environment` has the variables that
    LiteLLM reads for Redis. `judged`: somebody entered the settings through the API."""
    if not settings.cache:
        return CACHE_OFF, (), ()
    params = settings.cache_params or {}
    reading = _Params(params)
    kind = reading.kind()
    place = reading.redis(environment, judged=judged) if kind is CacheKind.REDIS else None
    if kind is CacheKind.REDIS and place is None:
        kind = CacheKind.OFF
    rules = CacheRules(
        kind=kind,
        redis=place,
        ttl_s=reading.ttl_s(),
        call_types=reading.call_types(),
        opt_in=reading.mode() == "default_off",
        namespace=reading.namespace(),
        shared=reading.flag("shared"),
        **{name: reading.bound(name) for name in BOUNDS},
    )
    read = READ_FOR_REDIS if kind is CacheKind.REDIS else READ
    idle = [name for name in params if name not in read and params[name] is not None] if rules.is_on else []
    warnings = [*reading.warnings, *(f"{PATH}.{name}: has no effect" for name in idle)]
    if not reading.errors and rules.max_entry_bytes > rules.max_bytes:
        reading.errors.append(f"{PATH}.max_entry_bytes: more than max_bytes, {rules.max_bytes}")
    return rules, tuple(reading.errors), tuple(warnings)


class _Params:
    """Reads `cache_params`. What is wrong goes to `errors`, and the default stands for it."""

    def __init__(self, params: Mapping[str, Any]) -> None:  # values of YAML
        self._params = params
        self.errors: list[str] = []
        self.warnings: list[str] = []

    def kind(self) -> CacheKind:
        found = self._params.get("type") or CacheKind.LOCAL.value
        if found in (CacheKind.LOCAL.value, CacheKind.POSTGRES.value, CacheKind.REDIS.value):
            return CacheKind(found)
        if isinstance(found, str) and found in ELSEWHERE:
            self.warnings.append(
                f"{PATH}.type: `{found}` has no effect in this version, and no answer is cached; `postgres` "
                "is a cache for all workers"
            )
            return CacheKind.OFF
        self._wrong("type", f"expected `local`, `postgres` or `redis`, found {_told(found)}")
        return CacheKind.LOCAL

    def redis(self, environment: Mapping[str, str], *, judged: bool) -> RedisPlace | None:
        """Where Redis stands. None: nobody says, or it is a cluster, and nothing is cached."""
        many = not_alone_by(self._params, environment)
        if many is not None:
            where = f"{PATH}.{many}" if many in NOT_ALONE else f"{PATH}: the variable {many}"
            self.warnings.append(
                f"{where}: clusters and Sentinel are not supported by this version, and no answer is cached; "
                "name one host"
            )
            return None
        try:
            found = redis_place_of(self._params, environment, judged=judged)
        except BadPlace as exc:
            self._wrong(exc.name, exc.what)
            return None
        if found is None:
            self.warnings.append(
                f"{PATH}: no `host` or `url` of Redis is given, nor in the environment (REDIS_HOST, "
                "REDIS_URL), and no answer is cached"
            )
        return found

    def ttl_s(self) -> float:
        names = ("ttl", "default_in_redis_ttl", "default_in_memory_ttl")
        name = next((each for each in names if self._params.get(each) is not None), names[0])
        found = self._params.get(name)
        if found is None:
            return DEFAULT_TTL_S
        if is_seconds(found) and 0 < found <= MAX_TTL_S:
            return float(found)
        self._wrong(name, f"expected seconds, above 0 and up to {MAX_TTL_S:g}, found {_told(found)}")
        return DEFAULT_TTL_S

    def call_types(self) -> frozenset[str]:
        found = self._params.get("supported_call_types")
        if found is None:
            return CACHE_OFF.call_types
        if not isinstance(found, list):
            self._wrong("supported_call_types", "expected a list")
            return CACHE_OFF.call_types
        named = [each for each in found if isinstance(each, str)]
        for each in found:
            if each not in named or (each not in CALL_TYPES and each not in OTHER_CALL_TYPES):
                known = ", ".join(sorted(CALL_TYPES))
                self._wrong("supported_call_types", f"no call type {_told(each)}; there are {known}")
                break
        return frozenset(CALL_TYPES[each] for each in named if each in CALL_TYPES)

    def mode(self) -> str:
        found = self._params.get("mode") or MODES[0]
        if found not in MODES:
            self._wrong("mode", f"expected {' or '.join(MODES)}, found {_told(found)}")
        return str(found)

    def namespace(self) -> str:
        found = self._params.get("namespace") or ""
        if found and not (isinstance(found, str) and re.fullmatch(NAMESPACE, found)):
            self._wrong("namespace", "expected 1 to 64 letters, digits, `_`, `.`, `-`")
            return ""
        return str(found)

    def flag(self, name: str) -> bool:
        found = self._params.get(name)
        if found is not None and not isinstance(found, bool):
            self._wrong(name, f"expected true or false, found {_told(found)}")
        return found is True

    def bound(self, name: str) -> int:
        found, default = self._params.get(name), int(getattr(CACHE_OFF, name))
        if found is None:
            return default
        least, most = BOUNDS[name]
        if isinstance(found, bool) or not isinstance(found, int) or not least <= found <= most:
            self._wrong(name, f"expected a whole number, {least} to {most}, found {_told(found)}")
            return default
        return found

    def _wrong(self, name: str, what: str) -> None:
        self.errors.append(f"{PATH}.{name}: {what}")


def _told(found: object) -> str:
    """A value as a message shows it. A list, a mapping or a number of many digits is shown by its kind."""
    if isinstance(found, str | bool | float) or (isinstance(found, int) and abs(found) < MOST_SHOWN):
        return shortened(repr(found))
    return type(found).__name__
