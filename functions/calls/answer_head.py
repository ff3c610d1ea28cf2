"""What an answer says of itself, as the client is sent it: its id and the name of its model.

The ledger keeps the id, so that the row is found by it. A provider calls the model by a name of its own: a
snapshot, a deployment of Azure's, a file. The client asked for the gateway's name, and some clients go on
with the name that they are told. So the answer tells the gateway's.
"""

from typing import TypeVar

import msgspec

from models_registry.turns.sse import DONE_DATA, events
from models_registry.turns.stream import Broken
from schema.chat import ChatCompletion
from schema.wire import Wire

MAX_LOOKED_AT = 8
"""How many events of a stream may lack an id or a model before the search ends."""
KEY = b'"model"'
SEPARATORS = (b":", b": ", b" : ")
"""How the name of a field is set apart from its value, the commonest first."""

A = TypeVar("A")


class _Within(msgspec.Struct, gc=False):
    id: str | None = None
    model: str | None = None


class _Named(msgspec.Struct, gc=False):
    """An event. The first ones of Messages and of Responses hold the answer, which has the id and the
    model."""

    id: str | None = None
    model: str | None = None
    message: _Within | None = None
    response: _Within | None = None


_ANSWERS = msgspec.json.Decoder(_Named)
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])


def id_of(answer: ChatCompletion) -> str | None:
    """The id of a whole answer. An answer of another shape has its id in its bytes alone."""
    if answer.id or not answer.wire:
        return answer.id or None
    found = _read(answer.wire)
    return None if found is None else found.id or None


def with_model(answer: A, name: str) -> A:
    """A whole answer that calls its model by this name. Where it does not name a model, nothing changes."""
    if not name or not isinstance(answer, Wire):
        return answer
    theirs = getattr(answer, "model", "")
    if answer.wire:
        found = None if theirs else _read(answer.wire)
        theirs = theirs or (found is not None and found.model) or ""
        if theirs and theirs != name:
            answer.with_wire(_renamed(answer.wire, theirs, name))
    if theirs and theirs != name and getattr(answer, "model", ""):
        msgspec.structs.force_setattr(answer, "model", name)
    return answer


class StreamHead:
    """Looks for the id and the model in the first events of a stream, and puts the gateway's name of the
    model in place of the provider's. Azure's first event has neither."""

    __slots__ = ("_left", "_model", "_name", "_once", "_ours", "_theirs", "id")

    def __init__(self, name: str = "") -> None:
        """`name` is what the client is told that the model is called. Empty: what the provider says."""
        self.id: str | None = None
        self._name = name
        self._model: str | None = None
        self._theirs = self._ours = b""
        """The provider's field and the gateway's, with the names. Empty: there is nothing to change."""
        self._once = False
        """Whether the model stands in the stream once: then what looks like it later is the answer's own
        text."""
        self._left = MAX_LOOKED_AT

    def told(self, out: bytes | Broken) -> bytes | Broken:
        """Whole events, as the client is sent them."""
        if isinstance(out, Broken):
            return out if not out.ahead else msgspec.structs.replace(out, ahead=self._told(out.ahead))
        return self._told(out)

    def failed(self, out: bytes) -> bytes:
        """The event of ours that ends a stream that failed. In Responses it holds the response."""
        if not self._name or not self._model:
            return out
        return out.replace(KEY + b":" + _value(self._model), KEY + b":" + _value(self._name))

    def _told(self, out: bytes) -> bytes:
        if self._left > 0:
            self._look(out)
        theirs = self._theirs
        if not theirs:
            return out
        if self._once:
            self._theirs = b""
            return out.replace(theirs, self._ours, 1)
        return out.replace(theirs, self._ours)

    def _look(self, out: bytes) -> None:
        for event in events(out):
            if event.data is None or event.data == DONE_DATA:
                continue
            self._left -= 1
            found = _read(event.data)
            if found is not None:
                within = found.message or found.response
                self.id = self.id or found.id or (within.id if within is not None else None) or None
                model = found.model or (within.model if within is not None else None)
                if model and self._model is None:
                    self._model, self._once = model, found.message is not None
                    self._rename(event.data, model)
            if self.id is not None and self._model is not None:
                self._left = 0
            if self._left <= 0:
                return

    def _rename(self, data: bytes, theirs: str) -> None:
        if self._name and theirs != self._name:
            self._theirs = _field(data, theirs)
            self._ours = _with_value(self._theirs, self._name)


def _renamed(body: bytes, theirs: str, ours: str) -> bytes:
    """A JSON object whose `model` is `ours`. What else is called `model` in it stays. A body that is no JSON
    stays as it came."""
    if body.count(KEY) == 1:
        field = _field(body, theirs)
        if field:
            return body.replace(field, _with_value(field, ours), 1)
    try:
        fields = _FIELDS.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body  # some provider writes -Infinity
    fields["model"] = msgspec.Raw(_value(ours))
    return msgspec.json.encode(fields)


def _field(data: bytes, model: str) -> bytes:
    """The field `model` as it is written in the data. Empty: it is written in a way of its own."""
    value = _value(model)
    return next((field for field in (KEY + by + value for by in SEPARATORS) if field in data), b"")


def _value(model: str) -> bytes:
    return msgspec.json.encode(model)


def _with_value(field: bytes, model: str) -> bytes:
    return field[: field.find(b'"', len(KEY))] + _value(model) if field else b""


def _read(data: bytes) -> _Named | None:
    try:
        return _ANSWERS.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
