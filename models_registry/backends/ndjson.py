"""NDJSON, as bytes: one JSON text a line.

Lines end with LF, CRLF or CR, and no JSON text has one of these in it. Bytes after the last line end are kept
until the rest of the line has come. Empty lines mean nothing.
"""

from models_registry.turns.sse import MAX_FRAME_BYTES
from schema.errors.upstream import UpstreamMalformed


class LineCutter:
    """Bytes in, whole lines out, without their ends."""

    def __init__(self, max_bytes: int = MAX_FRAME_BYTES) -> None:
        self._max_bytes = max_bytes
        self._pending = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that are complete now. Raises UpstreamMalformed when one is longer than the limit."""
        searched = len(self._pending)
        self._pending += data
        end = max(self._pending.rfind(b"\n", searched), self._pending.rfind(b"\r", searched)) + 1
        lines = self._lines(end) if end else []
        if len(self._pending) > self._max_bytes:
            raise self._too_long()
        return lines

    def close(self) -> list[bytes]:
        """The last line, if its line end is missing. Raises UpstreamMalformed when it is longer than the
        limit."""
        return self._lines(len(self._pending))

    def _lines(self, end: int) -> list[bytes]:
        lines = [line for line in bytes(self._pending[:end]).splitlines() if line.strip()]
        del self._pending[:end]
        if any(len(line) > self._max_bytes for line in lines):
            raise self._too_long()
        return lines

    def _too_long(self) -> UpstreamMalformed:
        return UpstreamMalformed(
            f"The provider sent more than {self._max_bytes} bytes without an end of line."
        )
