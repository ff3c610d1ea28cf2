"""Server-sent events, as bytes: cut a stream into whole events, and take an event apart.

An event ends with an empty line. A line ends with CR, LF or CRLF and nothing else (HTML Standard, 9.2.6).
`EventCutter` keeps the bytes after the last empty line until the rest of the event has come. It gives the
bytes before it as one block, unchanged, so that a relay need not put them together again.
"""

import re
from collections.abc import Iterator

import msgspec

from schema.errors.base import GatewayError
from schema.errors.forms import envelope
from schema.errors.upstream import UpstreamMalformed

MAX_FRAME_BYTES = 8 * 1024 * 1024
"""The longest SSE event or NDJSON line accepted from an upstream."""
BOM = b"\xef\xbb\xbf"
LINE_ENDS = b"\r\n"
"""Line ends before an event are empty lines without a meaning. How the stream was read decides whether they
come with the event."""
_EVENT_END = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r)")


def frame(data: bytes) -> bytes:
    """One event whose data is a JSON text."""
    return b"data: " + one_line(data) + b"\n\n"


def event_frame(name: bytes, data: bytes) -> bytes:
    """One event with a name, whose data is a JSON text."""
    return b"event: " + name + b"\ndata: " + one_line(data) + b"\n\n"


def one_line(data: bytes) -> bytes:
    """A JSON text without line ends, which would end the line of an event. What a provider wrote over several
    lines may be a part of the text, as it came."""
    if b"\n" in data or b"\r" in data:
        return msgspec.json.format(data, indent=-1)
    return data


PING = b": ping\n\n"
"""A comment that keeps a connection alive."""
DONE_DATA = b"[DONE]"
DONE = frame(DONE_DATA)


def failure_frame(error: GatewayError) -> bytes:
    """The event that ends a stream in OpenAI's dialect that broke off. SDKs raise on it."""
    return frame(msgspec.json.encode(envelope(error, in_stream=True)))


class Event(msgspec.Struct, frozen=True, gc=False):
    """One event. `data` is None where it has no data, as in a comment or a retry time. `raw` is the whole
    event, the empty line included."""

    name: str | None
    data: bytes | None
    raw: bytes


class EventCutter:
    """Bytes in, whole events out."""

    def __init__(self, max_bytes: int = MAX_FRAME_BYTES) -> None:
        self._max_bytes = max_bytes
        self._pending = bytearray()
        self._begun = False

    def feed(self, data: bytes) -> bytes:
        """The events that are complete now, as one block. Raises UpstreamMalformed when one is
        longer than the limit."""
        pending = self._pending
        if not self._begun and not pending and len(data) >= len(BOM):
            self._begun = True
            data = data.removeprefix(BOM)
        if pending or not self._begun:
            searched = len(pending)
            pending += data
            data = self._take(max(0, searched - 2))
        elif not data.endswith(b"\n\n"):
            pending += data
            data = self._take(0)
        if len(pending) > self._max_bytes or (len(data) > self._max_bytes and self._holds_long(data)):
            raise too_long(self._max_bytes)
        return data

    def close(self) -> bytes:
        """What came after the last whole event."""
        rest = bytes(self._pending)
        self._pending.clear()
        return rest

    def _take(self, start: int) -> bytes:
        pending = self._pending
        if not self._begun:
            if BOM.startswith(pending[: len(BOM)]) and len(pending) < len(BOM):
                return b""
            self._begun = True
            if pending.startswith(BOM):
                del pending[: len(BOM)]
            start = 0
        end = last_end(pending, start)
        block = bytes(pending[:end])
        del pending[:end]
        return block

    def _holds_long(self, block: bytes) -> bool:
        return any(len(event.raw) > self._max_bytes for event in events(block))


def too_long(max_bytes: int) -> UpstreamMalformed:
    return UpstreamMalformed(f"The provider sent more than {max_bytes} bytes without an end of event.")


def last_end(data: bytes | bytearray, start: int) -> int:
    """Where the last whole event ends. 0: no event ends here. Two line ends in a row are an empty line, and
    each such pair has LF LF, LF CR or CR CR in it. A CR that may be half of a CRLF waits for the next
    byte."""
    end = data.rfind(b"\n\n", start) + 2
    if data.find(b"\r", start) >= 0:
        mixed = data.rfind(b"\n\r", start, len(data) - 1)
        end = max(end, mixed + 2, data.rfind(b"\r\r", start) + 2)
    if end < 2:
        return 0
    return end + 1 if data[end - 1 : end + 1] == b"\r\n" else end


def events(block: bytes) -> Iterator[Event]:
    """Take a block of whole events apart."""
    start = 0
    for found in _EVENT_END.finditer(block):
        yield _event(block[start : found.end()])
        start = found.end()
    if start < len(block):
        yield _event(block[start:])


def _event(raw: bytes) -> Event:
    name: str | None = None
    data: list[bytes] = []
    for line in raw.splitlines():
        field, colon, value = line.partition(b":")
        if colon and value.startswith(b" "):
            value = value[1:]
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value.decode("utf-8", "replace")
    return Event(name, b"\n".join(data) if data else None, raw)
