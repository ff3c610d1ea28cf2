"""A provider on a real loopback socket that misbehaves on purpose.

`HostileUpstream` speaks raw HTTP/1.1 without a framework, so that it can break the protocol where real
providers do. A script (`tests/fakes/scripts.py`) says what it does to a request. The constructor chooses the
script, or the `model` in the request's body does. Any other model gets the well-behaved answer of the path.
It records each request, and when the client's connection went away.
"""

import asyncio
import json
import re
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import cast

from tests.fakes.scripts import SCRIPTS, Script, happy

MAX_REQUEST_BYTES = 64 * 1024 * 1024
MAX_HEAD_BYTES = 64 * 1024
PROBE = "/api/ps"
NAMED = re.compile(r"/models/([^/:]+):")
"""The model's name in Google's addresses."""


class Seen:
    """A request as it arrived. `gone` is set when its client's connection ended."""

    def __init__(self, method: str, path: str, headers: dict[str, str], body: bytes) -> None:
        self.method = method
        self.path = path
        self.headers = headers
        self.body = body
        self.connection = 0
        """The number of the accepted connection that it came on, from 1."""
        self.arrived_at = time.monotonic()
        self.closed_at: float | None = None
        self.sent_bytes = 0
        """The bytes of its answer that were handed to the socket so far."""
        self.gone = threading.Event()

    @property
    def fields(self) -> Mapping[str, object]:
        """The fields of the JSON body. Empty: the body is no JSON object."""
        with suppress(ValueError):
            value = json.loads(self.body)
            if isinstance(value, dict):
                return value
        return {}

    @property
    def model(self) -> str:
        named = NAMED.search(self.path)
        return named[1] if named is not None else str(self.fields.get("model", ""))

    @property
    def streamed(self) -> bool:
        return bool(self.fields.get("stream", self.path.startswith("/api/chat")))

    async def closed_within(self, timeout_s: float) -> bool:
        """Whether the client's connection ended in that time. It can be asked from any loop."""
        return await asyncio.to_thread(self.gone.wait, timeout_s)


class Wire(asyncio.Protocol):
    """One accepted connection: parses requests, runs a script on each, notices the client's end."""

    def __init__(self, upstream: "HostileUpstream") -> None:
        self.upstream = upstream
        self.number = 0
        self.transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._seen: Seen | None = None
        self._task: asyncio.Task[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports don't derive from asyncio's.
        self.transport = cast(asyncio.Transport, transport)
        self.number = self.upstream.accept(self)
        if not self.upstream.reads:
            # The first releases of CPython 3.11 start reading after this call, paused or not.
            asyncio.get_running_loop().call_soon(self.transport.pause_reading)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) > MAX_REQUEST_BYTES:
            self.abort()
        elif self._task is None:
            self._next()

    def eof_received(self) -> bool:
        # A client that only half-closes counts as gone: none of our clients half-closes and waits for more.
        self._end()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()
        self.upstream.forget(self)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    async def send(self, data: bytes) -> None:
        """Write, and wait while the client doesn't read. Raises ConnectionResetError when it left."""
        if self.transport is None or self.transport.is_closing():
            raise ConnectionResetError("the client is gone")
        self.transport.write(data)
        if self._seen is not None:
            self._seen.sent_bytes += len(data)
        await self._writable.wait()

    def close(self) -> None:
        if self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        """End the connection with a reset."""
        if self.transport is not None:
            sock = self.transport.get_extra_info("socket")
            with suppress(OSError, AttributeError):  # a TLS connection that has ended has no socket
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            self.transport.abort()

    def _end(self) -> None:
        self._writable.set()
        if self._seen is not None and not self._seen.gone.is_set():
            self._seen.closed_at = time.monotonic()
            self._seen.gone.set()
        if self._task is not None:
            self._task.cancel()

    def _next(self) -> None:
        seen = self._parse()
        if seen is None:
            return
        seen.connection = self.number
        self._seen = seen
        self.upstream.arrived(seen)
        self._task = asyncio.get_running_loop().create_task(self._run(seen))
        self._task.add_done_callback(self._finished)

    async def _run(self, seen: Seen) -> None:
        with suppress(ConnectionError):
            await self.upstream.script_for(seen)(self, seen)

    def _finished(self, task: "asyncio.Task[None]") -> None:
        self._task = None
        if not task.cancelled() and (error := task.exception()) is not None:
            self.upstream.errors.append(error)
            self.abort()
        elif not task.cancelled() and self._buffer:
            self._next()

    def _parse(self) -> Seen | None:
        head_end = self._buffer.find(b"\r\n\r\n")
        if head_end < 0:
            if len(self._buffer) > MAX_HEAD_BYTES:
                self.abort()
            return None
        first, *lines = bytes(self._buffer[:head_end]).decode("latin-1").split("\r\n")
        headers = {
            name.strip().lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)
        }
        end = head_end + 4 + int(headers.get("content-length", "0"))
        if len(self._buffer) < end:
            return None
        body = bytes(self._buffer[head_end + 4 : end])
        del self._buffer[:end]
        method, path, _version = first.split(" ")
        return Seen(method, path, headers, body)


class HostileUpstream:
    """The server. `async with HostileUpstream().running()` in the test's own loop, or
    `with HostileUpstream().in_thread()` beside code that blocks or has another loop."""

    def __init__(
        self, script: str | None = None, *, tls: ssl.SSLContext | None = None, reads: bool = True
    ) -> None:
        self._fixed = None if script is None else SCRIPTS[script]
        self._tls = tls
        self.reads = reads
        """False: connections are accepted and never read from."""
        self._open: set[Wire] = set()
        self.requests: list[Seen] = []
        self.probes: list[Seen] = []
        """The questions for what is loaded, which belong to no call."""
        self.errors: list[BaseException] = []
        """Faults of the scripts themselves. A test that ends with one is wrong."""
        self._arrival: asyncio.Future[Seen] | None = None
        self.connections = 0
        self.port = 0

    @property
    def url(self) -> str:
        """Scheme, host and port, without a trailing slash."""
        return f"{'http' if self._tls is None else 'https'}://127.0.0.1:{self.port}"

    @property
    def open_connections(self) -> int:
        return len(self._open)

    async def next_request(self) -> Seen:
        """The next request to arrive, for tests in the server's own loop."""
        self._arrival = asyncio.get_running_loop().create_future()
        return await self._arrival

    def arrived(self, seen: Seen) -> None:
        if seen.path == PROBE:
            self.probes.append(seen)
            return
        self.requests.append(seen)
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(seen)

    def script_for(self, seen: Seen) -> Script:
        return self._fixed or SCRIPTS.get(seen.model, happy)

    def accept(self, wire: Wire) -> int:
        self._open.add(wire)
        self.connections += 1
        return self.connections

    def forget(self, wire: Wire) -> None:
        self._open.discard(wire)

    def drop_idle(self) -> None:
        """Close every connection, as a server does at its keep-alive timeout."""
        for wire in list(self._open):
            wire.close()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["HostileUpstream"]:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Wire(self), "127.0.0.1", 0, ssl=self._tls)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for wire in list(self._open):
                wire.abort()
            await server.wait_closed()

    @contextmanager
    def in_thread(self) -> Iterator["HostileUpstream"]:
        started, stop = threading.Event(), threading.Event()

        async def main() -> None:
            async with self.running():
                started.set()
                await asyncio.to_thread(stop.wait)

        thread = threading.Thread(target=asyncio.run, args=(main(),), daemon=True)
        thread.start()
        try:
            if not started.wait(10):
                raise RuntimeError("the hostile upstream did not start")
            yield self
        finally:
            stop.set()
            thread.join(10)


def closed_port() -> int:
    """A port that refuses connections: it was free a moment ago and nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
