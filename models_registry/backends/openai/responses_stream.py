"""Relays a stream of Responses as it came, in whole events.

Every event is decoded for what the gateway must know: how much the model wrote, the usage, errors, and the
end. The provider's own `response.failed` is sent on, and no other event follows it. An `error` event is not
sent on: the gateway tells the error in its own words, as `response.failed`.
"""

import msgspec

from models_registry.backends.openai.lengths import text_length
from models_registry.backends.openai.responses_usage import AnswerFacts, usage_in
from models_registry.backends.provider_errors import error_inside, error_instead
from models_registry.backends.sse_reading import EventRelaying
from models_registry.backends.tolerance import decoded
from models_registry.target import Target
from models_registry.turns.sse import DONE_DATA, LINE_ENDS, Event, event_frame
from models_registry.turns.stream import CUT
from schema.errors.base import GatewayError
from schema.errors.upstream import UpstreamCut, UpstreamMalformed
from schema.responses import AUTO, NONE_OF_THEM, NOTHING, ErrorEvent, Response, ResponseError, ResponseEvent
from schema.usage import Usage
from schema.wire import ABSENT, MaybeRaw, present

COMPLETE = frozenset({"response.completed", "response.incomplete"})
FAILURE = "response.failed"
CREATED = "response.created"
ERROR = "error"
ITEM = "response.output_item.added"


class _ToolName(msgspec.Struct, frozen=True, gc=False):
    name: MaybeRaw = ABSENT


class _ReadEvent(msgspec.Struct, frozen=True, gc=False, rename={"kind": "type"}):
    kind: str = ""
    sequence_number: int | None = None
    delta: MaybeRaw = ABSENT
    response: AnswerFacts | None = None
    item: _ToolName | None = None


_EVENTS = msgspec.json.Decoder(_ReadEvent)


class ResponsesStream(EventRelaying):
    """Implements AnswerStream."""

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._begins: AnswerFacts | None = None
        """What the provider said of the response at its beginning."""
        self._number = -1
        """The latest `sequence_number`."""
        self._has_told_failure = False
        self.service_tier: str | None = None
        self.usage: Usage | None = None

    def failed(self, error: GatewayError) -> bytes:
        """`response.failed`, or `error` where the response had not begun. Nothing, where the provider told
        the failure itself."""
        if self._has_told_failure:
            return b""
        begins = self._begins
        if begins is None:
            event = ErrorEvent(
                code=error.code, message=error.message, param=error.param, sequence_number=self._number + 1
            )
            return event_frame(ERROR.encode(), msgspec.json.encode(event))
        code = error.code if not error.code.isdigit() else "server_error"
        response = Response(
            id=begins.id or "",
            created_at=int(begins.created_at or 0),
            status="failed",
            model=begins.model or self._target.model,
            error=ResponseError(code=code, message=error.message),
            metadata=NOTHING,
            tool_choice=AUTO,
            tools=NONE_OF_THEM,
        )
        told = ResponseEvent(kind=FAILURE, sequence_number=self._number + 1, response=response)
        return event_frame(FAILURE.encode(), msgspec.json.encode(told))

    def _passes(self, event: Event, kept: list[bytes]) -> bool:
        data = event.data
        if data is None:
            return self._is_comment(event)
        if data.strip() == DONE_DATA:
            before = UpstreamMalformed("The provider ended the stream before it began.")
            raise UpstreamCut(CUT) if self._begun else before
        told = self._decode(data)
        kind = told.kind or event.name or ""
        if kind == ERROR or not kind:
            raise error_instead(data, self._target, "The provider sent an event without a type.")
        if told.sequence_number is not None:
            self._number = told.sequence_number
        response = told.response
        if kind == FAILURE:
            self._fail(event, response, kept)
        self._begun = True
        if told.delta:
            self.produced_bytes += text_length(told.delta)
        elif response is not None:
            self._learn(kind, response)
        elif kind == ITEM and told.item is not None and told.item.name:
            self.produced_bytes += text_length(told.item.name)
        return True

    def _learn(self, kind: str, response: AnswerFacts) -> None:
        if kind == CREATED or self._begins is None:
            self._begins = AnswerFacts(id=response.id, created_at=response.created_at, model=response.model)
        if response.service_tier:
            self.service_tier = response.service_tier
        if kind in COMPLETE:
            self.usage = usage_in(response)
            self.done = True

    def _fail(self, event: Event, response: AnswerFacts | None, kept: list[bytes]) -> None:
        """Raise the error that the provider tells. Once the answer has begun, the client gets the provider's
        own event."""
        if response is not None:
            self.usage = usage_in(response)
        if self._begun:
            kept.append(event.raw.lstrip(LINE_ENDS))
            self._has_told_failure = True
        if response is not None and present(response.error):
            raise error_inside(bytes(response.error), self._target)
        raise UpstreamMalformed("The provider's response failed, and it does not say why.")

    def _decode(self, data: bytes) -> _ReadEvent:
        try:
            if not data.isascii():
                data.decode()
            return decoded(_EVENTS, data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            raise UpstreamMalformed("The provider sent an event that is not one of Responses.") from exc
