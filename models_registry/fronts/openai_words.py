"""OpenAI's words that several of its surfaces share: finish reasons and usage."""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from models_registry.turns.events import StopReason
from schema.chat import CompletionDetails, PromptDetails, WireUsage
from schema.usage import NOTHING_RARE, Usage

NULL = msgspec.Raw(b"null")
"""A field that OpenAI writes even where it holds nothing."""
FINISH_REASONS: Mapping[StopReason, str] = MappingProxyType(
    {
        StopReason.END: "stop",
        StopReason.SEQUENCE: "stop",
        StopReason.PAUSE: "stop",
        StopReason.LENGTH: "length",
        StopReason.CONTEXT: "length",
        StopReason.TOOLS: "tool_calls",
        StopReason.FILTER: "content_filter",
    }
)
LEGACY_REASONS: Mapping[StopReason, str] = MappingProxyType({**FINISH_REASONS, StopReason.TOOLS: "stop"})
"""Those of legacy completions, which know no tools."""


def to_wire(usage: Usage) -> WireUsage:
    """The usage as OpenAI's clients read it."""
    rare = usage.rare or NOTHING_RARE
    return WireUsage(
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        total_tokens=usage.total_tokens,
        prompt_tokens_details=PromptDetails(
            cached_tokens=usage.cached_tokens,
            audio_tokens=rare.audio_input_tokens,
            cache_write_tokens=usage.cache_write_tokens,
        ),
        completion_tokens_details=CompletionDetails(
            reasoning_tokens=usage.reasoning_tokens, audio_tokens=rare.audio_output_tokens
        ),
    )
