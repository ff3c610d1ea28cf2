"""A stream of Responses as the core's events. `response.completed` or `response.incomplete` alone ends it.
Unknown events are skipped."""

from typing import TypeVar

import msgspec

from models_registry.backends.content import arguments_text
from models_registry.backends.openai.bridge.answer import CALL, REASONING, cited, logprobs_of, stop_reason
from models_registry.backends.openai.responses_usage import AnswerFacts, usage_in
from models_registry.backends.provider_errors import error_inside, error_instead
from models_registry.backends.signatures import of_openai
from models_registry.backends.sse_reading import EventReading
from models_registry.backends.tolerance import decoded
from models_registry.target import Target
from models_registry.turns.events import (
    AnswerEvent,
    Began,
    Counted,
    Pinged,
    Refused,
    Sealed,
    Stopped,
    Text,
    Thought,
    ToolArguments,
    ToolBegan,
    Unshown,
)
from models_registry.turns.sse import DONE_DATA
from schema.dialects.openai_responses import AnsweredEvent, AnsweredItem, AnsweredOutput
from schema.errors.upstream import UpstreamCut, UpstreamMalformed
from schema.usage import Usage
from schema.wire import ABSENT, MaybeRaw, present

NO_EVENT = "The provider sent an event that is not one of Responses."
COMPLETE = frozenset({"response.completed", "response.incomplete"})
MAX_ITEMS = 1024
"""How many tool calls of one answer are kept apart."""
_EVENTS = msgspec.json.Decoder(AnsweredEvent)
_FACTS = msgspec.json.Decoder(AnswerFacts)
_OUTPUTS = msgspec.json.Decoder(AnsweredOutput)
S = TypeVar("S", bound=msgspec.Struct)


class _OpenCall(msgspec.Struct, gc=False):
    index: int
    has_arguments: bool = False


class ResponsesParser(EventReading):
    """Implements EventParser."""

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._usage: Usage | None = None
        self._tier: str | None = None
        self._calls: dict[int, _OpenCall] = {}
        """The tool calls, by their places in the output."""
        self._told_thinking: set[tuple[int, int]] = set()
        """The pieces of summaries that were told, by their places."""

    @property
    def usage(self) -> Usage | None:
        return self._usage

    @property
    def service_tier(self) -> str | None:
        return self._tier

    def _translate(self, data: bytes, found: list[AnswerEvent]) -> None:
        if data.strip() == DONE_DATA:
            raise UpstreamCut("The provider's stream ended without its last event.")
        event = self._read_as(_EVENTS, data, data)
        kind = event.kind
        if kind == "error" or not kind:
            raise error_instead(data, self._target, "The provider sent an event without a type.")
        if kind == "response.failed":
            self._fail(event, data)
        if kind == "response.created":
            self._begin(event, data, found)
        elif kind in COMPLETE:
            self._end(event, data, found)
        elif not self._begun:
            if kind.startswith("response.output") or kind.startswith("response.content"):
                raise UpstreamMalformed("The provider's stream did not begin with 'response.created'.")
        elif kind == "keepalive":
            found.append(Pinged())
        else:
            self._say(event, found)

    def _begin(self, event: AnsweredEvent, data: bytes, found: list[AnswerEvent]) -> None:
        if self._begun:
            return
        facts = self._facts(event, data)
        self._begun = True
        found.append(Began(id=facts.id or "", model=facts.model or "", created=int(facts.created_at or 0)))

    def _end(self, event: AnsweredEvent, data: bytes, found: list[AnswerEvent]) -> None:
        self._begin(event, data, found)
        facts = self._facts(event, data)
        why = self._read_as(_OUTPUTS, event.response, data).incomplete_details
        self._usage = usage_in(facts)
        self._tier = facts.service_tier or self._tier
        reason = stop_reason(facts.status, why.reason if why else None, calls=bool(self._calls))
        found.append(Stopped(reason))
        self.done = True
        if self._usage is not None:
            found.append(Counted(self._usage))

    def _fail(self, event: AnsweredEvent, data: bytes) -> None:
        facts = self._facts(event, data)
        self._usage = usage_in(facts)
        if present(facts.error):
            raise error_inside(bytes(facts.error), self._target)
        raise UpstreamMalformed("The provider's response failed, and it does not say why.")

    def _say(self, event: AnsweredEvent, found: list[AnswerEvent]) -> None:
        place, delta = event.output_index, event.delta or ""
        match event.kind:
            case "response.content_part.added":
                found.append(Text("", begins=True))
            case "response.output_text.delta":
                found.append(Text(delta, logprobs=logprobs_of(event.logprobs)))
            case "response.output_text.annotation.added" if present(event.annotation):
                found.append(cited(event.annotation))
            case "response.refusal.delta":
                found.append(Refused(delta))
            case "response.reasoning_text.delta" | "response.reasoning_summary_text.delta":
                found.append(Thought(self._gap(place, event) + delta))
            case "response.output_item.added" if event.item is not None:
                self._open(place, event.item, found)
            case "response.function_call_arguments.delta" if place in self._calls:
                self._argue(place, delta, found)
            case "response.output_item.done" if event.item is not None:
                self._close(place, event.item, found)
            case "response.custom_tool_call_input.delta" | "response.code_interpreter_call_code.delta":
                found.append(Unshown(len(delta.encode())))

    def _gap(self, place: int, event: AnsweredEvent) -> str:
        """What stands between two pieces of thinking."""
        if not self._told_thinking:
            self._told_thinking.add((place, event.summary_index))
            return ""
        if (place, event.summary_index) in self._told_thinking:
            return ""
        self._told_thinking.clear()
        self._told_thinking.add((place, event.summary_index))
        return "\n\n"

    def _open(self, place: int, item: AnsweredItem, found: list[AnswerEvent]) -> None:
        if item.kind != CALL or place in self._calls:
            return
        if len(self._calls) >= MAX_ITEMS:
            raise UpstreamMalformed(f"The provider's answer has more than {MAX_ITEMS} tool calls.")
        self._calls[place] = _OpenCall(len(self._calls))
        found.append(ToolBegan(self._calls[place].index, item.call_id or "", item.name or ""))
        if item.arguments:
            begun = arguments_text(item.arguments)
            self._argue(place, begun if begun != "{}" else "", found)

    def _argue(self, place: int, text: str, found: list[AnswerEvent]) -> None:
        call = self._calls[place]
        if text:
            call.has_arguments = True
            found.append(ToolArguments(call.index, text))

    def _close(self, place: int, item: AnsweredItem, found: list[AnswerEvent]) -> None:
        if item.kind == CALL:
            self._open(place, item, found)
            if not self._calls[place].has_arguments:
                self._argue(place, arguments_text(item.arguments), found)
        elif item.kind == REASONING and item.encrypted_content:
            found.append(Sealed(of_openai(item.encrypted_content)))

    def _facts(self, event: AnsweredEvent, data: bytes) -> AnswerFacts:
        return self._read_as(_FACTS, event.response, data)

    def _read_as(self, decoder: "msgspec.json.Decoder[S]", raw: MaybeRaw | bytes, data: bytes) -> S:
        """A part of an event. `data` is the whole of it. Raises the error that it tells, or
        UpstreamMalformed."""
        try:
            if not data.isascii():
                data.decode()
            return decoded(decoder, b"{}" if raw is ABSENT or raw == b"null" else bytes(raw))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            raise error_instead(data, self._target, NO_EVENT) from exc
