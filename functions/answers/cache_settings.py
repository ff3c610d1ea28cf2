"""The settings of the response cache, as they are told: each with its name, its meaning and its value."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from models_registry.config.residency import CLOUD, LOCAL
from models_registry.config.response_cache import (
    CACHE_OFF,
    CALL_TYPES,
    MODES,
    CacheKind,
    CacheRules,
)
from models_registry.target import Residency
from schema.cache import REDACTED, CacheSettings, CacheSettingsField


class _CacheSetting(NamedTuple):
    name: str
    type: str
    meaning: str
    options: Sequence[str] | None = None


NAMES_OF_CALLS = tuple(sorted({*CALL_TYPES.values()}))
SETTINGS = (
    _CacheSetting("type", "String", "Where answers are kept", [each.value for each in CacheKind]),
    _CacheSetting("ttl", "Float", "For how many seconds an answer is kept"),
    _CacheSetting("mode", "String", "Whether requests have to ask for the cache", MODES),
    _CacheSetting("namespace", "String", "What stands in front of each key"),
    _CacheSetting("supported_call_types", "List", "The calls that use the cache", NAMES_OF_CALLS),
    _CacheSetting("shared", "Boolean", "Whether all callers share their answers"),
    _CacheSetting("max_entries", "Integer", "The most answers in the memory of a worker"),
    _CacheSetting("max_bytes", "Integer", "The most bytes of them"),
    _CacheSetting("max_entry_bytes", "Integer", "A longer answer is not kept"),
    _CacheSetting("max_stored_entries", "Integer", "The most answers in Postgres"),
    _CacheSetting("max_stored_bytes", "Integer", "The most bytes of them"),
    _CacheSetting("host", "String", "The host of Redis"),
    _CacheSetting("port", "Integer", "Its port"),
    _CacheSetting("db", "Integer", "The number of its database"),
    _CacheSetting("username", "String", "Who we are there"),
    _CacheSetting("password", "String", "The password for it"),
    _CacheSetting("ssl", "Boolean", "Whether it is reached by TLS"),
    _CacheSetting("residency", "String", "Whether its answers stay in the house", (LOCAL, CLOUD)),
    _CacheSetting("allow_public_local", "Boolean", "Whether its public address is the house's own"),
)

ENVIRONMENT = "environment"

LABELS: Mapping[str, str] = MappingProxyType({"ttl": "TTL, seconds", "db": "Database", "ssl": "TLS"})
"""What people read in place of a setting's name."""


def values_of(rules: CacheRules) -> dict[str, Any]:  # values of a config
    """The rules by the names of the config, without a secret. What stands nowhere is left out."""
    told: dict[str, Any] = {
        "type": rules.kind.value,
        "ttl": rules.ttl_s,
        "mode": "default_off" if rules.opt_in else "default_on",
        "namespace": rules.namespace,
        "supported_call_types": sorted(rules.call_types),
        "shared": rules.shared,
        "max_entries": rules.max_entries,
        "max_bytes": rules.max_bytes,
        "max_entry_bytes": rules.max_entry_bytes,
        "max_stored_entries": rules.max_stored_entries,
        "max_stored_bytes": rules.max_stored_bytes,
    }
    place = rules.redis
    if place is not None:
        told |= {"host": place.host, "port": place.port, "db": place.db, "ssl": place.tls}
        told |= {} if place.username is None else {"username": place.username}
        told |= {} if place.password is None else {"password": REDACTED}
        told |= {} if place.said is None else {"residency": LOCAL if place.said.is_local else CLOUD}
        told |= {"allow_public_local": True} if place.said is Residency.TRUSTED else {}
    return told


def settings_of(rules: CacheRules, source: str, *, redis_source: str = ENVIRONMENT) -> CacheSettings:
    """The settings in force, in LiteLLM's shape, and where they come from. `redis_source` is where a Redis
    among them is named."""
    values, defaults = values_of(rules), values_of(CACHE_OFF)
    return CacheSettings(
        fields=[
            CacheSettingsField(
                field_name=each.name,
                field_type=each.type,
                field_value=values.get(each.name),
                field_description=each.meaning,
                field_default=defaults.get(each.name),
                options=None if each.options is None else list(each.options),
                ui_field_name=LABELS.get(each.name, each.name.replace("_", " ").capitalize()),
            )
            for each in SETTINGS
        ],
        current_values=values,
        source=source,
        redis_source=None if rules.redis is None else redis_source,
        redis_type_descriptions={"node": "One Redis, by its host or url"},
    )
