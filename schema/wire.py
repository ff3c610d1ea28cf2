"""The base of every JSON body, and the raw fields a typed decode would lose."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, TypeGuard, TypeVar

import msgspec

from schema.errors.requests import InvalidRequest
from schema.shape import check_lists, check_names, check_shape, check_text

COPIED_BYTES = 64 * 1024
"""A body shorter than this is copied to see whether a field stands twice in it."""

MaybeRaw = msgspec.Raw | msgspec.UnsetType
"""An optional field kept as its bytes. (`Raw | None` would take null alone.)"""
ABSENT = msgspec.UNSET
"""The value of an optional raw field that was not sent. It is false in a condition, and left out when it is
written."""

to_json = msgspec.json.Encoder(decimal_format="number").encode
"""Writes an answer as JSON. Sums of money are numbers with all their digits."""

_NO_FIELDS: Mapping[str, msgspec.Raw] = MappingProxyType({})
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_NAME = re.compile(rb'\s*+[{,]\s*+"(?:[^"\\]++|\\.)*+"\s*+:\s*+')
"""The start of a field. The quantifiers are possessive, since one that can backtrack keeps a state for each
character of a name."""
_PATH = re.compile(r"^(?P<what>.*) - at `(?P<path>\$[^`]*)`$", re.DOTALL)
_MISSING = re.compile(r"missing required field `([^`]+)`")


class Wire(msgspec.Struct, frozen=True, kw_only=True, dict=True, omit_defaults=True):
    """A JSON body. `raw` has its top-level fields as they came, undeclared ones too, each
    with its exact bytes; it is empty on a body that was built in code."""

    raw: ClassVar[Mapping[str, msgspec.Raw]] = _NO_FIELDS
    wire: ClassVar[bytes] = b""
    """The whole body as it came, where it is sent on unchanged."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"  # prompts and keys are nobody's to print

    def with_raw(self, raw: Mapping[str, msgspec.Raw]) -> None:
        """Attach the fields the body was decoded from. Only decoders call this."""
        msgspec.structs.force_setattr(self, "raw", raw)

    def with_wire(self, body: bytes) -> None:
        """Keep the bytes the body was decoded from, to be sent on as they are."""
        msgspec.structs.force_setattr(self, "wire", body)

    def fields(self) -> dict[str, msgspec.Raw]:
        """The body's top-level fields as JSON bytes: those received, else those set in code."""
        if self.raw:
            return dict(self.raw)
        return _FIELDS.decode(self.wire or msgspec.json.encode(self))


W = TypeVar("W", bound=Wire)


def decode_body(decoder: "msgspec.json.Decoder[W]", body: bytes) -> W:
    """Decode a caller's JSON body. Raises InvalidRequest naming the path of a wrong type, broken JSON, too
    much of something, or a top-level key that stands twice (parsers disagree on which one counts)."""
    nested = check_shape(body)
    return typed_body(decoder, body, fields_of(body, nested))


def fields_of(body: bytes, nested: int) -> Mapping[str, msgspec.Raw]:
    """The top-level fields of a body that was scanned and has so many objects and lists at most. Raises
    InvalidRequest as `decode_body` does."""
    try:
        check_text(body)
        raw = _FIELDS.decode(body)
    except msgspec.ValidationError as exc:
        raise invalid(exc) from exc
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise InvalidRequest(f"The request body is not valid JSON: {exc}") from exc
    check_names(raw)
    check_lists(raw, nested)
    if repeats_a_key(body, raw):
        raise InvalidRequest("The request body has the same top-level field twice; send it once.")
    return raw


def typed_body(decoder: "msgspec.json.Decoder[W]", body: bytes, raw: Mapping[str, msgspec.Raw]) -> W:
    """The request of a body with these fields. Raises InvalidRequest as `decode_body` does."""
    try:
        request = decoder.decode(body)
    except msgspec.ValidationError as exc:
        raise invalid(exc) from exc
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise InvalidRequest(f"The request body is not valid JSON: {exc}") from exc
    request.with_raw(raw)
    return request


def with_path(request: W, named: Mapping[str, str]) -> W:
    """The request with the parameters of its path, which count before the body's."""
    changed = msgspec.structs.replace(request, **named)
    changed.with_raw(
        {**request.raw, **{name: msgspec.Raw(msgspec.json.encode(value)) for name, value in named.items()}}
    )
    return changed


def with_body(blank: W, body: bytes) -> W:
    """A body of the same type as `blank` that is sent as these bytes."""
    found = msgspec.structs.replace(blank)
    found.with_wire(body)
    return found


def invalid(exc: msgspec.ValidationError) -> InvalidRequest:
    """Turn msgspec's message into ours: the path goes to `param`, as OpenAI writes it."""
    text = str(exc)
    found = _PATH.match(text)
    what, path = (found["what"], found["path"].removeprefix("$").removeprefix(".")) if found else (text, "")
    missing = _MISSING.search(what)
    if missing is not None:
        path = f"{path}.{missing[1]}" if path else missing[1]
    return InvalidRequest(f"{what} (in {path})" if path else what, param=path or None)


def present(value: MaybeRaw) -> TypeGuard[msgspec.Raw]:
    """Whether an optional raw field was sent and is not null."""
    return isinstance(value, msgspec.Raw) and bytes(value) != b"null"


def value_of(raw: msgspec.Raw, param: str) -> Any:  # JSON has values of any type
    """The value of a field that was kept as its bytes. Raises InvalidRequest for what no reader can take,
    such as `1e999` or broken UTF-8."""
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise InvalidRequest(f"{param[:100]}: its JSON can't be read.", param=param[:100]) from exc


def _compact(body: bytes) -> bytes:
    return msgspec.json.format(body, indent=-1)


def repeats_a_key(body: bytes, raw: Mapping[str, msgspec.Raw]) -> bool:
    """Whether the object that has these fields has one of them twice. A body of distinct keys is as long as
    its fields are when they are written again, both without blanks, unless a key has escapes.
    Else walk along the decoded values: valid JSON with distinct keys fits exactly."""
    if len(body) < COPIED_BYTES:
        written = msgspec.json.encode(raw)
        if len(written) == len(body) or len(_compact(written)) == len(_compact(body)):
            return False
    at = 0
    for value in raw.values():
        name = _NAME.match(body, at)
        if name is None:
            return True
        at = name.end()
        text = bytes(value)
        if not body.startswith(text, at):
            return True
        at += len(text)
    return body[at:].lstrip()[:1] != b"}" if raw else False
