"""Anthropic's counts and stop reasons in our terms."""

from types import MappingProxyType

import msgspec

from models_registry.backends.usage import count_of, rare_from, report_in, usage_from
from models_registry.turns.events import StopReason
from schema.dialects.anthropic import AnthropicUsage
from schema.usage import RareMeters, Usage, tier_served
from schema.wire import MaybeRaw

STOP_REASONS = MappingProxyType(
    {
        "end_turn": StopReason.END,
        "stop_sequence": StopReason.SEQUENCE,
        "pause_turn": StopReason.PAUSE,
        "max_tokens": StopReason.LENGTH,
        "model_context_window_exceeded": StopReason.CONTEXT,
        "tool_use": StopReason.TOOLS,
        "refusal": StopReason.FILTER,
    }
)


_REPORTS = msgspec.json.Decoder(AnthropicUsage)


def counts_in(raw: MaybeRaw) -> AnthropicUsage | None:
    """A report of usage, as far as it can be read."""
    return report_in(raw, _REPORTS)


def stop_reason(said: str | None) -> StopReason:
    """Anthropic's stop reason. One that is not known yet becomes `END`."""
    return STOP_REASONS.get(said or "", StopReason.END)


def merge_usage(known: AnthropicUsage, later: AnthropicUsage | None) -> AnthropicUsage:
    """Two reports of one stream together. Reports are cumulative: each count of the later one replaces the
    earlier."""
    if later is None:
        return known
    return AnthropicUsage(
        input_tokens=_latest(later.input_tokens, known.input_tokens),
        cache_creation_input_tokens=_latest(
            later.cache_creation_input_tokens, known.cache_creation_input_tokens
        ),
        cache_read_input_tokens=_latest(later.cache_read_input_tokens, known.cache_read_input_tokens),
        output_tokens=_latest(later.output_tokens, known.output_tokens),
        output_tokens_details=later.output_tokens_details or known.output_tokens_details,
        cache_creation=later.cache_creation or known.cache_creation,
        server_tool_use=later.server_tool_use or known.server_tool_use,
        service_tier=later.service_tier or known.service_tier,
        speed=later.speed or known.speed,
    )


def usage_of(counts: AnthropicUsage) -> Usage | None:
    """Anthropic's usage as ours. The prompt is the sum of three counts, since `input_tokens` leaves out
    `cache_read_input_tokens` and `cache_creation_input_tokens`. The speed `fast` is priced as a service tier.
    None: there are no counts."""
    written = count_of(counts.cache_creation_input_tokens) or 0
    read = count_of(counts.cache_read_input_tokens) or 0
    fresh, details = count_of(counts.input_tokens), counts.output_tokens_details
    parts = Usage(
        cached_tokens=read,
        cache_write_tokens=written,
        reasoning_tokens=count_of(details.thinking_tokens if details else 0) or 0,
        service_tier=tier_of(counts),
        rare=_rare(counts),
    )
    prompt = None if fresh is None else fresh + written + read
    return usage_from(prompt, counts.output_tokens, parts)


def tier_of(counts: AnthropicUsage) -> str:
    """The service tier that Anthropic served. Empty: its standard one."""
    return tier_served("fast" if counts.speed == "fast" else counts.service_tier)


class StreamUsage:
    """What a stream has reported of its usage. Implements `usage` and `service_tier` of AnswerStream and of
    EventParser for a reader that says by `_begun` whether the stream has begun."""

    _begun: bool
    _counts = AnthropicUsage()
    _final = False
    """Whether the closing report has come."""

    @property
    def usage(self) -> Usage | None:
        """Before the closing report only the input is sure, so the usage is an estimate."""
        usage = usage_of(self._counts)
        if usage is None or self._final:
            return usage
        return msgspec.structs.replace(usage, estimated=True, input_reported=usage.prompt_tokens > 0)

    @property
    def service_tier(self) -> str | None:
        return tier_of(self._counts) if self._begun else None

    def _count(self, raw: MaybeRaw, *, closing: bool) -> None:
        """Take in a report: the one at the stream's begin, or a closing one."""
        counts = counts_in(raw)
        self._counts = merge_usage(self._counts, counts)
        self._final = self._final or (closing and counts is not None)


def _rare(counts: AnthropicUsage) -> RareMeters | None:
    hour = counts.cache_creation.ephemeral_1h_input_tokens if counts.cache_creation else 0
    searches = counts.server_tool_use.web_search_requests if counts.server_tool_use else 0
    return rare_from(cache_write_1h_tokens=hour, web_searches=searches)


def _latest(later: int | None, known: int | None) -> int | None:
    return known if later is None else later
