"""Which surfaces a deployment has itself, by its provider's row and by what the config says of it."""

from collections.abc import Mapping
from types import MappingProxyType

from models_registry.config.provider import Provider
from models_registry.config.sections import ModelInfo
from models_registry.turns.surfaces import Surface

ENDPOINTS: Mapping[str, Surface] = MappingProxyType(
    {
        "/v1/chat/completions": Surface.CHAT,
        "/v1/completions": Surface.COMPLETIONS,
        "/v1/responses": Surface.RESPONSES,
        "/v1/messages": Surface.MESSAGES,
    }
)
"""LiteLLM's words in `model_info.supported_endpoints`."""
MODES: Mapping[str, Surface] = MappingProxyType(
    {"completion": Surface.COMPLETIONS, "responses": Surface.RESPONSES}
)
"""LiteLLM's words in `model_info.mode` that name a surface beside chat."""


def surfaces_of(provider: Provider, info: ModelInfo, *, own_host: bool) -> frozenset[Surface]:
    """The surfaces that a deployment has beside those of its dialect. `own_host`: the address is one of the
    provider's own. A provider without hosts of its own is a kind of server, wherever it runs."""
    if info.supported_endpoints is not None:
        return frozenset(ENDPOINTS[name] for name in info.supported_endpoints if name in ENDPOINTS)
    found = set(provider.surfaces if own_host or not provider.hosts else ())
    named = MODES.get(info.mode or "")
    if named is not None:
        found.add(named)
    return frozenset(found)
