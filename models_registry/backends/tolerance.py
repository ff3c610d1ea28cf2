"""Reads answers that are not quite JSON, but that clients can read: with a byte order mark, with NaN and
Infinity (which Python writes), with half a surrogate pair, with numbers outside a float's range.

Strict JSON costs nothing more here. From any other answer the gateway reads a copy with null in place of such
numbers. On the byte path the client gets the bytes as they came.
"""

import json
import math
import re
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError)
"""What the decoding of a part of an answer raises where it has another shape. A `Raw` is left as it came, and
may not be UTF-8."""
BOM = b"\xef\xbb\xbf"
MAX_MENDED_BYTES = 8 * 1024 * 1024
"""A longer answer has to be strict JSON, since reading it again would hold the worker up."""
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
SAFE_DIGITS = 18
"""An integer of no more characters fits into 64 bits."""


def decoded(decoder: "msgspec.json.Decoder[T]", data: bytes | msgspec.Raw) -> T:
    """Decode an answer. Raises the decoder's error for an answer that no client could read, or of another
    shape."""
    try:
        return decoder.decode(data)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError):
        rest = bytes(data)
        if rest.startswith(BOM):
            return decoded(decoder, rest.removeprefix(BOM))
        strict = _strict(rest) if len(rest) <= MAX_MENDED_BYTES else None
        if strict is None:
            raise
        return decoder.decode(strict)


def loosely(data: bytes | msgspec.Raw) -> Any:  # any JSON
    """An answer's values, NaN and Infinity included, with `?` for half a surrogate pair. Raises
    msgspec.DecodeError."""
    rest = bytes(data).removeprefix(BOM)
    if len(rest) > MAX_MENDED_BYTES:
        raise msgspec.DecodeError(f"more than {MAX_MENDED_BYTES} bytes that are not strict JSON")
    try:
        value = json.loads(rest.decode())
        if _SURROGATE.search(rest) is None:
            return value
        return json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError) as exc:
        raise msgspec.DecodeError(str(exc)) from exc


def _strict(data: bytes) -> bytes | None:
    """An answer rewritten as strict JSON. None: it can't be read at all."""
    try:
        value = json.loads(data.decode(), parse_constant=_nothing, parse_int=_whole, parse_float=_finite)
        return json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")
    except (ValueError, RecursionError):
        return None


def _nothing(name: str) -> None:
    return None


def _whole(text: str) -> int | float | None:
    return int(text) if len(text) <= SAFE_DIGITS else _finite(text)


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None
