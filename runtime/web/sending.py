"""Sends replies: whole bodies, streams and downloads. A client that stops reading is cut off."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import aclosing
from typing import Any

import msgspec

from functions.contract.function import Download, EventStream
from models_registry.turns.sse import frame
from runtime.reply import Reply
from runtime.stopping import STOPPED, go_on
from schema.errors.base import GatewayError
from schema.errors.overload import SHUTTING_DOWN, ShuttingDown

Send = Callable[[dict[str, Any]], Awaitable[None]]  # ASGI specifies a mapping with values of any type
PIECE_BYTES = 16 * 1024
"""A larger body is sent in pieces of this size. The server takes five pieces at a time. What a slow client
has not read yet waits here, and `Writing` limits that wait."""
OF_A_HEAD = (b"content-", b"cache-control", b"x-accel-buffering")
"""Headers that only mean something in a head."""
WRITE_S = 60.0
"""How long a client may read nothing, in seconds. Its reply is cut off after half of this time at the
earliest, and after the whole time at the latest."""


class Writing:
    """Cuts a reply off when its client reads nothing: the server takes no piece for `limit_s` seconds at
    most, and for half as long at least. The time between two pieces does not count: the gateway waits for the
    provider then, and the provider has deadlines of its own."""

    def __init__(self, send: Send, limit_s: float) -> None:
        self._send = send
        self._step_s = limit_s / 2
        self._sending = False
        self._pieces = self._seen = 0
        self._stuck = False
        self._task: asyncio.Task[object] | None = None

    async def piece(self, body: bytes) -> None:
        self._pieces += 1
        self._sending = True
        await self._send({"type": "http.response.body", "body": body, "more_body": True})
        self._sending = False

    async def end(self) -> None:
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    def __enter__(self) -> "Writing":
        self._task = asyncio.current_task()
        self._timer = asyncio.get_running_loop().call_later(self._step_s, self._look)
        return self

    def _look(self) -> None:
        if self._sending and self._seen == self._pieces and self._task is not None:
            self._stuck = True
            self._task.cancel()
            return
        self._seen = self._pieces
        self._timer = asyncio.get_running_loop().call_later(self._step_s, self._look)

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: object) -> bool:
        """A reply that was cut off here ends without an exception: there is no client that could be told."""
        self._timer.cancel()
        self._task = None
        if kind is not asyncio.CancelledError or not self._stuck:
            return False
        go_on()
        return True


def send_reply(send: Send, reply: Reply, *, write_s: float = WRITE_S) -> Coroutine[Any, Any, None]:
    """Send a reply of any kind. Cut it off when the client reads nothing for `write_s` seconds."""
    if reply.download is not None:
        return _send_download(send, reply, reply.download, write_s)
    if isinstance(reply.body, bytes):
        return send_whole(send, reply, write_s=write_s)
    return _send_stream(send, reply, reply.body, write_s)


async def _send_stream(send: Send, reply: Reply, stream: EventStream, write_s: float) -> None:
    try:
        await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
        with Writing(send, write_s) as writing:
            async with aclosing(sse_of(stream)) as events:
                async for piece in events:
                    await writing.piece(piece)
            await writing.end()
    except asyncio.CancelledError as exc:
        if SHUTTING_DOWN in exc.args:  # the cancellation came while a piece was written to a slow client
            stream.close(ShuttingDown(STOPPED))
        raise
    finally:
        stream.close()
        reply.done()


async def send_rest(send: Send, reply: Reply, *, write_s: float = WRITE_S) -> None:
    """Send a reply whose head was sent early: a comment with the headers that the head lacked, and the
    stream. A call that failed after all is told by an event."""
    stream = reply.body
    try:
        with Writing(send, write_s) as writing:
            if isinstance(stream, bytes):
                # a plain answer where a stream was asked for is told as one event
                await writing.piece(reply.last_event or frame(stream))
            else:
                await writing.piece(_late_headers(reply))
                async with aclosing(sse_of(stream)) as events:
                    async for piece in events:
                        await writing.piece(piece)
            await writing.end()
    except asyncio.CancelledError as exc:
        if SHUTTING_DOWN in exc.args and not isinstance(stream, bytes):
            stream.close(ShuttingDown(STOPPED))
        raise
    finally:
        if not isinstance(stream, bytes):
            stream.close()
        reply.done()


def _late_headers(reply: Reply) -> bytes:
    """The headers that an early head lacks, as one comment of JSON."""
    told = {name.decode(): value.decode() for name, value in reply.headers if not name.startswith(OF_A_HEAD)}
    return b": " + msgspec.json.encode(told) + b"\n\n"


async def _send_download(send: Send, reply: Reply, download: Download, write_s: float) -> None:
    try:
        await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
        with Writing(send, write_s) as writing:
            async with aclosing(download.pieces()) as pieces:  # type: ignore[type-var]
                async for piece in pieces:
                    await writing.piece(piece)
            await writing.end()
    finally:
        reply.done()


async def send_whole(send: Send, reply: Reply, *, write_s: float = WRITE_S) -> None:
    """Send a reply whose body is bytes. Cut it off when the client reads nothing for `write_s` seconds."""
    body = reply.body
    assert isinstance(body, bytes), "a stream is sent otherwise"
    try:
        await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
        if len(body) <= PIECE_BYTES:
            await send({"type": "http.response.body", "body": body, "more_body": False})
            return
        with Writing(send, write_s) as writing:
            for at in range(0, len(body), PIECE_BYTES):
                await writing.piece(body[at : at + PIECE_BYTES])
            await writing.end()
    finally:
        reply.done()


async def send_head(send: Send, reply: Reply) -> None:
    """Send the head of a reply, and nothing of its body. A file is not made for it."""
    try:
        await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
    finally:
        if not isinstance(reply.body, bytes):
            reply.body.close()
        reply.done()


async def sse_of(stream: EventStream) -> AsyncGenerator[bytes, None]:
    """The events of a stream. A stream that breaks ends with what it says of that itself, and no `[DONE]`."""
    try:
        async with aclosing(stream.events()) as events:  # type: ignore[type-var]
            async for piece in events:
                yield piece
        return
    except GatewayError as error:
        last = stream.failed(error)
    except asyncio.CancelledError as exc:
        if SHUTTING_DOWN not in exc.args:
            raise
        go_on()
        stopped = ShuttingDown(STOPPED)
        stream.close(stopped)
        last = stream.failed(stopped)
    yield last
