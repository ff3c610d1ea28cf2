"""Google's stream as the core's events.

Each event is an answer with the new parts alone, and with the usage so far. Nothing marks the end: a stream
that has a `finishReason` is complete when its bytes end. A stream without one was cut.
"""

import msgspec

from models_registry.backends.gemini.answer import AnswerReader, blocked, decode_answer, first_candidate
from models_registry.backends.gemini.usage import usage_in
from models_registry.backends.provider_errors import error_instead
from models_registry.target import Target
from models_registry.turns.events import AnswerEvent, Began, Counted, Stopped, StopReason
from models_registry.turns.facts import CallFacts
from models_registry.turns.sse import LINE_ENDS, MAX_FRAME_BYTES, EventCutter, events
from models_registry.turns.stream import Parsed
from schema.dialects.gemini import GenerateAnswer
from schema.errors import Told, UpstreamCut, UpstreamError, UpstreamMalformed
from schema.usage import Usage

NO_EVENTS: tuple[AnswerEvent, ...] = ()


class GeminiParser:
    """Implements EventParser."""

    def __init__(self, target: Target, facts: CallFacts) -> None:
        self._target = target
        self._cutter = EventCutter(MAX_FRAME_BYTES)
        self._reader = AnswerReader(facts.request_id, target)
        self._begun = False
        self._reason: StopReason | None = None
        self._usage: Usage | None = None
        self.done = False

    @property
    def usage(self) -> Usage | None:
        """The usage so far. Before the end only the input is sure, so it is an estimate."""
        usage = self._usage
        if usage is None or self._reason is not None:
            return usage
        return msgspec.structs.replace(usage, estimated=True, input_reported=usage.prompt_tokens > 0)

    @property
    def service_tier(self) -> str | None:
        return None if self._usage is None else self._usage.service_tier

    def feed(self, data: bytes) -> Parsed:
        """See EventParser."""
        if self.done:
            return Parsed(NO_EVENTS)
        found: list[AnswerEvent] = []
        try:
            self._read(self._cutter.feed(data), found)
        except UpstreamError as error:
            return Parsed(found, Told.of(error))
        return Parsed(found)

    def close(self) -> Parsed:
        """See EventParser. The last event needs no empty line after it."""
        if self.done:
            return Parsed(NO_EVENTS)
        rest = self._cutter.close()
        if not self._begun and rest.lstrip()[:1] in (b"{", b"["):
            otherwise = "The provider answered with something else than a stream."
            return Parsed(NO_EVENTS, Told.of(error_instead(rest, self._target, otherwise)))
        found: list[AnswerEvent] = []
        try:
            self._read(rest.strip(LINE_ENDS) + b"\n\n", found)
        except UpstreamMalformed:
            pass  # an event that is not whole tells nothing: the stream was cut
        except UpstreamError as error:
            return Parsed(found, Told.of(error))
        if not self._begun:
            return Parsed(found, Told.of(UpstreamMalformed("The provider answered with an empty stream.")))
        if self._reason is None:
            cut = UpstreamCut("The provider's stream broke off before it was complete.")
            return Parsed(found, Told.of(cut))
        self.done = True
        found.append(Stopped(self._reason))
        if self._usage is not None:
            found.append(Counted(self._usage))
        return Parsed(found)

    def _read(self, block: bytes, found: list[AnswerEvent]) -> None:
        for event in events(block):
            if event.data is not None:
                self._translate(decode_answer(event.data, self._target), found)

    def _translate(self, answer: GenerateAnswer, found: list[AnswerEvent]) -> None:
        self._usage = usage_in(answer.usage_metadata) or self._usage
        said: list[AnswerEvent] = []
        candidate = first_candidate(answer)
        if candidate is not None and self._reason is None:
            said = self._reader.events(candidate)
            self._reason = self._reader.reason(candidate)
        elif candidate is None and blocked(answer):
            self._reason = StopReason.FILTER
        if not self._begun:
            self._begun = True
            found.append(
                Began(id=answer.response_id or "", model=answer.model_version or "", usage=self.usage)
            )
        found += said
