"""How many things a JSON body holds, found by a scan of its bytes before it is decoded.

Decoding makes an object of each thing, so that a body of 20 MB with two million fields stops a worker for
seconds. The scan takes slices of the body. In each it drops the escapes, cuts at the quotes, and counts the
commas, colons and brackets in every second piece, which is what stands outside of texts: a prompt may be full
of them. What is no JSON is counted wrongly only behind the place where a decoder stops.

Most bodies are too short to hold too much, and are not scanned at all. Where one has many brackets, how deep
they go is found by formatting it, which costs a fifth of a scan.
"""

from codecs import getincrementaldecoder
from collections.abc import Iterator, Mapping
from itertools import accumulate
from types import MappingProxyType

import msgspec

from schema.errors.requests import TooComplex

MAX_FIELDS = 100_000
"""The most fields of all objects together."""
MAX_VALUES = 1_000_000
"""The most values of all lists and objects together. It is high, since an embedding may have many tokens."""
MAX_TEXTS = 250_000
"""The most texts. Names of fields are texts too."""
MAX_NESTED = 100_000
"""The most objects and lists."""
MAX_DEPTH = 400
MAX_TOP_FIELDS = 1_000
MAX_NAME_CHARS = 256
"""The longest name of a field at the top of a body."""
MAX_ELEMENTS: Mapping[str, int] = MappingProxyType({"messages": 10_000, "tools": 2_000, "functions": 2_000})
"""The most elements of a list at the top of a body, by the name of its field."""
MAX_PARTS = 20_000
"""The most parts in the contents of all messages together."""

SLICE_BYTES = 256 * 1024
UNSCANNED_BYTES = 5 * MAX_FIELDS
"""A body up to this length is not scanned. The shortest field is `"":1,`, so that such a body can hold too
many brackets, but not too much of anything else."""
MAX_FORMATTED = 20_000
"""Lines of a body that is formatted: 8 MB of them at the greatest depth."""
DEPTH = "levels of nesting"
UTF_8 = getincrementaldecoder("utf-8")
_TOO_DEEP = b"\n" + b" " * (MAX_DEPTH + 1)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"{}[]"))
_DELTA = tuple({ord("{"): 1, ord("["): 1, ord("}"): -1, ord("]"): -1}.get(byte, 0) for byte in range(256))

_ELEMENTS = msgspec.json.Decoder(list[msgspec.Raw])


class _MessageShape(msgspec.Struct, frozen=True):
    content: msgspec.Raw = msgspec.Raw(b"null")


_MESSAGES = msgspec.json.Decoder(list[_MessageShape])


def check_shape(body: bytes) -> int:
    """Raise InvalidRequest for a body that holds too much of something. Gives how many objects and lists it
    has at most."""
    nested = body.count(b"{") + body.count(b"[")
    if len(body) <= UNSCANNED_BYTES:
        if nested <= MAX_DEPTH:
            return nested
        if nested + body.count(b",") <= MAX_FORMATTED:
            _check_depth(body)
            return nested
    for counts in scan(body):
        nested = counts.nested
    return nested


def _check_depth(body: bytes) -> None:
    """Raise InvalidRequest for a body that is nested too deeply. The depth is the indentation of its
    formatted lines: no text of JSON holds the end of a line."""
    try:
        too_deep = _TOO_DEEP in msgspec.json.format(body, indent=1)
    except RecursionError:
        too_deep = True
    except (msgspec.DecodeError, UnicodeDecodeError):
        return  # its decoder says what is wrong
    _check(MAX_DEPTH + too_deep, MAX_DEPTH, DEPTH)


def scan(body: bytes) -> Iterator["Counts"]:
    """Raise InvalidRequest for a body that holds too much of something. A slice at a time, so that a loop can
    turn in between; gives what was found so far."""
    counts = Counts()
    for start in range(0, len(body), SLICE_BYTES):
        counts.take(body[start : start + SLICE_BYTES])
        yield counts


def check_text(body: bytes) -> None:
    """Raise UnicodeDecodeError for a body that is not UTF-8. A field that is kept as its bytes is not read
    when the body is decoded, and its readers rely on it."""
    if body.isascii():
        return
    decoder = UTF_8()
    for start in range(0, len(body), SLICE_BYTES):
        decoder.decode(body[start : start + SLICE_BYTES])
    decoder.decode(b"", final=True)


def check_names(raw: Mapping[str, msgspec.Raw]) -> None:
    """Raise InvalidRequest where a body has too many fields at its top, or one with too long a name."""
    _check(len(raw), MAX_TOP_FIELDS, "fields at its top")
    _check(max(map(len, raw), default=0), MAX_NAME_CHARS, "characters in the name of a field at its top")


def check_lists(raw: Mapping[str, msgspec.Raw], nested: int) -> None:
    """Raise InvalidRequest where a list among a body's fields is too long. `nested` is how many objects and
    lists the body has at most. What is no list is left to its decoder."""
    if nested <= min(MAX_ELEMENTS.values()):
        return
    for name, limit in MAX_ELEMENTS.items():
        if name not in raw:
            continue
        try:
            _check(len(_ELEMENTS.decode(raw[name])), limit, name, param=name)
            if name == "messages":
                parts = sum(map(_parts, _MESSAGES.decode(raw[name])))
                _check(parts, MAX_PARTS, "parts of messages", param=name)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue


def _parts(message: _MessageShape) -> int:
    return len(_ELEMENTS.decode(message.content)) if bytes(message.content).startswith(b"[") else 0


class Counts:
    """What a scan has found so far. `depth` is the depth of the place that it has reached."""

    def __init__(self) -> None:
        self.fields = self.values = self.quotes = self.nested = self.depth = 0
        self._in_text = False
        self._left = b""
        """A backslash at a slice's end, which escapes what the next one begins with."""

    def take(self, piece: bytes) -> None:
        piece = self._left + piece
        self._left = b""
        if piece.endswith(b"\\") and (len(piece) - len(piece.rstrip(b"\\"))) % 2:
            piece, self._left = piece[:-1], b"\\"
        if b"\\" in piece:
            piece = piece.replace(b"\\\\", b"").replace(b'\\"', b"")
        pieces = piece.split(b'"')
        self.quotes += len(pieces) - 1
        _check(self.quotes // 2, MAX_TEXTS, "texts")
        outside = b"".join(pieces[1 if self._in_text else 0 :: 2])
        self._in_text ^= len(pieces) % 2 == 0
        if outside:
            self._count(outside)

    def _count(self, outside: bytes) -> None:
        self.fields += outside.count(b":")
        self.values += outside.count(b",")
        opened = outside.count(b"{") + outside.count(b"[")
        self.nested += opened
        _check(self.fields, MAX_FIELDS, "fields")
        _check(self.values, MAX_VALUES, "values")
        if self.depth + opened > MAX_DEPTH:
            brackets = outside.translate(None, _NOT_BRACKETS)
            _check(
                max(accumulate(map(_DELTA.__getitem__, brackets), initial=self.depth)),
                MAX_DEPTH,
                DEPTH,
            )
        _check(self.nested, MAX_NESTED, "objects and lists")
        self.depth += opened - outside.count(b"}") - outside.count(b"]")


def _check(found: int, limit: int, what: str, *, param: str | None = None) -> None:
    if found > limit:
        raise TooComplex(f"The request body has more than {limit:,} {what}, which is the limit.", param=param)
