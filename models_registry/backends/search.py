"""Web searches that a provider runs for a chat completion. The provider's answers do not count them. A call
of a search model (OpenAI's, Perplexity's Sonar), or with `web_search_options`, is billed for one search."""

from collections.abc import Mapping

import msgspec

from models_registry.facts.families import searches_always
from models_registry.target import Target
from schema.chat import ChatRequest
from schema.usage import NOTHING_RARE, Usage
from schema.wire import present

OPTIONS = "web_search_options"
SIZES = ("low", "medium", "high")


class _Options(msgspec.Struct, frozen=True):
    search_context_size: str | None = None


def search_context(request: ChatRequest, target: Target) -> str | None:
    """How much context a call's search is to bring, such as `low`. Empty: the request does not say. None: the
    call does not search."""
    options = request.raw.get(OPTIONS)
    if options is None or not present(options):
        options = target.params.get(OPTIONS)
    if options is None or not present(options):
        return "" if searches_always(target.model) else None
    try:
        size = msgspec.json.decode(options, type=_Options).search_context_size
    except msgspec.ValidationError:
        return ""
    return size if size in SIZES else ""


def unpriced_search(fields: Mapping[str, msgspec.Raw], target: Target) -> str | None:
    """The field that makes a call search at an unknown price: `web_search_options` or `model`. None: there is
    no such field. `fields` are the fields that go to the provider."""
    options = fields.get(OPTIONS)
    asked = options is not None and present(options)
    if not target.dialect.facts.searches or not (asked or searches_always(target.model)):
        return None
    if target.price is not None and any(target.price.searches):
        return None
    name = OPTIONS if asked else "model"
    return None if name in target.free_params else name


def with_search(usage: Usage | None, context: str | None) -> Usage | None:
    """The usage, with one search if its call was billed for one. `context` is what `search_context` gives."""
    if context is None or usage is None:
        return usage
    rare = msgspec.structs.replace(usage.rare or NOTHING_RARE, web_searches=1, search_context=context)
    return msgspec.structs.replace(usage, rare=rare)
