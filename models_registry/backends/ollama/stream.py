"""Ollama's NDJSON stream as the core's events.

A line holds a piece of text, a piece of thinking, or whole tool calls. The line with `done` has the counts
and ends the stream. A stream without such a line was cut.
"""

from models_registry.backends.ndjson import LineCutter
from models_registry.backends.ollama.answer import decode_answer, message_events, stop_reason, usage_of
from models_registry.backends.ollama.forcing import ForcedAnswer
from models_registry.target import Target
from models_registry.turns.events import AnswerEvent, Began, Counted, Stopped, ToolBegan
from models_registry.turns.facts import CallFacts
from models_registry.turns.sse import MAX_FRAME_BYTES
from models_registry.turns.stream import CUT, EMPTY, Parsed
from schema.errors.base import Told
from schema.errors.upstream import UpstreamCut, UpstreamError, UpstreamMalformed
from schema.usage import Usage


class OllamaParser:
    """Implements EventParser."""

    service_tier: str | None = None

    def __init__(self, target: Target, facts: CallFacts, forced: ForcedAnswer | None = None) -> None:
        """`forced` makes calls of the text, where the model had to call a tool."""
        self._target = target
        self._facts = facts
        self._forced = forced
        self._cutter = LineCutter(MAX_FRAME_BYTES)
        self._begun = False
        self._calls = 0
        self.usage: Usage | None = None
        self.done = False

    def feed(self, data: bytes) -> Parsed:
        """See EventParser."""
        if self.done:
            return Parsed(())
        try:
            lines = self._cutter.feed(data)
        except UpstreamError as error:
            return Parsed((), Told.of(error))
        return self._lines(lines)

    def close(self) -> Parsed:
        """See EventParser."""
        if self.done:
            return Parsed(())
        parsed = self._lines(self._cutter.close())
        if parsed.failure is not None:
            if self._begun and parsed.failure.kind is UpstreamMalformed:
                cut = UpstreamCut("The provider's stream broke off in the middle of a line.")
                return Parsed((), Told.of(cut))
            return parsed
        if self.done:
            return parsed
        if not self._begun:
            return Parsed((), Told.of(UpstreamMalformed(EMPTY)))
        cut = UpstreamCut(CUT)
        return Parsed(parsed.events, Told.of(cut))

    def _lines(self, lines: list[bytes]) -> Parsed:
        found: list[AnswerEvent] = []
        try:
            for line in lines:
                if not self.done:
                    self._line(line, found)
        except UpstreamError as error:
            return Parsed(self._told(found), Told.of(error))
        return Parsed(self._told(found))

    def _told(self, events: list[AnswerEvent]) -> list[AnswerEvent]:
        return events if self._forced is None else self._forced.calls(events)

    def _line(self, line: bytes, found: list[AnswerEvent]) -> None:
        answer = decode_answer(line, self._target)
        if not self._begun:
            self._begun = True
            found.append(Began())
        said = message_events(answer, self._calls, self._facts.request_id)
        self._calls += sum(isinstance(each, ToolBegan) for each in said)
        found += said
        if answer.done:
            self.done = True
            self.usage = usage_of(answer)
            found.append(Stopped(stop_reason(answer, called_tools=self._calls > 0)))
            if self.usage is not None:
                found.append(Counted(self.usage))
