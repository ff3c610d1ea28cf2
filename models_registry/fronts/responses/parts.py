"""The items of a response while they are made. Each gives the events that tell of a change to it."""

from collections.abc import Callable, Iterator

import msgspec

from models_registry.fronts.responses.tools import CalledAs, custom_input
from models_registry.turns.events import Cited, Refused, Text, Thought
from models_registry.turns.sealed_thinking import UNSIGNED, sealed
from schema.chat import ThinkingBlock
from schema.responses import OutputItem, OutputPart, ResponseEvent, UrlAnnotation
from schema.wire import MaybeRaw, present

IN_PROGRESS, COMPLETED = "in_progress", "completed"
Events = Iterator[ResponseEvent]
MakeEvent = Callable[..., ResponseEvent]
"""Makes an event of a kind and its fields, with the next `sequence_number`."""


class _CitedIndices(msgspec.Struct, frozen=True):
    start_index: int | None = None
    end_index: int | None = None
    url_citation: "_CitedIndices | None" = None


class _ChatLogprobs(msgspec.Struct, frozen=True):
    content: list[msgspec.Raw] | None = None


class OpenMessage:
    """A message with parts: texts and refusals. One part is open at a time."""

    def __init__(self, id: str, index: int, make: MakeEvent) -> None:
        self.id = id
        self.index = index
        self._make = make
        self._parts: list[OutputPart] = []
        self._kind = ""
        """The type of the open part. Empty: none is open."""
        self._text: list[str] = []
        self._logprobs: list[msgspec.Raw] = []
        self._sources: list[Cited] = []

    def item(self, status: str) -> OutputItem:
        return OutputItem(
            id=self.id, kind="message", status=status, role="assistant", content=list(self._parts)
        )

    def text(self, event: Text) -> Events:
        """Go on with a text, or begin a part of its own."""
        if event.begins and self._text:
            yield from self._end_part()
        if not event.text and not event.logprobs:
            return
        yield from self._begin_part("output_text")
        found = logprobs_in(event.logprobs)
        self._text.append(event.text)
        self._logprobs += found
        yield self._tell("response.output_text.delta", delta=event.text, logprobs=found)

    def refusal(self, event: Refused) -> Events:
        """Go on with a refusal."""
        yield from self._begin_part("refusal")
        self._text.append(event.text)
        yield self._tell("response.refusal.delta", delta=event.text)

    def cite(self, event: Cited) -> Events:
        """Add a source to the open text. It is told when the text's length is known."""
        yield from self._begin_part("output_text")
        self._sources.append(event)

    def end(self, status: str) -> Events:
        """Close the message."""
        yield from self._end_part()
        yield self._make("response.output_item.done", output_index=self.index, item=self.item(status))

    def _begin_part(self, kind: str) -> Events:
        if self._kind == kind:
            return
        yield from self._end_part()
        self._kind = kind
        yield self._tell("response.content_part.added", part=self._part())

    def _end_part(self) -> Events:
        kind = self._kind
        if not kind:
            return
        text = "".join(self._text)
        if kind == "refusal":
            yield self._tell("response.refusal.done", refusal=text)
            part = self._part(text)
        else:
            annotations = annotated(self._sources, len(text))
            for place, annotation in enumerate(annotations):
                yield self._tell(
                    "response.output_text.annotation.added", annotation_index=place, annotation=annotation
                )
            yield self._tell("response.output_text.done", text=text, logprobs=self._logprobs)
            part = self._part(text, annotations)
        yield self._tell("response.content_part.done", part=part)
        self._parts.append(part)
        self._kind, self._text, self._logprobs, self._sources = "", [], [], []

    def _part(self, text: str = "", annotations: list[UrlAnnotation] | None = None) -> OutputPart:
        if self._kind == "refusal":
            return OutputPart(kind="refusal", refusal=text)
        return OutputPart(
            kind="output_text", text=text, annotations=annotations or [], logprobs=self._logprobs
        )

    def _tell(self, kind: str, **fields: object) -> ResponseEvent:
        return self._make(
            kind, output_index=self.index, item_id=self.id, content_index=len(self._parts), **fields
        )


class OpenReasoning:
    """A piece of thinking. What clients read of it is its summary; what a provider wants to see again is
    sealed."""

    def __init__(self, id: str, index: int, make: MakeEvent, *, redacted: str = "") -> None:
        """`redacted`: thinking that only its provider can read."""
        self.id = id
        self.index = index
        self._make = make
        self._text: list[str] = []
        self._signature = ""
        self._is_signed = False
        self._redacted = redacted

    @property
    def is_over(self) -> bool:
        """Whether the next piece of thinking is one of its own."""
        return bool(self._signature or self._redacted)

    def item(self, status: str) -> OutputItem:
        text = "".join(self._text)
        summary = [OutputPart(kind="summary_text", text=text)] if text else []
        if status == IN_PROGRESS:
            return OutputItem(id=self.id, kind="reasoning", status=status, summary=[])
        block = self._block(text)
        return OutputItem(
            id=self.id,
            kind="reasoning",
            status=status,
            summary=summary,
            encrypted_content=msgspec.UNSET if block is None else sealed(block),
        )

    def think(self, event: Thought) -> Events:
        """Go on with the thinking."""
        self._is_signed = self._is_signed or event.is_signed
        self._signature = event.signature or self._signature
        if not event.text:
            return
        if not self._text:
            yield self._tell("response.reasoning_summary_part.added", part=_summary(""))
        self._text.append(event.text)
        yield self._tell("response.reasoning_summary_text.delta", delta=event.text)

    def end(self, status: str) -> Events:
        """Close the thinking."""
        if self._text:
            text = "".join(self._text)
            yield self._tell("response.reasoning_summary_text.done", text=text)
            yield self._tell("response.reasoning_summary_part.done", part=_summary(text))
        yield self._make("response.output_item.done", output_index=self.index, item=self.item(status))

    def _block(self, text: str) -> ThinkingBlock | None:
        if self._redacted:
            return ThinkingBlock(kind="redacted_thinking", data=self._redacted)
        if self._signature:
            return ThinkingBlock(kind="thinking", thinking=text, signature=self._signature)
        return ThinkingBlock(kind=UNSIGNED, thinking=text) if text and not self._is_signed else None

    def _tell(self, kind: str, **fields: object) -> ResponseEvent:
        return self._make(kind, output_index=self.index, item_id=self.id, summary_index=0, **fields)


class OpenTool:
    """A call of a function or of a custom tool. The input of a custom tool is told when it is whole, since it
    comes inside of JSON."""

    def __init__(self, id: str, index: int, make: MakeEvent, *, call_id: str, called: CalledAs) -> None:
        self.id = id
        self.index = index
        self._make = make
        self._call_id = call_id
        self._called = called
        self._arguments: list[str] = []

    def item(self, status: str) -> OutputItem:
        text = "".join(self._arguments)
        called = self._called
        item = OutputItem(
            id=self.id,
            kind="custom_tool_call" if called.is_custom else "function_call",
            status=status,
            call_id=self._call_id,
            namespace=called.namespace or msgspec.UNSET,
            name=called.name,
        )
        if called.is_custom:
            return msgspec.structs.replace(item, input=custom_input(text) if text else "")
        return msgspec.structs.replace(item, arguments=text)

    def go_on(self, arguments: str) -> Events:
        """Go on with the arguments."""
        self._arguments.append(arguments)
        if not self._called.is_custom and arguments:
            yield self._tell("response.function_call_arguments.delta", delta=arguments)

    def end(self, status: str) -> Events:
        """Close the call."""
        item = self.item(status)
        if self._called.is_custom:
            yield self._tell("response.custom_tool_call_input.delta", delta=item.input)
            yield self._tell("response.custom_tool_call_input.done", input=item.input)
        else:
            name, text = self._called.name, item.arguments
            yield self._tell("response.function_call_arguments.done", name=name, arguments=text)
        yield self._make("response.output_item.done", output_index=self.index, item=item)

    def _tell(self, kind: str, **fields: object) -> ResponseEvent:
        return self._make(kind, output_index=self.index, item_id=self.id, **fields)


def logprobs_in(raw: MaybeRaw) -> list[msgspec.Raw]:
    """The tokens in chat's `logprobs`."""
    if not present(raw):
        return []
    try:
        return msgspec.json.decode(raw, type=_ChatLogprobs).content or []
    except msgspec.DecodeError:
        return []


def annotated(sources: list[Cited], length: int) -> list[UrlAnnotation]:
    """The sources that have an address, as annotations of a text with so many characters. Where a source does
    not say for which part of the text it stands, it stands for all of it."""
    found = []
    for source in sources:
        if source.url:
            start, end = _indices(source.source, length)
            found.append(UrlAnnotation(url=source.url, title=source.title, start_index=start, end_index=end))
    return found


def _indices(source: msgspec.Raw, length: int) -> tuple[int, int]:
    try:
        said = msgspec.json.decode(source, type=_CitedIndices)
    except msgspec.DecodeError:
        return 0, length
    said = said.url_citation or said
    if said.start_index is None or said.end_index is None:
        return 0, length
    return said.start_index, said.end_index


def _summary(text: str) -> OutputPart:
    return OutputPart(kind="summary_text", text=text)
