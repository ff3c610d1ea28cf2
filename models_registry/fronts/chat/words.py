"""OpenAI's words for what an answer is made of: finish reasons, usage, thinking, sources."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import msgspec

from models_registry.turns.events import Cited, StopReason
from schema.chat import Annotation, CompletionDetails, PromptDetails, UrlCitation, WireUsage
from schema.usage import Usage

THINKING, REDACTED = "thinking", "redacted_thinking"
"""LiteLLM's kinds of `thinking_blocks`."""
SUPPORTED = "supported_text"
"""LiteLLM's name for the text that a citation stands behind."""
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


def to_wire(usage: Usage) -> WireUsage:
    """The usage as OpenAI's clients read it."""
    return WireUsage(
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        total_tokens=usage.total_tokens,
        prompt_tokens_details=PromptDetails(
            cached_tokens=usage.cached_tokens, cache_write_tokens=usage.cache_write_tokens
        ),
        completion_tokens_details=CompletionDetails(reasoning_tokens=usage.reasoning_tokens),
    )


def annotated(sources: Sequence[Cited], start: int, end: int) -> list[Annotation]:
    """The sources that have an address, as annotations of a part of the text."""
    return [
        Annotation(
            kind="url_citation",
            url_citation=UrlCitation(
                start_index=start, end_index=end, url=source.url, title=source.title or None
            ),
        )
        for source in sources
        if source.url
    ]


def with_text(source: Cited, text: str) -> msgspec.Raw:
    """A citation with the text that it stands behind."""
    fields = msgspec.json.decode(source.source, type=dict[str, msgspec.Raw])
    fields[SUPPORTED] = msgspec.Raw(msgspec.json.encode(text))
    return msgspec.Raw(msgspec.json.encode(fields))
