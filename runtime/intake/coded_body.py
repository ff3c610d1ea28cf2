"""Request bodies that come compressed: gzip and zstd, one frame, decompressed step by step.

A few bytes can stand for gigabytes. So a step gives a limited piece, and whoever reads the pieces counts them
against the limit of one body and the room of the worker, as if the client had sent them.
"""

import asyncio
import zlib
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import zstandard

from schema.errors.requests import BodyTooLarge, InvalidRequest, UnsupportedCoding

STEP_BYTES = 256 * 1024
"""The most that one step of gzip decompresses."""
ZSTD_STEP_BYTES = 64
"""The compressed bytes of one step of zstd. A block of four bytes can stand for 128 KiB, so that a step gives
2 MiB at most."""
ZSTD_WINDOW_BYTES = 8 * 1024 * 1024
"""The largest window of a zstd frame: https://www.rfc-editor.org/rfc/rfc9659#section-3"""
TURN_BYTES = 1024 * 1024
"""After so many decompressed bytes the event loop gets a turn."""
GZIP_WBITS = 16 + zlib.MAX_WBITS
CODINGS = ("gzip", "zstd")

AsgiMessage = dict[str, Any]  # ASGI's own type: a mapping by the specification


class _CodedFrame(Protocol):
    """The decompression of one frame."""

    ended: bool
    """Whether the frame's end was read."""

    def feed(self, data: bytes) -> None:
        """Take more of the compressed bytes. Called when `step` has given everything."""
        ...

    def step(self) -> bytes:
        """The next piece. Empty: more bytes are needed, or the frame has ended. Raises InvalidRequest."""
        ...


class _Gzip:
    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(GZIP_WBITS)
        self._data = b""
        self._has_more = False
        """Whether the last step was cut off by its limit."""
        self.ended = False

    def feed(self, data: bytes) -> None:
        self._data = data
        if self.ended:
            _refuse_more(data)

    def step(self) -> bytes:
        if self.ended or not (self._data or self._has_more):
            return b""
        try:
            out = self._inflate.decompress(self._data, STEP_BYTES)
        except zlib.error as exc:
            raise _undecodable("gzip") from exc
        self._data = self._inflate.unconsumed_tail
        self._has_more = len(out) == STEP_BYTES
        self.ended = self._inflate.eof
        _refuse_more(self._inflate.unused_data)
        return out


class _Zstd:
    def __init__(self) -> None:
        self._frame = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW_BYTES).decompressobj()
        self._data = b""
        self._at = 0
        self.ended = False

    def feed(self, data: bytes) -> None:
        self._data, self._at = data, 0
        if self.ended:
            _refuse_more(data)

    def step(self) -> bytes:
        while not self.ended and self._at < len(self._data):
            piece = self._data[self._at : self._at + ZSTD_STEP_BYTES]
            self._at += len(piece)
            try:
                out: bytes = self._frame.decompress(piece)
            except (zstandard.ZstdError, MemoryError) as exc:
                raise _undecodable("zstd") from exc
            self.ended = self._frame.eof
            if self.ended:
                _refuse_more(self._frame.unused_data + self._data[self._at :])
            if out:
                return out
        return b""


class CodedBody:
    """A request body in a coding. `receive` stands in for the one of ASGI, and gives the decoded body.

    Raises UnsupportedCoding, InvalidRequest for a body that does not decompress, or BodyTooLarge for one that
    has more than `max_bytes` while it is still compressed. The decoded bytes are for the reader to count.
    """

    def __init__(self, receive: Callable[[], Awaitable[AsgiMessage]], coding: str, max_bytes: int) -> None:
        self._receive = receive
        self._coding = coding
        self._max_bytes = max_bytes
        self._frame: _CodedFrame | None = None
        self._came_bytes = 0
        self._since_turn = 0
        self._is_whole = False
        """Whether the client has sent everything."""
        self._is_given = False
        """Whether the reader has got everything."""

    async def receive(self) -> AsgiMessage:
        if self._is_given:
            return await self._receive()
        if self._frame is None:
            self._frame = _frame_of(self._coding)
        frame = self._frame
        while not (piece := frame.step()):
            if self._is_whole:
                if not frame.ended and self._came_bytes:
                    raise InvalidRequest("The compressed body breaks off before its end.")
                self._is_given = True
                return {"type": "http.request", "body": b"", "more_body": False}
            message = await self._receive()
            if message["type"] == "http.disconnect":
                return message
            data: bytes = message.get("body", b"")
            self._is_whole = not message.get("more_body", False)
            self._came_bytes += len(data)
            if self._came_bytes > self._max_bytes:
                raise BodyTooLarge(f"The request body is larger than {self._max_bytes} bytes.")
            frame.feed(data)
        self._since_turn += len(piece)
        if self._since_turn >= TURN_BYTES:
            self._since_turn = 0
            await asyncio.sleep(0)
        return {"type": "http.request", "body": piece, "more_body": True}


def coding_of(header: str) -> str:
    """The coding that a `Content-Encoding` names, in lower case. Empty: the body is as it is."""
    names = [name for each in header.split(",") if (name := each.strip().lower()) not in ("", "identity")]
    return ", ".join(names)


def _frame_of(coding: str) -> _CodedFrame:
    if coding in ("gzip", "x-gzip"):
        return _Gzip()
    if coding == "zstd":
        return _Zstd()
    raise UnsupportedCoding(
        f"Content-Encoding: {coding[:100]!r} is not understood; send gzip, zstd, or no coding.",
        codings=CODINGS,
    )


def _undecodable(coding: str) -> InvalidRequest:
    return InvalidRequest(f"The request body does not decompress as {coding}.")


def _refuse_more(data: bytes) -> None:
    if data:
        raise InvalidRequest("The compressed body goes on after its end; send one frame.")
