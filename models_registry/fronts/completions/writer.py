"""Writes a translated stream as chunks of legacy completions. Each of them has `text`, since clients read it
without a check."""

import msgspec

from models_registry.fronts.openai_words import LEGACY_REASONS, NULL, to_wire
from models_registry.turns.events import AnswerEvent, Began, Counted, Pinged, Refused, Stopped, Text
from models_registry.turns.sse import DONE, PING, failure_frame, frame
from schema.chat import WireUsage
from schema.completions import Completion, CompletionChoice
from schema.errors.base import GatewayError
from schema.usage import Usage

_ENCODER = msgspec.json.Encoder()


class CompletionsWriter:
    """Implements EventWriter. Thinking, tools and sources have no place in this form: the client is not told
    of them. `echo` stands before the answer's text."""

    def __init__(self, *, id: str, created: int, model: str, echo: str, include_usage: bool) -> None:
        self._id = id
        self._created = created
        self._model = model
        self._echo = echo
        self._include_usage = include_usage
        self._usage: Usage | None = None

    def write(self, event: AnswerEvent) -> bytes:
        """See EventWriter."""
        match event:
            case Text() | Refused():
                return self._chunk(event.text) if event.text else b""
            case Began():
                self._id, self._model = event.id or self._id, event.model or self._model
                return self._chunk(self._echo)
            case Stopped():
                return self._chunk("", finish_reason=LEGACY_REASONS[event.reason])
            case Counted():
                self._usage = event.usage
            case Pinged():
                return PING
        return b""

    def end(self) -> bytes:
        """The usage chunk where one is wanted, and `[DONE]`."""
        if not self._include_usage or self._usage is None:
            return DONE
        return self._frame([], to_wire(self._usage)) + DONE

    def failed(self, error: GatewayError) -> bytes:
        return failure_frame(error)

    def _chunk(self, text: str, *, finish_reason: str | None = None) -> bytes:
        return self._frame([CompletionChoice(logprobs=NULL, text=text, finish_reason=finish_reason)], None)

    def _frame(self, choices: list[CompletionChoice], usage: WireUsage | None) -> bytes:
        chunk = Completion(
            id=self._id,
            object="text_completion",
            created=self._created,
            model=self._model,
            choices=choices,
            usage=usage,
        )
        return frame(_ENCODER.encode(chunk))
