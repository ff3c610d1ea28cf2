"""Amazon's event streams, as bytes: cut a stream into whole messages, and take a message apart.

A message has its length, the length of its headers, a checksum of these two numbers, the headers, the payload
and a checksum of all. Numbers are big-endian. Source: botocore's `eventstream.py`, and the specification of
Amazon's `vnd.amazon.eventstream`.
"""

import struct
from binascii import crc32
from collections.abc import Iterator
from typing import NamedTuple

from models_registry.turns.sse import MAX_FRAME_BYTES
from schema.errors.upstream import UpstreamMalformed

PRELUDE = struct.Struct(">III")
CHECKSUM = struct.Struct(">I")
LEAST_BYTES = PRELUDE.size + CHECKSUM.size
MAX_HEADER_BYTES = 128 * 1024
FIXED = (0, 0, 1, 2, 4, 8, -1, -1, 8, 16)
"""The bytes of a header's value by the value's kind. -1: two bytes say the length."""
TEXT = 7
_SHORT = struct.Struct(">H")


class StreamMessage(NamedTuple):
    """One message. The names are those of its headers, without the colon."""

    event_type: str
    """`messageStart`, `contentBlockDelta` and others. Empty: it is no event."""
    exception_type: str
    """`throttlingException` and others. Empty: it is no exception."""
    payload: bytes


class FrameCutter:
    """Bytes in, whole messages out."""

    def __init__(self, max_bytes: int = MAX_FRAME_BYTES) -> None:
        self._max_bytes = max_bytes
        self._pending = bytearray()

    @property
    def has_rest(self) -> bool:
        """Whether a message is not whole yet."""
        return bool(self._pending)

    def feed(self, data: bytes) -> Iterator[StreamMessage]:
        """The messages that are whole now, one by one, so that those before a damaged one are told. Raises
        UpstreamMalformed for a wrong checksum, and for a message that is longer than the limit."""
        self._pending += data
        while len(self._pending) >= PRELUDE.size:
            size, header_size, checksum = PRELUDE.unpack_from(self._pending)
            if crc32(self._pending[:8]) != checksum:
                raise UpstreamMalformed("The provider's stream is no event stream of Amazon's.")
            if not LEAST_BYTES + header_size <= size <= self._max_bytes or header_size > MAX_HEADER_BYTES:
                raise UpstreamMalformed(f"The provider sent a message of {size} bytes.")
            if len(self._pending) < size:
                break
            message = bytes(self._pending[:size])
            del self._pending[:size]
            yield _message(message, header_size)


def _message(data: bytes, header_size: int) -> StreamMessage:
    if crc32(data[:-4]) != CHECKSUM.unpack(data[-4:])[0]:
        raise UpstreamMalformed("A message of the provider's stream has a wrong checksum.")
    end = PRELUDE.size + header_size
    headers = _headers(data[PRELUDE.size : end])
    return StreamMessage(
        event_type=headers.get(":event-type", ""),
        exception_type=headers.get(":exception-type", "") or headers.get(":error-code", ""),
        payload=data[end:-4],
    )


def _headers(data: bytes) -> dict[str, str]:
    """The headers that are texts. Raises UpstreamMalformed for what is no list of headers."""
    found: dict[str, str] = {}
    at = 0
    try:
        while at < len(data):
            name_end = at + 1 + data[at]
            name, kind = data[at + 1 : name_end].decode(), data[name_end]
            at, size = name_end + 1, FIXED[kind]
            if size < 0:
                (size,) = _SHORT.unpack_from(data, at)
                at += _SHORT.size
            if at + size > len(data):
                raise ValueError("a header ends behind the headers")
            if kind == TEXT:
                found[name] = data[at : at + size].decode()
            at += size
    except (IndexError, struct.error, ValueError) as exc:
        raise UpstreamMalformed("A message of the provider's stream has headers that can't be read.") from exc
    return found
