"""Anthropic's counts and stop reasons in our terms."""

from models_registry.backends.counts import checked
from schema.anthropic import AnthropicUsage
from schema.usage import Usage

FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


def finish_reason(stop_reason: str | None) -> str:
    """OpenAI's word; `stop` for a reason that is not known yet."""
    return FINISH_REASONS.get(stop_reason or "", "stop")


def merge_usage(known: AnthropicUsage, later: AnthropicUsage | None) -> AnthropicUsage:
    """A stream's reports are cumulative: what the later one restates replaces."""
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
    )


def usage_of(counts: AnthropicUsage) -> Usage | None:
    """The prompt is the sum of what was not cached, written and read. None without counts."""
    if counts.input_tokens is None and counts.output_tokens is None:
        return None
    written = counts.cache_creation_input_tokens or 0
    read = counts.cache_read_input_tokens or 0
    details = counts.output_tokens_details
    return checked(
        Usage(
            prompt_tokens=(counts.input_tokens or 0) + written + read,
            completion_tokens=counts.output_tokens or 0,
            cached_tokens=read,
            cache_write_tokens=written,
            reasoning_tokens=(details.thinking_tokens if details else 0) or 0,
        )
    )


def _latest(later: int | None, known: int | None) -> int | None:
    return known if later is None else later
