"""Pure translators between turns and each provider's wire format. The table below has all of them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from models_registry.backends.anthropic.backend import Anthropic
from models_registry.backends.backend import Backend, Native
from models_registry.backends.bedrock.backend import Bedrock
from models_registry.backends.cohere.backend import Cohere
from models_registry.backends.gemini.backend import Gemini
from models_registry.backends.ollama.backend import Ollama
from models_registry.backends.openai.backend import OpenAI
from models_registry.backends.openai.bridge.backend import Responses
from models_registry.dialects import Dialect
from models_registry.target import Target
from models_registry.turns.surfaces import Surface

BACKENDS: Mapping[Dialect, Backend] = MappingProxyType(
    {
        Dialect.OPENAI: OpenAI(),
        Dialect.ANTHROPIC: Anthropic(),
        Dialect.OLLAMA: Ollama(),
        Dialect.GEMINI: Gemini(),
        Dialect.BEDROCK: Bedrock(),
        Dialect.COHERE: Cohere(),
        Dialect.RESPONSES: Responses(),
    }
)

MESSAGES: Native[Any, Any] = BACKENDS[Dialect.ANTHROPIC].natives[Surface.MESSAGES]


def native_at(target: Target, surface: Surface) -> Native[Any, Any] | None:
    """The byte path of a surface at a deployment. None: the deployment does not have the surface, so the call
    is translated."""
    facts = target.dialect.facts
    if surface not in facts.surfaces and surface not in target.more_surfaces:
        return None
    if surface is Surface.MESSAGES and facts.borrows_messages:
        return MESSAGES
    return BACKENDS[target.dialect].natives.get(surface)
