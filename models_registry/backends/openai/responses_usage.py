"""What the gateway must know of a response: its usage, its searches, and how much the model wrote."""

from collections.abc import Sequence

import msgspec

from models_registry.backends.openai.lengths import text_length
from models_registry.backends.tolerance import decoded
from models_registry.backends.usage import count_of, rare_from, report_in, usage_from
from schema.usage import Usage, tier_served
from schema.wire import ABSENT, MaybeRaw

SEARCH = "web_search_call"


class _CountDetails(msgspec.Struct, frozen=True):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None


class WireResponseUsage(msgspec.Struct, frozen=True):
    """The `usage` of a response. Each count may be missing at some compatible server."""

    input_tokens: int | None = None
    input_tokens_details: _CountDetails | None = None
    output_tokens: int | None = None
    output_tokens_details: _CountDetails | None = None
    total_tokens: int | None = None


class _ItemKind(msgspec.Struct, frozen=True, gc=False, rename={"kind": "type"}):
    kind: str = ""


class AnswerFacts(msgspec.Struct, frozen=True, gc=False):
    """A response, decoded for what the gateway must know."""

    id: str | None = None
    created_at: int | float | None = None
    status: str | None = None
    model: str | None = None
    error: MaybeRaw = ABSENT
    usage: MaybeRaw = ABSENT
    service_tier: str | None = None
    output: list[_ItemKind] | None = None


class _SaidPart(msgspec.Struct, frozen=True, gc=False):
    text: MaybeRaw = ABSENT
    refusal: MaybeRaw = ABSENT


class _SaidItem(msgspec.Struct, frozen=True, gc=False):
    content: list[_SaidPart] | None = None
    summary: list[_SaidPart] | None = None
    name: MaybeRaw = ABSENT
    arguments: MaybeRaw = ABSENT
    input: MaybeRaw = ABSENT
    code: MaybeRaw = ABSENT
    action: MaybeRaw = ABSENT


class _SaidOutput(msgspec.Struct, frozen=True, gc=False):
    output: list[_SaidItem] = []


_USAGES = msgspec.json.Decoder(WireResponseUsage)
_OUTPUTS = msgspec.json.Decoder(_SaidOutput)


def usage_in(found: AnswerFacts) -> Usage | None:
    """The usage of a response. None: it reports none."""
    report = report_in(found.usage, _USAGES)
    if report is None:
        return None
    of_input, of_output = report.input_tokens_details, report.output_tokens_details
    searches = sum(item.kind == SEARCH for item in found.output or ())
    parts = Usage(
        cached_tokens=count_of(of_input.cached_tokens if of_input else 0) or 0,
        cache_write_tokens=count_of(of_input.cache_write_tokens if of_input else 0) or 0,
        reasoning_tokens=count_of(of_output.reasoning_tokens if of_output else 0) or 0,
        service_tier=tier_served(found.service_tier),
        rare=rare_from(web_searches=searches),
    )
    return usage_from(report.input_tokens, report.output_tokens, parts)


def answer_length(body: bytes) -> int | None:
    """The bytes of everything that the model wrote in a response. None: it has another shape."""
    try:
        items = decoded(_OUTPUTS, body).output
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return sum(map(_item_length, items))


def _item_length(item: _SaidItem) -> int:
    parts: Sequence[_SaidPart] = (*(item.content or ()), *(item.summary or ()))
    total = sum(text_length(raw) for part in parts for raw in (part.text, part.refusal) if raw)
    written = (item.name, item.arguments, item.input, item.code, item.action)
    return total + sum(text_length(raw) for raw in written if raw)
