"""Cohere's stream of typed events as the core's. Usage and the reason come with `message-end`, which alone
ends a stream. Unknown events are skipped."""

from typing import TypeVar

import msgspec

from models_registry.backends.cohere.answer import cited, stop_reason
from models_registry.backends.cohere.usage import logprobs_in, usage_in
from models_registry.backends.content import citations_in
from models_registry.backends.provider_errors import error_instead
from models_registry.backends.sse_reading import EventReading
from models_registry.backends.tolerance import decoded
from models_registry.target import Target
from models_registry.turns.events import (
    AnswerEvent,
    Began,
    Counted,
    Stopped,
    Text,
    Thought,
    ToolArguments,
    ToolBegan,
)
from schema.dialects.cohere import CohereDelta, CohereEvent, CohereSaidPiece, CohereToolCall
from schema.errors.upstream import UpstreamMalformed
from schema.usage import Usage
from schema.wire import ABSENT, MaybeRaw, present

DONE = b"[DONE]"
NO_EVENT = "The provider sent an event that is not one of its API."
_EVENTS = msgspec.json.Decoder(CohereEvent)
S = TypeVar("S", bound=msgspec.Struct)


class _ContentPiece(msgspec.Struct, frozen=True, rename={"kind": "type"}):
    """A piece of the content. Only its first event says the type."""

    kind: str = ""
    text: str | None = None
    thinking: str | None = None


_PIECES = msgspec.json.Decoder(_ContentPiece)
_CALLS = msgspec.json.Decoder(CohereToolCall)
SAYING = ("content-", "tool-", "citation-", "message-")
"""How the kinds of events begin that belong to a message."""


class CohereParser(EventReading):
    """Implements EventParser."""

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._usage: Usage | None = None
        self._tools = 0
        self._has_arguments = False
        """Whether the open tool call has had arguments."""

    @property
    def usage(self) -> Usage | None:
        return self._usage

    @property
    def service_tier(self) -> str | None:
        return None

    def _translate(self, data: bytes, found: list[AnswerEvent]) -> None:
        if data.strip() == DONE:
            return
        event = self._read_as(_EVENTS, data, data)
        delta = event.delta or CohereDelta()
        if event.kind == "error" or present(event.error):
            raise error_instead(data, self._target, "The provider sent an error.")
        if event.kind == "message-start" and not self._begun:
            self._begun = True
            found.append(Began(id=event.id or ""))
        elif not self._begun:
            if event.kind.startswith(SAYING):
                raise UpstreamMalformed("The provider's stream did not begin with 'message-start'.")
            if not event.kind:
                raise error_instead(data, self._target, NO_EVENT)
        elif event.kind == "message-end":
            self._end(delta, found)
        else:
            self._say(event, delta.message or CohereSaidPiece(), data, found)

    def _end(self, delta: CohereDelta, found: list[AnswerEvent]) -> None:
        self._usage = usage_in(delta.usage)
        if present(delta.error):
            told = b'{"error":' + bytes(delta.error) + b"}"
            raise error_instead(told, self._target, "The provider ended its answer with an error.")
        found.append(Stopped(stop_reason(delta.finish_reason)))
        self.done = True
        if self._usage is not None:
            found.append(Counted(self._usage))

    def _say(self, event: CohereEvent, said: CohereSaidPiece, data: bytes, found: list[AnswerEvent]) -> None:
        match event.kind:
            case "content-start" | "content-delta":
                piece = self._piece(said.content, data)
                if piece.thinking:
                    found.append(Thought(piece.thinking))
                elif event.kind == "content-start" and piece.kind == "text":
                    found.append(Text(piece.text or "", begins=True))
                elif piece.text:
                    found.append(Text(piece.text, logprobs_in(event.logprobs, piece.text)))
            case "tool-plan-delta" if said.tool_plan:
                found.append(Thought(said.tool_plan))
            case "tool-call-start":
                call = self._read_as(_CALLS, said.tool_calls, data)
                found.append(ToolBegan(self._tools, call.id, call.function.name))
                self._tools += 1
                self._has_arguments = False
                self._argue(call, found)
            case "tool-call-delta" if self._tools:
                self._argue(self._read_as(_CALLS, said.tool_calls, data), found)
            case "tool-call-end" if self._tools and not self._has_arguments:
                found.append(ToolArguments(self._tools - 1, "{}"))
            case "citation-start" if present(said.citations):
                found += [cited(each) for each in citations_in(_listed(said.citations))]

    def _argue(self, call: CohereToolCall, found: list[AnswerEvent]) -> None:
        if call.function.arguments:
            self._has_arguments = True
            found.append(ToolArguments(self._tools - 1, call.function.arguments))

    def _piece(self, raw: MaybeRaw, data: bytes) -> _ContentPiece:
        return self._read_as(_PIECES, raw, data) if present(raw) else _ContentPiece()

    def _read_as(self, decoder: "msgspec.json.Decoder[S]", raw: MaybeRaw | bytes, data: bytes) -> S:
        """A part of an event. `data` is the whole of it. Raises the error that it tells, or
        UpstreamMalformed."""
        try:
            return decoded(decoder, b"{}" if raw is ABSENT else bytes(raw))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            raise error_instead(data, self._target, NO_EVENT) from exc


def _listed(raw: MaybeRaw) -> MaybeRaw:
    """Citations as a list: an event has one alone."""
    if not present(raw) or bytes(raw)[:1] == b"[":
        return raw
    return msgspec.Raw(b"[" + bytes(raw) + b"]")
