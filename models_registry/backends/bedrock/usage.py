"""Bedrock's counts and stop reasons in our terms."""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from models_registry.backends.tolerance import UNREADABLE
from models_registry.backends.usage import count_of, rare_from, report_in, usage_from
from models_registry.turns.events import StopReason
from schema.dialects.bedrock import BedrockCacheDetail, BedrockUsage
from schema.usage import Usage
from schema.wire import MaybeRaw, present

STOP_REASONS: Mapping[str, StopReason] = MappingProxyType(
    {
        "end_turn": StopReason.END,
        "stop_sequence": StopReason.SEQUENCE,
        "max_tokens": StopReason.LENGTH,
        "model_context_window_exceeded": StopReason.CONTEXT,
        "tool_use": StopReason.TOOLS,
        "content_filtered": StopReason.FILTER,
        "guardrail_intervened": StopReason.FILTER,
    }
)
BROKEN = frozenset({"malformed_model_output", "malformed_tool_use"})
"""Reasons of an answer that the model did not get done."""
HOUR = "1h"
_REPORTS = msgspec.json.Decoder(BedrockUsage)
_DETAILS = msgspec.json.Decoder(list[BedrockCacheDetail])


def usage_in(raw: MaybeRaw) -> Usage | None:
    """The usage that an answer reports. The prompt is the sum of three counts, since `inputTokens` leaves out
    what was read from and written to the cache. None: there are no counts."""
    report = report_in(raw, _REPORTS)
    if report is None:
        return None
    read = count_of(report.cache_read_input_tokens) or 0
    written = count_of(report.cache_write_input_tokens) or 0
    fresh = count_of(report.input_tokens)
    parts = Usage(
        cached_tokens=read,
        cache_write_tokens=written,
        rare=rare_from(cache_write_1h_tokens=min(_kept_an_hour(report.cache_details), written)),
    )
    prompt = None if fresh is None else fresh + read + written
    return usage_from(prompt, report.output_tokens, parts)


def _kept_an_hour(raw: MaybeRaw) -> int:
    if not present(raw):
        return 0
    try:
        found = _DETAILS.decode(raw)
    except UNREADABLE:
        return 0
    return sum(count_of(each.input_tokens) or 0 for each in found if each.ttl == HOUR)
