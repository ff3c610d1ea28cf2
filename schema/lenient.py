"""Bodies of management calls as forms and scripts write them, and answers as scripts read them.

A number may be a text (`"rpm_limit": "3"`), and an empty text where a number or a date is meant clears the
field as null does. A body that is right as it stands is not touched: this is for a body that was refused for
a wrong type. Bodies of model calls are not read so, since they go on to providers with their bytes.
"""

from typing import Generic

import msgspec

from schema.shape import check_shape
from schema.wire import W, Wire, fields_of, to_json, typed_body

ROW = "data"
"""The field of an answer that has the row after a change: `{"team_id": ..., "data": {...}}`."""
_NULL_TEXT = b'"null"'
"""A text that a lenient decoder would take for null. No text but the empty one clears a field."""
_EMPTY = b'""'
_NULL = msgspec.Raw(b"null")
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])


class LenientDecoder(Generic[W]):
    """Decodes the bodies of one kind of request."""

    def __init__(self, kind: type[W]) -> None:
        self._decoder = msgspec.json.Decoder(kind, strict=False)
        self._types = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}

    def decode(self, body: bytes) -> W | None:
        """The request in a body. None: it stands for nothing else than it says. Raises InvalidRequest."""
        if _NULL_TEXT in body.lower():
            return None
        raw = dict(fields_of(body, check_shape(body)))
        for name, value in raw.items():
            if bytes(value) == _EMPTY and name in self._types and self._is_cleared(name):
                raw[name] = _NULL
        return typed_body(self._decoder, msgspec.json.encode(raw), raw)

    def _is_cleared(self, name: str) -> bool:
        """Whether a field takes null and no text."""
        return not _takes("", self._types[name]) and _takes(None, self._types[name])


def echoed(answer: msgspec.Struct, request: Wire) -> dict[str, msgspec.Raw]:
    """The answer's fields, and those of the body that the answer has not, as they were sent. Where the answer
    has the changed row as `data`, they stand in it."""
    declared = set(request.__struct_encode_fields__)
    fields = _FIELDS.decode(to_json(answer))
    row = _FIELDS.decode(fields[ROW]) if ROW in fields else fields
    taken = {*fields, *row}
    sent = {name: value for name, value in request.raw.items() if name in declared and name not in taken}
    if ROW in fields:
        return fields | {ROW: msgspec.Raw(msgspec.json.encode(row | sent))}
    return fields | sent


def _takes(value: object, type_: object) -> bool:
    try:
        msgspec.convert(value, type_)
    except msgspec.ValidationError:
        return False
    return True
