"""Web searches that OpenAI runs for a chat completion. Its answers do not count them: a call of a search
model, or one with `web_search_options`, is billed for one."""

import msgspec

from models_registry.target import Target
from schema.chat import ChatRequest
from schema.usage import NOTHING_RARE, Usage
from schema.wire import present

OPTIONS = "web_search_options"
MODELS = ("-search-preview", "-search-api")
"""What is in the names of models that search at every call."""
SIZES = ("low", "medium", "high")


class _Options(msgspec.Struct, frozen=True):
    search_context_size: str | None = None


def search_context(request: ChatRequest, target: Target) -> str | None:
    """How much context a call's search is to bring (empty: the request does not say); None: no search."""
    options = request.raw.get(OPTIONS)
    if options is None or not present(options):
        return "" if "-search-" in target.model and any(part in target.model for part in MODELS) else None
    try:
        size = msgspec.json.decode(options, type=_Options).search_context_size
    except msgspec.ValidationError:
        return ""
    return size if size in SIZES else ""


def with_search(usage: Usage | None, context: str | None) -> Usage | None:
    """The usage with the search that its call was billed for."""
    if context is None or usage is None:
        return usage
    rare = msgspec.structs.replace(usage.rare or NOTHING_RARE, web_searches=1, search_context=context)
    return msgspec.structs.replace(usage, rare=rare)
