"""The id of an answer, as the client is sent it. The ledger keeps it, so that the row is found by it."""

import msgspec

from models_registry.turns.sse import DONE_DATA, events
from schema.chat import ChatCompletion

MAX_LOOKED_AT = 8
"""How many events of a stream may lack an id before the search ends."""


class _Within(msgspec.Struct, gc=False):
    id: str | None = None


class _Named(msgspec.Struct, gc=False):
    """An event. The first ones of Messages and of Responses hold the answer, which has the id."""

    id: str | None = None
    message: _Within | None = None
    response: _Within | None = None


_ANSWERS = msgspec.json.Decoder(_Named)


def id_of(answer: ChatCompletion) -> str | None:
    """The id of a whole answer. An answer of another shape has its id in its bytes alone."""
    return answer.id or (_id_in(answer.wire) if answer.wire else None)


class StreamId:
    """Looks for the id in the first events of a stream. Azure's first event has an empty one."""

    __slots__ = ("_left", "id")

    def __init__(self) -> None:
        self.id: str | None = None
        self._left = MAX_LOOKED_AT

    @property
    def found(self) -> bool:
        """Whether the id is known, or the search is over."""
        return self.id is not None or self._left <= 0

    def look(self, sent: bytes) -> None:
        """Look at whole events, as they are sent to the client."""
        if self.found:
            return
        for event in events(sent):
            if event.data is None or event.data == DONE_DATA:
                continue
            self.id = _id_in(event.data)
            self._left -= 1
            if self.found:
                return


def _id_in(data: bytes) -> str | None:
    try:
        found = _ANSWERS.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    within = found.message or found.response
    return found.id or (within.id if within is not None else None) or None
