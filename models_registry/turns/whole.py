"""An answer's events put together: neighbouring pieces of one kind become one part."""

from collections.abc import Iterable

import msgspec

from models_registry.turns.events import (
    AnswerEvent,
    Began,
    Cited,
    Counted,
    Media,
    Refused,
    Sealed,
    Stopped,
    StopReason,
    Text,
    Thought,
    ToolArguments,
    ToolBegan,
)
from schema.usage import Usage
from schema.wire import present


class TextPart(msgspec.Struct, gc=False):
    text: str
    logprobs: list[msgspec.Raw] = []
    """OpenAI's objects, one for each piece that has one."""
    sources: list[Cited] = []


class RefusalPart(msgspec.Struct, gc=False):
    text: str


class ThoughtPart(msgspec.Struct, gc=False):
    text: str
    signature: str = ""
    is_signed: bool = False


class ToolPart(msgspec.Struct, gc=False):
    id: str
    name: str
    arguments: str = ""
    """JSON as text."""


AnswerPart = TextPart | RefusalPart | ThoughtPart | Sealed | ToolPart | Media


class WholeAnswer(msgspec.Struct):
    """An answer in parts, in the order in which they began."""

    parts: list[AnswerPart] = []
    id: str = ""
    model: str = ""
    created: int = 0
    reason: StopReason = StopReason.END
    sequence: str | None = None
    usage: Usage | None = None


def whole_of(events: Iterable[AnswerEvent]) -> WholeAnswer:
    """The answer that these events are."""
    whole = WholeAnswer()
    tools: dict[int, ToolPart] = {}
    for event in events:
        match event:
            case Began():
                whole.id, whole.model, whole.created = event.id, event.model, event.created
            case Stopped():
                whole.reason, whole.sequence = event.reason, event.sequence
            case Counted():
                whole.usage = event.usage
            case ToolBegan():
                tools[event.index] = ToolPart(event.id, event.name)
                whole.parts.append(tools[event.index])
            case ToolArguments():
                tools[event.index].arguments += event.text
            case _:
                _extend(whole.parts, event)
    return whole


def _extend(parts: list[AnswerPart], event: AnswerEvent) -> None:
    last = parts[-1] if parts else None
    match event:
        case Text() | Refused() if not event.text and _stands_open(last) and not _has_logprobs(event):
            pass  # nothing was said, so the thinking goes on, as in a stream
        case Text():
            if isinstance(last, TextPart) and not event.begins:
                last.text += event.text
            else:
                last = TextPart(event.text)
                parts.append(last)
            if present(event.logprobs) and event.logprobs:
                last.logprobs.append(event.logprobs)
        case Refused():
            if isinstance(last, RefusalPart):
                last.text += event.text
            else:
                parts.append(RefusalPart(event.text))
        case Thought():
            if isinstance(last, ThoughtPart) and not last.signature:
                last.text += event.text
                last.signature = event.signature
            else:
                parts.append(ThoughtPart(event.text, event.signature, event.is_signed))
        case Cited():
            if not isinstance(last, TextPart):
                last = TextPart("")
                parts.append(last)
            last.sources.append(event)
        case Sealed() | Media():
            parts.append(event)


def _has_logprobs(event: Text | Refused) -> bool:
    return isinstance(event, Text) and bool(event.logprobs)


def _stands_open(part: AnswerPart | None) -> bool:
    """Whether a part is thinking that may still get its signature."""
    return isinstance(part, ThoughtPart) and part.is_signed and not part.signature
