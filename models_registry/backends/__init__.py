"""Pure translators between OpenAI's wire format and each provider's. The table below has all of them."""

from collections.abc import Mapping
from types import MappingProxyType

from models_registry.backends.anthropic.backend import Anthropic
from models_registry.backends.backend import Backend
from models_registry.backends.ollama.backend import Ollama
from models_registry.backends.openai.backend import OpenAI
from models_registry.target import Dialect

BACKENDS: Mapping[Dialect, Backend] = MappingProxyType(
    {
        Dialect.OPENAI: OpenAI(),
        Dialect.ANTHROPIC: Anthropic(),
        Dialect.OLLAMA: Ollama(),
    }
)
