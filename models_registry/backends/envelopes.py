"""Whether an error body is one of a dialect's own servers, or of a proxy in between."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from models_registry.dialects import Dialect


def _is_openais(value: object) -> bool:
    """Whether a body is an error of OpenAI's dialect: `{"error": {"message": ...}}` (OpenAI, llama.cpp, and
    Gemini in a list of one), `{"error": "..."}` (xAI, Venice) or `{"object": "error", "message": ...}` (vLLM,
    Mistral)."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        return False
    error = value.get("error")
    if isinstance(error, dict):
        return isinstance(error.get("message"), str)
    says = error if error is not None else value.get("object") == "error" and value.get("message")
    return isinstance(says, str) and bool(says)


def is_googles(value: object) -> bool:
    """Whether a body is an error of Google's: `{"error": {"code": 400, "message": ..., "status": ...}}`,
    alone or in a list of one."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    error = value.get("error") if isinstance(value, dict) else None
    return isinstance(error, dict) and isinstance(error.get("message"), str) and "code" in error


def _is_amazons(value: object) -> bool:
    """Whether a body is an error of Amazon's: `{"message": ...}`, or `Message`."""
    return isinstance(value, dict) and any(
        isinstance(value.get(name), str) for name in ("message", "Message")
    )


def _is_anthropics(value: object) -> bool:
    """Whether a body is an error of Anthropic's: `{"type": "error", "error": {"type": ..., "message":
    ...}}`."""
    if not isinstance(value, dict) or value.get("type") != "error":
        return False
    error = value.get("error")
    return isinstance(error, dict) and isinstance(error.get("type"), str)


def _is_coheres(value: object) -> bool:
    """Whether a body is an error of Cohere's: `{"id": ..., "message": ...}`."""
    return isinstance(value, dict) and isinstance(value.get("message"), str) and "id" in value


def _is_ollamas(value: object) -> bool:
    """Whether a body is an error of Ollama's: `{"error": "..."}`."""
    if not isinstance(value, dict):
        return False
    error = value.get("error")
    return isinstance(error, str) and bool(error)


ENVELOPES: Mapping[Dialect, Callable[[object], bool]] = MappingProxyType(
    {
        Dialect.OPENAI: _is_openais,
        Dialect.ANTHROPIC: _is_anthropics,
        Dialect.OLLAMA: _is_ollamas,
        Dialect.GEMINI: is_googles,
        Dialect.BEDROCK: _is_amazons,
        Dialect.COHERE: _is_coheres,
        Dialect.RESPONSES: _is_openais,
    }
)
"""Whether a decoded body is an error of the dialect. JSON of another shape, such as `{"message": "Service
Unavailable"}`, is what proxies say."""
