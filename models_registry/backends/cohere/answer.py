"""Cohere's whole answers as the core's events, and its citations."""

import msgspec

from models_registry.backends.cohere.usage import BROKEN, STOP_REASONS
from models_registry.backends.content import citations_in
from models_registry.backends.provider_errors import error_instead
from models_registry.backends.tolerance import UNREADABLE, decoded
from models_registry.target import Target
from models_registry.turns.events import (
    AnswerEvent,
    Cited,
    StopReason,
    Text,
    Thought,
    ToolArguments,
    ToolBegan,
)
from schema.dialects.cohere import CohereAnswer, CoherePart, CohereSaid, CohereToolCall
from schema.errors.upstream import UpstreamCut
from schema.wire import present

_ANSWERS = msgspec.json.Decoder(CohereAnswer)


class _CohereDocument(msgspec.Struct, frozen=True):
    title: str | None = None
    url: str | None = None


class _CohereSource(msgspec.Struct, frozen=True):
    document: _CohereDocument | None = None


class _Citation(msgspec.Struct, frozen=True):
    sources: list[_CohereSource] | None = None


_CITATIONS = msgspec.json.Decoder(_Citation)


def decode_answer(body: bytes, target: Target) -> CohereAnswer:
    """A whole answer. Raises UpstreamMalformed for a body that is no answer, and the mapped error for an
    error in a 200."""
    try:
        answer = decoded(_ANSWERS, body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        otherwise = f"The provider's answer is not one of its chat: {exc}"
        raise error_instead(body, target, otherwise) from exc
    if present(answer.error):
        raise error_instead(body, target, "The provider's answer is an error.")
    return answer


def said_events(said: CohereSaid) -> list[AnswerEvent]:
    """What the message says: thinking and text, citations, the plan for tools, calls."""
    found: list[AnswerEvent] = []
    for part in said.content or ():
        found += part_events(part, begins=True)
    found += [cited(each) for each in citations_in(said.citations)]
    if said.tool_plan:
        found.append(Thought(said.tool_plan))
    for index, call in enumerate(said.tool_calls or ()):
        found += [ToolBegan(index, call.id, call.function.name), arguments_of(index, call)]
    return found


def part_events(part: CoherePart, *, begins: bool) -> list[AnswerEvent]:
    """A piece of the content. One without text says nothing."""
    if part.thinking:
        return [Thought(part.thinking)]
    return [Text(part.text, begins=begins)] if part.text else []


def arguments_of(index: int, call: CohereToolCall) -> ToolArguments:
    return ToolArguments(index, call.function.arguments or "{}")


def stop_reason(said: str | None) -> StopReason:
    """Cohere's reason. One that is not known yet becomes `END`. Raises UpstreamCut for an answer that broke
    off."""
    if said in BROKEN:
        raise UpstreamCut(f"The provider broke its answer off ({said}).")
    return STOP_REASONS.get(said or "", StopReason.END)


def cited(source: msgspec.Raw) -> Cited:
    """A citation as the core has it, with the address of its first document."""
    try:
        sources = _CITATIONS.decode(source).sources or []
    except UNREADABLE:
        sources = []
    document = next((each.document for each in sources if each.document is not None), _CohereDocument())
    return Cited(source, document.url or "", document.title or "")
