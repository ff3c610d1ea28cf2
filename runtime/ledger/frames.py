"""A journal on disk: numbered segments of framed records. Pure bytes; no IO.

A segment is a file of SEGMENT_BYTES, all zeros at first: its header, then frames one behind the other. A
frame is its payload's length and CRC-32 and the payload, whose first byte is the record's kind. A length
of zero is where nothing was written yet. A writer that is killed leaves at most one torn frame, the last:
its checksum fails. Each segment begins by saying again what is still open, so that it can be read without
those before it. Behind a stretch that something else damaged, the next whole frame is looked for.
"""

import enum
import struct
import zlib
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from schema.ledger.journal import Held, Settled
from schema.ledger.rows import SpendRow

SEGMENT_BYTES = 8 * 1024 * 1024
MAGIC = b"SWGRJRN1"
HEADER = struct.Struct("<8sIxxxx")
"""Magic and the segment's number."""
FRAME = struct.Struct("<II")
MAX_PAYLOAD_BYTES = 256 * 1024
"""More than any record has: its texts are bounded."""


class FrameKind(enum.IntEnum):
    """A payload's first byte."""

    HELD = 1
    SETTLED = 2
    ROW = 3
    """A row that was never held: a refusal."""
    WORKER = 4
    """A name under which this worker leases."""
    END = 5
    """The next segment goes on."""


JournalRecord = Held | Settled | SpendRow | str | None

_encode = msgspec.msgpack.Encoder().encode
_DECODERS: Mapping[int, msgspec.msgpack.Decoder[JournalRecord]] = MappingProxyType(
    {
        FrameKind.HELD: msgspec.msgpack.Decoder(Held),
        FrameKind.SETTLED: msgspec.msgpack.Decoder(Settled),
        FrameKind.ROW: msgspec.msgpack.Decoder(SpendRow),
        FrameKind.WORKER: msgspec.msgpack.Decoder(str),
        FrameKind.END: msgspec.msgpack.Decoder(None),
    }
)
_KIND_BYTES = tuple(bytes([kind]) for kind in range(max(FrameKind) + 1))


class Frame(NamedTuple):
    """One record, and where the next one begins."""

    record: JournalRecord
    kind: int
    end: int


class Torn(Exception):
    """What stands at an offset is no whole record: being written just now, cut off by a death, or damaged."""


class Newer(Exception):
    """A whole record that this version can't read: a later one wrote it, and has to read it."""


class TooLarge(ValueError):
    """A record that no reader would take."""


def frame(kind: FrameKind, record: JournalRecord) -> bytes:
    """Raises TooLarge."""
    payload = _KIND_BYTES[kind] + _encode(record)
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise TooLarge(f"a record of {len(payload)} bytes")
    return FRAME.pack(len(payload), zlib.crc32(payload)) + payload


def header(number: int) -> bytes:
    return HEADER.pack(MAGIC, number)


def is_header(data: memoryview, number: int) -> bool:
    return bytes(data[: HEADER.size]) == header(number)


def frames(data: memoryview, offset: int) -> Iterator[Frame]:
    """Whole records from an offset on. Ends where nothing was written yet, behind an END, or at the
    end of the data; raises Torn where something was written and is no record, or Newer."""
    size = len(data)
    while offset + FRAME.size <= size:
        length, checksum = FRAME.unpack_from(data, offset)
        if not length:
            if checksum:
                raise Torn
            return
        begin, end = offset + FRAME.size, offset + FRAME.size + length
        if not _is_whole(data, begin, end, checksum):
            raise Torn
        kind = data[begin]
        try:
            record = _DECODERS[kind].decode(data[begin + 1 : end])
        except (KeyError, msgspec.DecodeError) as exc:
            raise Newer(f"byte {offset}: a record of kind {kind}") from exc
        yield Frame(record, kind, end)
        if kind == FrameKind.END:
            return
        offset = end


def next_frame(data: memoryview, begin: int, end: int) -> int | None:
    """Where the first whole record stands that begins between two offsets."""
    for place in range(begin, min(end, len(data) - FRAME.size)):
        length, checksum = FRAME.unpack_from(data, place)
        if length and _is_whole(data, place + FRAME.size, place + FRAME.size + length, checksum):
            return place
    return None


def _is_whole(data: memoryview, begin: int, end: int, checksum: int) -> bool:
    fits = end - begin <= MAX_PAYLOAD_BYTES and end <= len(data)
    return fits and zlib.crc32(data[begin:end]) == checksum
