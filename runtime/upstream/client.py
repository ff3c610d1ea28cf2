"""The way out to model providers: the `Upstream` port on aiohttp, one session a worker.

Deadlines are aiohttp's own timers plus one for the head, because its read timeout starts anew with
every byte and a provider that drips its head would hold a call for ever:

    connect      waiting for a free connection, DNS, TCP and TLS
    first byte   from the send to the answer's head complete, and on to its body's first byte
                 where idle is shorter
    idle         between two reads of the body; stands still while our own reader is slow
    total        from `open` to the end of the body

A connection that a provider closes while we send on it (its keep-alive ran out as ours was about to
be used) fails before a byte of answer. Such a call is sent once more on a fresh connection, and only
then: the connection was a used one, nothing was received, and it broke within `STALE_WINDOW_S` of the
send. RFC 9112 section 9.3.1 lets a client repeat a request that it knows was not acted upon; a
provider that had taken the call would have to die in that window, and dead it bills nothing. Any
other break is reported, since the ledger must book it as uncertain.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_exceptions import ContentEncodingError
from yarl import URL

from models_registry.backends.backend import UpstreamRequest
from models_registry.target import Deadlines
from runtime.upstream.connector import ATTEMPT, Attempt, Connector, read_buffered
from schema.errors import UpstreamCut, UpstreamError, UpstreamMalformed, UpstreamTimeout, UpstreamUnreachable

MAX_CONNECTIONS = 4096
"""In all, a worker. A call that finds none free waits within its connect deadline."""
MAX_BODY_BYTES = 64 * 1024 * 1024
"""Of a plain answer, decompressed."""
MAX_STREAM_BYTES = 512 * 1024 * 1024
"""Of a streamed answer, decompressed."""
MAX_HEAD_LINE_BYTES = 16 * 1024
MAX_HEAD_LINES = 128
ONE_WRITE_BYTES = 1024 * 1024
"""A larger body is written in pieces, so that it doesn't hold the loop."""
PIECE_BYTES = 256 * 1024


class InPieces(aiohttp.Payload):
    """A large body, between whose pieces the loop turns. aiohttp's own way, a BytesIO, copies it first."""

    def __init__(self, body: bytes) -> None:
        super().__init__(body)
        self._body = body
        self._size = len(body)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return self._body.decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        body = memoryview(self._body)
        for start in range(0, len(body), PIECE_BYTES):
            await writer.write(body[start : start + PIECE_BYTES])
            await asyncio.sleep(0)


class AiohttpResponse:
    """An answer whose head has arrived; `Upstream` says what its methods promise."""

    def __init__(
        self, response: aiohttp.ClientResponse, deadlines: Deadlines, *, first_byte_left_s: float
    ) -> None:
        self._response = response
        self._deadlines = deadlines
        protocol = None if response.connection is None else response.connection.protocol
        headers = response.headers
        until_eof = "content-length" not in headers and "transfer-encoding" not in headers
        self._unpooled = protocol if until_eof else None
        if protocol is not None:
            # Off until here: the head has its own deadline. A server that sends its head at once
            # and then loads its model has what is left of that one for the first byte of body.
            silent = response.content.total_bytes == 0
            idle_s = deadlines.idle_s
            protocol.read_timeout = max(idle_s, first_byte_left_s) if silent else idle_s
            protocol.start_timeout()
            protocol.read_timeout = idle_s

    @property
    def status(self) -> int:
        return self._response.status

    @property
    def headers(self) -> Mapping[str, str]:
        return {name.lower(): value for name, value in self._response.headers.items()}

    async def read(self) -> bytes:
        pieces = [piece async for piece in self._pieces(MAX_BODY_BYTES)]
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def chunks(self) -> AsyncIterator[bytes]:
        return self._pieces(MAX_STREAM_BYTES)

    def close(self) -> None:
        connection = self._response.connection
        if connection is not None and connection.transport is not None:
            # A mere close would first flush what the provider hasn't read of our request.
            connection.transport.abort()
        self._response.close()

    async def _pieces(self, limit: int) -> AsyncIterator[bytes]:
        content, received = self._response.content, 0
        try:
            while piece := await read_buffered(content):
                received += len(piece)
                if received > limit:
                    raise UpstreamMalformed(f"{self._host} sent more than {limit >> 20} MiB.")
                yield piece
        except (aiohttp.ClientError, TimeoutError) as exc:
            raise self._body_error(exc) from without_frames(exc)
        finally:
            if not content.is_eof() or content.exception() is not None:
                self.close()
        self._check_end()

    def _check_end(self) -> None:
        """aiohttp takes any end of a body without a length for a whole one, a reset too. Such a
        connection is never pooled, so that what it says is about this answer."""
        lost = None if self._unpooled is None else self._unpooled.exception()
        if isinstance(lost, aiohttp.ClientOSError):
            raise UpstreamCut(f"The connection to {self._host} was reset before the answer was whole.")

    def _body_error(self, exc: Exception) -> UpstreamError:
        if isinstance(exc, aiohttp.SocketTimeoutError):
            if self._response.content.total_bytes == 0:
                return UpstreamTimeout(f"{self._host} sent the head of an answer and then nothing.")
            return UpstreamTimeout(f"{self._host} sent nothing for {self._deadlines.idle_s:g} s.")
        if isinstance(exc, TimeoutError):
            return UpstreamTimeout(f"{self._host} did not finish within {self._deadlines.total_s:g} s.")
        if isinstance(exc.__cause__, ContentEncodingError):
            return UpstreamMalformed(f"{self._host} sent a body that does not decompress.")
        return UpstreamCut(f"{self._host} broke off before the answer was whole.")

    @property
    def _host(self) -> str:
        return self._response.url.authority


class AiohttpUpstream:
    """The port's implementation. `start` and `close` belong to the worker's lifespan."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=Connector(max_connections=MAX_CONNECTIONS),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"accept-encoding": "identity", "user-agent": "switchgear"},
            trust_env=False,
            max_line_size=MAX_HEAD_LINE_BYTES,
            max_field_size=MAX_HEAD_LINE_BYTES,
            max_headers=MAX_HEAD_LINES,
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def open(self, request: UpstreamRequest, deadlines: Deadlines) -> AiohttpResponse:
        attempt = Attempt(deadlines.first_byte_s)
        try:
            return await self._send(request, deadlines, attempt)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as exc:
            if not attempt.was_stale():
                raise _open_error(exc, request, deadlines, attempt) from without_frames(exc)
        except (aiohttp.ClientError, TimeoutError) as exc:
            raise _open_error(exc, request, deadlines, attempt) from without_frames(exc)
        attempt = Attempt(deadlines.first_byte_s)
        try:
            return await self._send(request, deadlines, attempt)
        except (aiohttp.ClientError, TimeoutError) as exc:
            raise _open_error(exc, request, deadlines, attempt) from without_frames(exc)

    async def _send(
        self, request: UpstreamRequest, deadlines: Deadlines, attempt: Attempt
    ) -> AiohttpResponse:
        assert self._session is not None, "start() comes first"
        body = request.body
        ATTEMPT.set(attempt)
        try:
            async with attempt.head:
                response = await self._session.request(
                    request.method,
                    request.url,
                    headers=request.headers,
                    data=InPieces(body) if len(body) > ONE_WRITE_BYTES else body or None,
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(total=deadlines.total_s, connect=deadlines.connect_s),
                )
        except ValueError as exc:  # a header or an address that can't be written
            attempt.abort()
            if isinstance(exc, aiohttp.ClientError):
                raise
            raise UpstreamUnreachable(
                f"The request to {URL(request.url).authority} can't be written: an administrator has to "
                "check that deployment's address, key and headers."
            ) from exc
        except BaseException:
            attempt.abort()
            raise
        return AiohttpResponse(response, deadlines, first_byte_left_s=attempt.first_byte_left_s())


def without_frames(exc: BaseException) -> BaseException:
    """The exception, and those it came from, without their tracebacks.

    aiohttp keeps exceptions where their own frames find them (a connector's `last_exc`, a reader's
    `_exception`), and these frames hold the request's body.
    """
    seen: set[int] = set()
    behind: list[BaseException | None] = [exc]
    while behind:
        each = behind.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            each.__traceback__ = None
            behind += (each.__cause__, each.__context__)
    return exc


def _open_error(
    exc: Exception, request: UpstreamRequest, deadlines: Deadlines, attempt: Attempt
) -> UpstreamError:
    """What became of a request without an answer. Names the host alone: a path can hold a key."""
    host = URL(request.url).authority
    if isinstance(exc, aiohttp.ConnectionTimeoutError):
        return UpstreamUnreachable(f"No connection to {host} within {deadlines.connect_s:g} s.")
    if isinstance(exc, aiohttp.ClientConnectorDNSError):
        return UpstreamUnreachable(f"The name of {host} could not be resolved.")
    if isinstance(exc, aiohttp.ClientSSLError):
        return UpstreamUnreachable(
            f"{host} could not prove who it is: its TLS certificate is not valid here."
        )
    if attempt.sent_at is None:
        return UpstreamUnreachable(f"No connection to {host}.")
    if isinstance(exc, TimeoutError):
        waited = deadlines.first_byte_s if attempt.head.expired() else deadlines.total_s
        return UpstreamTimeout(f"{host} did not begin to answer within {waited:g} s.")
    if isinstance(exc, aiohttp.ClientResponseError):
        return UpstreamMalformed(f"{host} did not answer in HTTP, or with a head over the limit.")
    return UpstreamCut(f"{host} closed the connection without an answer.")
