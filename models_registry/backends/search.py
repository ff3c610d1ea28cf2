"""Web searches that a provider runs for a chat completion. Its answers do not count them: a call of a search
model (OpenAI's, Perplexity's Sonar), or one with `web_search_options`, is billed for one."""

import re
from collections.abc import Mapping
from functools import lru_cache

import msgspec

from models_registry.target import Dialect, Target
from schema.chat import ChatRequest
from schema.usage import NOTHING_RARE, Usage
from schema.wire import present

OPTIONS = "web_search_options"
MODELS = re.compile(r".*-search-(?:preview|api)|(?:.*/)?sonar(?![a-z0-9])")
"""The names of models that search at every call: `gpt-4o-search-preview`, `perplexity/sonar-pro`."""
SIZES = ("low", "medium", "high")


class _Options(msgspec.Struct, frozen=True):
    search_context_size: str | None = None


def search_context(request: ChatRequest, target: Target) -> str | None:
    """How much context a call's search is to bring (empty: the request does not say); None: no search."""
    options = request.raw.get(OPTIONS)
    if options is None or not present(options):
        options = target.params.get(OPTIONS)
    if options is None or not present(options):
        return "" if _searches_always(target.model) else None
    try:
        size = msgspec.json.decode(options, type=_Options).search_context_size
    except msgspec.ValidationError:
        return ""
    return size if size in SIZES else ""


def unpriced_search(fields: Mapping[str, msgspec.Raw], target: Target) -> str | None:
    """What makes a call search at a price that nobody knows: `web_search_options` or `model`. `fields` are
    what goes to the provider."""
    options = fields.get(OPTIONS)
    asked = options is not None and present(options)
    if target.dialect is not Dialect.OPENAI or not (asked or _searches_always(target.model)):
        return None
    if target.price is not None and any(target.price.searches):
        return None
    name = OPTIONS if asked else "model"
    return None if name in target.free_params else name


@lru_cache(maxsize=4096)
def _searches_always(model: str) -> bool:
    return MODELS.match(model.lower()) is not None


def with_search(usage: Usage | None, context: str | None) -> Usage | None:
    """The usage with the search that its call was billed for."""
    if context is None or usage is None:
        return usage
    rare = msgspec.structs.replace(usage.rare or NOTHING_RARE, web_searches=1, search_context=context)
    return msgspec.structs.replace(usage, rare=rare)
