"""How chat has thinking and sources."""

from collections.abc import Sequence

import msgspec

from models_registry.turns.events import Cited
from schema.chat import Annotation, UrlCitation

THINKING, REDACTED = "thinking", "redacted_thinking"
"""LiteLLM's kinds of `thinking_blocks`."""
SUPPORTED = "supported_text"
"""LiteLLM's name for the text that a citation stands behind."""


def annotated(sources: Sequence[Cited], start: int, end: int) -> list[Annotation]:
    """The sources that have an address, as annotations of a part of the text."""
    return [
        Annotation(
            kind="url_citation",
            url_citation=UrlCitation(
                start_index=start, end_index=end, url=source.url, title=source.title or source.url
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
