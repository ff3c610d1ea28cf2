"""Writes a translated stream as the events of Responses."""

import msgspec

from models_registry.fronts.responses.composer import Composer
from models_registry.fronts.responses.failures import error_frame, response_error
from models_registry.turns.events import AnswerEvent, Began, Pinged
from models_registry.turns.sse import PING, event_frame
from schema.errors.base import GatewayError
from schema.responses import ResponseEvent

_ENCODER = msgspec.json.Encoder()


class ResponsesWriter:
    """Implements EventWriter."""

    def __init__(self, composer: Composer) -> None:
        self._composer = composer
        self._has_begun = False

    def write(self, event: AnswerEvent) -> bytes:
        """See EventWriter."""
        if isinstance(event, Pinged):
            return PING
        self._has_begun = self._has_begun or isinstance(event, Began)
        return b"".join(map(_framed, self._composer.add(event)))

    def end(self) -> bytes:
        """`response.completed` or `response.incomplete`, with the whole response."""
        return b"".join(map(_framed, self._composer.ended()))

    def failed(self, error: GatewayError) -> bytes:
        """`response.failed`, with what there is of the response."""
        if not self._has_begun:
            return error_frame(error)
        return _framed(self._composer.failed(response_error(error)))


def _framed(event: ResponseEvent) -> bytes:
    return event_frame(event.kind.encode(), _ENCODER.encode(event))
