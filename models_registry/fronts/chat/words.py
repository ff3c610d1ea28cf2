"""How chat has thinking, sources and log probabilities."""

from collections.abc import Sequence

import msgspec

from models_registry.fronts.openai_words import NULL
from models_registry.turns.events import Cited
from schema.chat import Annotation, UrlCitation

THINKING, REDACTED = "thinking", "redacted_thinking"
"""LiteLLM's kinds of `thinking_blocks`."""
SUPPORTED = "supported_text"
"""LiteLLM's name for the text that a citation stands behind."""


class _Logprobs(msgspec.Struct, frozen=True):
    """OpenAI's object."""

    content: list[msgspec.Raw] | None = None
    refusal: list[msgspec.Raw] | None = None


_LOGPROBS = msgspec.json.Decoder(_Logprobs)


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


def joined_logprobs(pieces: Sequence[msgspec.Raw]) -> msgspec.Raw:
    """The log probabilities of a text: one object for all of its pieces, or null. Where there are several
    pieces, one that has another form than OpenAI's is left out."""
    if len(pieces) < 2:
        return pieces[0] if pieces else NULL
    content: list[msgspec.Raw] = []
    for piece in pieces:
        try:
            content += _LOGPROBS.decode(piece).content or []
        except msgspec.DecodeError:
            continue
    return msgspec.Raw(msgspec.json.encode(_Logprobs(content=content)))
