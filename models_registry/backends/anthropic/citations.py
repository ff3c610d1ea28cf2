"""Sources of an answer's text, in LiteLLM's form and in OpenAI's."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from schema.chat import Annotation, CitationFields, UrlCitation
from schema.dialects.anthropic import AnswerBlock
from schema.wire import MaybeRaw, present

SUPPORTED = "supported_text"
"""LiteLLM's name for the text that a citation stands behind."""
_LISTS = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])


class _CitedSource(msgspec.Struct, frozen=True):
    url: str | None = None
    title: str | None = None


_SOURCES = msgspec.json.Decoder(_CitedSource)


class Cited(NamedTuple):
    """What an answer says of its sources."""

    annotations: list[Annotation]
    fields: CitationFields | None


def cited(blocks: Sequence[AnswerBlock]) -> Cited:
    """The citations of an answer. `fields` is None where it has none."""
    annotations: list[Annotation] = []
    lists: list[list[msgspec.Raw]] = []
    at = 0
    for block in blocks:
        if block.kind != "text":
            continue
        text = block.text or ""
        sources = citations_in(block.citations)
        if sources:
            lists.append([with_text(each, text) for each in sources])
            annotations += annotated(sources, at, at + len(text))
        at += len(text)
    return Cited(annotations, CitationFields(citations=lists) if lists else None)


def citations_in(raw: MaybeRaw) -> list[msgspec.Raw]:
    """The citations of a block. Empty: there are none that can be read."""
    if not present(raw):
        return []
    try:
        return [msgspec.Raw(msgspec.json.encode(each)) for each in _LISTS.decode(raw)]
    except msgspec.DecodeError:
        return []


def with_text(source: msgspec.Raw, text: str) -> msgspec.Raw:
    """A citation with the text that it stands behind."""
    fields = msgspec.json.decode(source, type=dict[str, msgspec.Raw])
    fields[SUPPORTED] = msgspec.Raw(msgspec.json.encode(text))
    return msgspec.Raw(msgspec.json.encode(fields))


def annotated(sources: Sequence[msgspec.Raw], start: int, end: int) -> list[Annotation]:
    """The citations that have an address, as annotations of a part of the text."""
    found = []
    for each in sources:
        try:
            source = _SOURCES.decode(each)
        except msgspec.DecodeError:
            continue
        if source.url:
            cite = UrlCitation(start_index=start, end_index=end, url=source.url, title=source.title)
            found.append(Annotation(kind="url_citation", url_citation=cite))
    return found
