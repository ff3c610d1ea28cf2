"""What a response says, as the core's events."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

import msgspec

from models_registry.backends.content import arguments_text, citations_in
from models_registry.backends.signatures import of_openai
from models_registry.backends.tolerance import UNREADABLE
from models_registry.turns.events import (
    AnswerEvent,
    Cited,
    Refused,
    Sealed,
    StopReason,
    Text,
    Thought,
    ToolArguments,
    ToolBegan,
    Unshown,
)
from schema.dialects.openai_responses import AnsweredItem, AnsweredPart
from schema.wire import ABSENT, MaybeRaw, present

COMPLETED, INCOMPLETE = "completed", "incomplete"
CALL, MESSAGE, REASONING = "function_call", "message", "reasoning"
REASONS: Mapping[str, StopReason] = MappingProxyType(
    {"max_output_tokens": StopReason.LENGTH, "content_filter": StopReason.FILTER}
)
NO_LIST = (b"", b"[]")


class _SourceTold(msgspec.Struct, frozen=True):
    url: str = ""
    title: str = ""


_SOURCES = msgspec.json.Decoder(_SourceTold)


def said_events(items: Sequence[AnsweredItem]) -> list[AnswerEvent]:
    """The events of whole items. What the provider's own tools did is not shown: the text tells their
    results."""
    found: list[AnswerEvent] = []
    calls = 0
    for item in items:
        match item.kind:
            case "reasoning":
                found += thought(item)
            case "message":
                found += [event for part in item.content or () for event in _part(part)]
            case "function_call":
                found.append(ToolBegan(calls, item.call_id or "", item.name or ""))
                found.append(ToolArguments(calls, arguments_text(item.arguments)))
                calls += 1
            case _:
                found.append(
                    Unshown(
                        len((item.name or "").encode())
                        + (memoryview(item.arguments).nbytes if item.arguments else 0)
                    )
                )
    return found


def thought(item: AnsweredItem) -> Iterator[AnswerEvent]:
    """Thinking that can be read, and the sealed one that the provider wants back."""
    parts = [part.text for part in (*(item.content or ()), *(item.summary or ())) if part.text]
    if parts:
        yield Thought("\n\n".join(parts))
    if item.encrypted_content:
        yield Sealed(of_openai(item.encrypted_content))


def _part(part: AnsweredPart) -> Iterator[AnswerEvent]:
    if part.kind == "refusal":
        yield Refused(part.refusal or "")
    elif part.text is not None:
        yield Text(part.text, logprobs=logprobs_of(part.logprobs), begins=True)
        yield from map(cited, citations_in(part.annotations))


def cited(source: msgspec.Raw) -> Cited:
    """A source. An annotation of another shape keeps its fields, and names no address."""
    try:
        found = _SOURCES.decode(source)
    except UNREADABLE:
        found = _SourceTold()
    return Cited(source, url=found.url, title=found.title)


def logprobs_of(raw: MaybeRaw) -> MaybeRaw:
    """Log probabilities in the form of chat."""
    if not present(raw) or bytes(raw).strip() in NO_LIST:
        return ABSENT
    return msgspec.Raw(b'{"content":' + bytes(raw) + b',"refusal":null}')


def stop_reason(status: str | None, why: str | None, *, calls: bool) -> StopReason:
    """Why an answer ended. `why` is that of an answer that is not complete."""
    if status == INCOMPLETE:
        return REASONS.get(why or "", StopReason.LENGTH)
    return StopReason.TOOLS if calls else StopReason.END
