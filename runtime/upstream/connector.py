"""The connection pool of the upstream client, which tells each attempt what it got.

aiohttp's tracing tells the same, for a fifth of the whole cost of a call (18 of 75 microseconds).
"""

import asyncio
import functools
from contextvars import ContextVar
from typing import TYPE_CHECKING
from weakref import WeakSet

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.streams import EmptyStreamReader

if TYPE_CHECKING:
    from aiohttp.tracing import Trace

KEEP_ALIVE_S = 30.0
STALE_WINDOW_S = 1.0


class Attempt:
    """One request on its way out, as far as the connector sees it."""

    __slots__ = ("_loop", "_transport", "first_byte_s", "head", "reused", "sent_at")

    def __init__(self, first_byte_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self.head = asyncio.timeout(None)
        self.first_byte_s = first_byte_s
        self.reused = False
        self.sent_at: float | None = None

    def connected(self, transport: asyncio.Transport | None, *, reused: bool) -> None:
        """A connection is there; aiohttp sends in the same turn of the loop."""
        self._transport = transport
        self.reused = reused
        self.sent_at = self._loop.time()
        self.head.reschedule(self.sent_at + self.first_byte_s)

    def first_byte_left_s(self) -> float:
        if self.sent_at is None:
            return self.first_byte_s
        return self.sent_at + self.first_byte_s - self._loop.time()

    def abort(self) -> None:
        """Cut the connection: aiohttp closes it, and a close waits for a provider that doesn't read."""
        if self._transport is not None:
            self._transport.abort()

    def was_stale(self) -> bool:
        """Whether the connection that broke without an answer had been closed before we used it."""
        return self.reused and self.sent_at is not None and self._loop.time() - self.sent_at < STALE_WINDOW_S


ATTEMPT: ContextVar[Attempt] = ContextVar("ATTEMPT")
"""From `open` to the connector it calls by way of aiohttp, within one task."""


async def read_buffered(content: aiohttp.StreamReader) -> bytes:
    """`content.readany()`, without settling aiohttp's books anew for each HTTP chunk: a stream has
    one an event, and nobody here asks where they ended. Empty at the end of the body."""
    if isinstance(content, EmptyStreamReader):  # of 101, 204 and 304, which have no body
        return b""
    if content._exception is not None:
        raise content._exception
    while not content._buffer and not content._eof:
        await content._wait("read_buffered")
    pieces = content._buffer
    if len(pieces) < 2 or content._buffer_offset:
        return content.read_nowait()
    content._timer.assert_timeout()
    data = b"".join(pieces)
    pieces.clear()
    content._size -= len(data)
    content._cursor += len(data)
    if content._http_chunk_splits:
        content._http_chunk_splits.clear()
    content._protocol.resume_reading()
    return data


class Protocol(ResponseHandler):
    """aiohttp resumes reading after every HTTP chunk it hands out, paused or not, by way of the
    parser and the transport: a tenth of a stream's whole cost. There is nothing to resume unless
    something was paused."""

    def resume_reading(self, resume_parser: bool = True) -> None:
        if self._reading_paused or self._buffer_paused or self._tail:
            super().resume_reading(resume_parser)


class Connector(aiohttp.TCPConnector):
    """Tells the attempt when it got a connection, and whether that one had been used."""

    def __init__(self, *, max_connections: int) -> None:
        super().__init__(limit=max_connections, keepalive_timeout=KEEP_ALIVE_S)
        # partial's type is invariant
        self._factory = functools.partial(Protocol, loop=asyncio.get_running_loop())  # type: ignore[assignment]
        self._used: WeakSet[asyncio.BaseProtocol] = WeakSet()

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: "list[Trace]",
        timeout: aiohttp.ClientTimeout,
    ) -> Connection:
        connection = await super().connect(req, traces, timeout)
        protocol = connection.protocol
        assert protocol is not None, "a new connection has its protocol"
        ATTEMPT.get().connected(connection.transport, reused=protocol in self._used)
        self._used.add(protocol)
        return connection
