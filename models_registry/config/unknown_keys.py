"""What to say of a key that has no effect: it comes later, it belongs elsewhere, or it is a typo."""

from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

import msgspec

from models_registry.backends.parameters import GATEWAY_FIELDS, STRIPPED, STRIPPED_PREFIXES
from models_registry.config import known_keys
from models_registry.config.names import names_in
from models_registry.config.providers import PROVIDERS
from models_registry.config.sections import (
    GeneralSettings,
    LitellmParams,
    LitellmSettings,
    ModelEntry,
    ModelInfo,
    RouterSettings,
)
from models_registry.config.variables import Variables
from models_registry.prices.fields import is_price_field
from schema.cache_options import CACHE_FIELD


def _names_of(kind: type[msgspec.Struct]) -> frozenset[str]:
    own = frozenset(kind.__struct_encode_fields__)
    return own | known_keys.LATER.get(kind.__name__, frozenset())


_SECTIONS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "general_settings": _names_of(GeneralSettings),
        "router_settings": _names_of(RouterSettings),
        "litellm_settings": _names_of(LitellmSettings),
        "litellm_params": _names_of(LitellmParams) | known_keys.PARAMS_LATER,
        "model_info": _names_of(ModelInfo),
        "model_list": _names_of(ModelEntry),
    }
)
"""The keys that each section has, with those that have no effect yet."""


_ELSEWHERE = frozenset(name for names in _SECTIONS.values() for name in names)


_OWN_FIELDS = frozenset(name for row in PROVIDERS.values() for name in row.own_fields)


NEVER_SENT = known_keys.PARAMS_LATER | (
    {*GATEWAY_FIELDS, CACHE_FIELD, *(STRIPPED - _ELSEWHERE - _OWN_FIELDS)} - known_keys.REQUEST_PARAMS
)
"""LiteLLM's own keys of `litellm_params` that have no effect yet: no provider knows them."""


NEVER_SENT_PREFIXES = (*known_keys.PARAMS_LATER_PREFIXES, *STRIPPED_PREFIXES)


def asks_for_nothing(value: object) -> bool:
    """Whether a key says no more than its absence does."""
    return value is None or value is False or value in ("", [], {})


def is_so_anyway(key: str, value: object) -> bool:
    """Whether a key without an effect asks for what this gateway does without it."""
    if key in known_keys.ALWAYS_ON:
        return value is True or value is None
    return asks_for_nothing(value)


def homes_of(key: str) -> list[str]:
    """The sections that have a key of this name."""
    return [section for section, names in _SECTIONS.items() if key in names]


def unknown_key(key: str, section: str) -> str:
    """What to say of a key that its section does not have: where it belongs, or what it may have been."""
    homes = homes_of(key)
    if homes:
        where = " or ".join(f"`{home}`" if home.islower() and " " not in home else home for home in homes)
        return f"has no effect here; it belongs in {where}"
    near = get_close_matches(key, _SECTIONS.get(section, known_keys.TOP_LEVEL), n=1, cutoff=0.8)
    return f"unknown key; did you mean `{near[0]}`?" if near else "unknown key"


def unknown_key_warnings(
    values: Mapping[str, Any], path: str, kind: type[msgspec.Struct], variables: Variables
) -> list[str]:
    """A warning for each key of a section or an entry that has no effect."""
    found = []
    known = set(kind.__struct_encode_fields__)
    later = known_keys.LATER.get(kind.__name__, frozenset())
    for key, value in values.items():
        is_shown = kind is ModelInfo and (is_price_field(str(key)) or key in known_keys.SHOWN)
        if key in known or is_shown:
            continue
        if key not in later:
            section = path.rpartition(".")[2] if kind is not ModelEntry else "model_list"
            found.append(f"{path}.{key}: {unknown_key(str(key), section)}")
        elif variables.forget_unset(f"{path}.{key}") or not is_so_anyway(key, value):
            found.append(f"{path}.{key}{names_in(value)}: has no effect in this version")
    return found
