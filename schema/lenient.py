"""Bodies of management calls as forms and scripts write them: a number as text (`"rpm_limit": "3"`), and an
empty text where a number or a date is meant, which clears the field as null does.

A body that is right as it stands is not touched: this is for a body that was refused for a wrong type. Bodies
of model calls are not read so, since they go on to providers with their bytes.
"""

from typing import Generic

import msgspec

from schema.shape import check_shape
from schema.wire import W, fields_of, typed_body

_NULL_TEXT = b'"null"'
"""A text that a lenient decoder would take for null. No text but the empty one clears a field."""
_EMPTY = b'""'
_NULL = msgspec.Raw(b"null")


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


def _takes(value: object, type_: object) -> bool:
    try:
        msgspec.convert(value, type_)
    except msgspec.ValidationError:
        return False
    return True
