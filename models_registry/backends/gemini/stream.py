"""Google's stream as the core's events.

Each event is an answer with the new parts alone, and with the usage so far. Nothing marks the end: a stream
that has a `finishReason` is complete when its bytes end. A stream without one was cut.
"""

import msgspec

from models_registry.backends.gemini.answer import AnswerReader, blocked, decode_answer, first_candidate
from models_registry.backends.gemini.usage import usage_in
from models_registry.backends.sse_reading import EventReading
from models_registry.target import Target
from models_registry.turns.events import AnswerEvent, Began, Counted, Stopped, StopReason
from models_registry.turns.facts import CallFacts
from schema.usage import Usage


class GeminiParser(EventReading):
    """Implements EventParser."""

    def __init__(self, target: Target, facts: CallFacts) -> None:
        super().__init__(target)
        self._reader = AnswerReader(facts.request_id, target)
        self._reason: StopReason | None = None
        self._usage: Usage | None = None

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

    def _ended(self, found: list[AnswerEvent]) -> bool:
        if self._reason is None:
            return False
        self.done = True
        found.append(Stopped(self._reason))
        if self._usage is not None:
            found.append(Counted(self._usage))
        return True

    def _translate(self, data: bytes, found: list[AnswerEvent]) -> None:
        answer = decode_answer(data, self._target)
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
