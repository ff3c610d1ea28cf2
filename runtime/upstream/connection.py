"""One HTTP/1.1 connection to a provider: one request at a time, and its answer as it comes in.

httptools (llhttp, in its strict mode) reads the answer. This module refuses beyond it what two readers could
take for two different answers: a transfer coding that is not `chunked` alone, a protocol that is not HTTP/1.
Bytes behind a whole answer end the connection and never change the answer.

A connection has one timer for everything. It is not set anew when a deadline moves: when it fires too early,
it is set again for the rest.
"""

import asyncio
import enum
import re
from collections.abc import Sequence
from typing import Protocol, cast

import httptools

from models_registry.target import Deadlines

MAX_HEAD_BYTES = 64 * 1024
"""The most that an answer's head may have, with the 1xx heads before it and the trailers behind it."""
MAX_HEAD_LINE_BYTES = 16 * 1024
MAX_HEAD_LINES = 128
HIGH_WATER_BYTES = 64 * 1024
"""How much of a body waits in memory for its reader before the provider is held back."""
PIECE_BYTES = 256 * 1024
"""A larger request body is written in such pieces, between which the loop turns."""
SWITCHING_PROTOCOLS = 101
FIRST_FINAL_STATUS = 200
WITHOUT_BODY = (204, 304)
FRAMING = (b"content-length", b"transfer-encoding")
_REASON = re.compile(rb"[\t -~\x80-\xff]*")


class Breakage(enum.Enum):
    """Why an answer is not whole."""

    CUT = "the connection ended"
    MALFORMED = "what came is not HTTP, or has a head over the limit"
    LATE = "the head did not come in time"
    BODY_LATE = "the head came, and no byte of the body in time"
    IDLE = "nothing came for too long"
    TOTAL = "it did not end in time"


class Wanted(enum.Enum):
    """What the one reader of a connection waits for."""

    NOTHING = 0
    HEAD = 1
    PIECE = 2
    """Some of the body, or its end."""
    END = 3


class ConnectionOwner(Protocol):
    """Whom a connection tells that it is lost."""

    def lost(self, connection: "Connection") -> None: ...


class Connection(asyncio.Protocol):
    """Made by the pool, which is told when the connection is lost."""

    def __init__(self, loop: asyncio.AbstractEventLoop, owner: ConnectionOwner) -> None:
        self._loop = loop
        self.owner = owner
        self._parser: httptools.HttpResponseParser | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._wanted = Wanted.NOTHING
        self._writable: asyncio.Future[None] | None = None
        self._paused = False
        self._stalled = False
        """The transport's buffer is full of what we wrote."""
        self.transport: asyncio.Transport | None = None
        self.in_use = False
        self.uses = 0
        self.idle_since = 0.0
        self._begin_answer()

    def _begin_answer(self) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.pieces: list[bytes] = []
        self.broken: Breakage | None = None
        self.has_head = False
        self.is_whole = False
        self.received = False
        """Whether any byte came since the request was begun."""
        self.limit_bytes = 0
        """More of the body wakes whoever waits for its end."""
        self._body_begun = False
        self._waiting_bytes = 0
        self._head_bytes = 0
        self._bare_bytes = 0
        """What came since the last byte of the body: sizes of chunks, and trailers."""
        self._is_informational = False
        self._keeps_alive = False
        self._ends_with_connection = False
        self._wrote_all = True
        self._deadline = self._total_at = self._first_byte_at = self._idle_s = 0.0

    # What the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's transports don't derive from asyncio's

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._let_write()
        self.owner.lost(self)
        if self.in_use and not self.is_whole:
            if self._ends_with_connection and exc is None and self.broken is None:
                self.is_whole = True
                self._wake()
            else:
                self._break(Breakage.CUT)

    def pause_writing(self) -> None:
        self._stalled = True

    def resume_writing(self) -> None:
        self._stalled = False
        self._let_write()

    def data_received(self, data: bytes) -> None:
        if not self.in_use or self.is_whole or self._parser is None:
            self.abort()  # a provider that speaks unasked, or goes on after its answer
            return
        had_head, had_bytes = self.has_head, self._waiting_bytes
        try:
            if not self.received and not data.startswith(b"H"):  # llhttp would read over empty lines
                raise httptools.HttpParserError
            self.received = True
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.received = True
            if not self.is_whole:
                self._break(Breakage.MALFORMED)
                self.abort()
                return
            self._keeps_alive = False
        if self.has_head:
            self._let_write()  # the provider answers before it has read the whole request
        if self.is_whole:
            self._wake()
            return
        if had_head:
            self._bare_bytes = self._bare_bytes + len(data) if self._waiting_bytes == had_bytes else 0
            if self._bare_bytes > MAX_HEAD_BYTES:
                self._break(Breakage.MALFORMED)
                self.abort()
                return
        else:
            self._head_bytes += len(data)
            if not self.has_head and self._head_bytes > MAX_HEAD_BYTES:
                self._break(Breakage.MALFORMED)
                self.abort()
                return
        if self.has_head:
            self._go_on()

    def _go_on(self) -> None:
        """Some of an answer came that is not whole yet."""
        now = self._loop.time()
        if self._body_begun:
            self._deadline = min(now + self._idle_s, self._total_at)
        else:
            self._deadline = min(max(now + self._idle_s, self._first_byte_at), self._total_at)
        match self._wanted:
            case Wanted.HEAD:
                self._wake()
            case Wanted.PIECE if self.pieces:
                self._wake()
            case Wanted.END if self._waiting_bytes > self.limit_bytes:
                self._wake()
        if self._waiting_bytes > HIGH_WATER_BYTES and self._wanted is not Wanted.END and not self._paused:
            self._paused = True
            if self.transport is not None:
                self.transport.pause_reading()

    # What the parser calls

    def on_message_begin(self) -> None:
        if self.is_whole:
            raise _Surplus

    def on_status(self, reason: bytes) -> None:
        if _REASON.fullmatch(reason) is None:
            raise _TooMuch

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(self.headers) >= MAX_HEAD_LINES or len(name) + len(value) > MAX_HEAD_LINE_BYTES:
            raise _TooMuch
        if not self.has_head:
            self.headers.append((name, value.rstrip(b" \t")))
            return
        self._head_bytes += len(name) + len(value) + len(": \r\n")  # a trailer, which nobody reads
        if self._head_bytes > MAX_HEAD_BYTES or name.lower() in FRAMING:
            raise _TooMuch

    def on_headers_complete(self) -> None:
        assert self._parser is not None
        status = self._parser.get_status_code()
        if status == SWITCHING_PROTOCOLS or self._parser.get_http_version() not in ("1.0", "1.1"):
            raise _TooMuch
        if status < FIRST_FINAL_STATUS:
            if any(name.lower() in FRAMING for name, _ in self.headers):
                raise _TooMuch
            self._is_informational = True
            self.headers = []
            return
        self.status, self.has_head = status, True
        self._keeps_alive = self._parser.should_keep_alive()
        names = [name.lower() for name, _ in self.headers]
        if b"transfer-encoding" in names:
            codings = [value for name, value in self.headers if name.lower() == b"transfer-encoding"]
            if len(codings) > 1 or codings[0].strip().lower() != b"chunked":
                raise _TooMuch
        elif b"content-length" not in names and status not in WITHOUT_BODY:
            self._ends_with_connection = True

    def on_body(self, data: bytes) -> None:
        self._body_begun = True
        self.pieces.append(data)
        self._waiting_bytes += len(data)

    def on_message_complete(self) -> None:
        if self._is_informational:
            self._is_informational = False
            return
        self.is_whole = True

    # What the client calls

    def begin(self, head: bytes, deadlines: Deadlines) -> None:
        """Write the first bytes of a request. From here on the provider may act on it."""
        assert self.transport is not None, "a connection that is lost is not used"
        self._begin_answer()
        self.in_use = True
        self.uses += 1
        now = self._loop.time()
        self._idle_s = deadlines.idle_s
        self._total_at = now + deadlines.total_s
        self._first_byte_at = now + deadlines.first_byte_s
        self._deadline = min(self._first_byte_at, self._total_at)
        self._set_timer()
        if self._parser is None:
            self._parser = httptools.HttpResponseParser(self)
        self.transport.write(head)

    async def write(self, body: bytes) -> None:
        """Write a large body piece by piece, as fast as the provider reads it. Ends early where the provider
        answers early, or the connection is lost."""
        self._wrote_all = False
        view = memoryview(body)
        for start in range(0, len(body), PIECE_BYTES):
            if self._stalled:
                self._writable = self._loop.create_future()
                await self._writable
            else:
                await asyncio.sleep(0)
            if self.has_head or self.broken is not None or self.transport is None:
                return
            self.transport.write(view[start : start + PIECE_BYTES])
        self._wrote_all = True

    async def wait(self, wanted: Wanted) -> None:
        """Until it is there, or the answer is broken or whole."""
        self._wanted = wanted
        if wanted is Wanted.END and self._paused:
            self._resume()
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter, self._wanted = None, Wanted.NOTHING

    def take(self) -> Sequence[bytes]:
        """What has come of the body and was not taken yet."""
        pieces, self.pieces, self._waiting_bytes = self.pieces, [], 0
        if self._paused:
            self._resume()
        return pieces

    @property
    def waiting_bytes(self) -> int:
        return self._waiting_bytes

    @property
    def is_open(self) -> bool:
        """Whether a request can be written."""
        return self.transport is not None and not self.transport.is_closing()

    @property
    def can_be_used_again(self) -> bool:
        """After a whole answer: whether the provider expects another request."""
        return self._keeps_alive and self._wrote_all and self.is_open

    def rest(self, keep_alive_s: float) -> None:
        """Wait in the pool for the next request, so long at most."""
        self.in_use = False
        self.headers, self.pieces = [], []
        self.idle_since = self._loop.time()
        self._deadline = self.idle_since + keep_alive_s
        self._set_timer()

    def close(self) -> None:
        """End a connection whose answer is whole."""
        self.in_use = False
        if self.transport is not None and self._wrote_all:
            self.transport.close()
        else:
            self.abort()

    def abort(self) -> None:
        """Cut the connection at once. A mere close would first send what the provider hasn't read."""
        if self.transport is not None:
            self.transport.abort()

    # Inside

    def _resume(self) -> None:
        self._paused = False
        self._deadline = min(self._loop.time() + self._idle_s, self._total_at)
        if self.transport is not None:
            self.transport.resume_reading()

    def _set_timer(self) -> None:
        if self._timer is not None:
            if self._timer.when() <= self._deadline:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(self._deadline, self._tick)

    def _tick(self) -> None:
        self._timer = None
        if self.transport is None:
            return
        now = self._loop.time()
        if self.in_use and not self.is_whole and now < self._total_at and (self._paused or self.pieces):
            self._deadline = min(now + self._idle_s, self._total_at)  # our own reader is slow
        if now < self._deadline:
            self._timer = self._loop.call_at(self._deadline, self._tick)
        elif not self.in_use:
            self.transport.close()
        elif not self.is_whole:
            self._break(self._lateness(now))
            self.abort()

    def _lateness(self, now: float) -> Breakage:
        if now >= self._total_at:
            return Breakage.TOTAL
        if not self.has_head:
            return Breakage.LATE
        return Breakage.IDLE if self._body_begun else Breakage.BODY_LATE

    def _break(self, why: Breakage) -> None:
        if self.broken is None:
            self.broken = why
        self._wake()
        self._let_write()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _let_write(self) -> None:
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None


class _TooMuch(Exception):
    """A head that is over the limits or can be read in two ways."""


class _Surplus(Exception):
    """Something stands behind a whole answer."""
