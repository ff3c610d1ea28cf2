"""The ASGI door of an endpoint: reads the body within limits, has the reply sent, and cancels the function
when the client leaves."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any
from urllib.parse import parse_qsl

from functions.contract.roles import Access
from runtime.intake.body_decoder import BodyDecoder
from runtime.intake.body_room import BodyRoom
from runtime.invoke import Endpoint, Incoming
from runtime.reply import Reply, json_reply
from runtime.web.sending import Send, send_reply, send_whole
from schema.errors import BodyTooLarge, InvalidRequest, MethodNotAllowed, envelope

AsgiScope = dict[str, Any]  # ASGI's own types: a mapping by the specification
Receive = Callable[[], Awaitable[dict[str, Any]]]
BODY_TIMEOUT_S = 120.0
MAX_QUERY_FIELDS = 100
MAX_LENGTH_DIGITS = 18
"""How many digits a `Content-Length` may have; a longer one is larger than any limit."""
WATCH_AFTER_S = 0.25
"""When a call begins to watch for its client's leaving. A pending receive costs granian a hundred
microseconds, and most plain calls are over before."""

RAW_SEND = "switchgear.send"
"""Where the worker leaves the server's own `send`: the framework wraps it for errors that a route
of ours never lets out, at two coroutines for every piece of a stream."""


class Door:
    """One path's functions by method, as an ASGI application."""

    def __init__(
        self, endpoints: Mapping[str, Endpoint], max_body_bytes: int, *, room: BodyRoom, decoder: BodyDecoder
    ) -> None:
        self._endpoints = dict(endpoints)
        self._max_body_bytes = max_body_bytes
        self._room = room
        self._decoder = decoder

    @property
    def methods(self) -> Collection[str]:
        return self._endpoints.keys()

    async def handle(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        endpoint = self._endpoints.get(scope["method"])
        if endpoint is None:
            await send_whole(send, self._wrong_method(scope["method"]))
            return
        try:
            query = _query(scope)
        except InvalidRequest as error:
            await send_whole(send, json_reply(error.http_status, envelope(error)))
            return
        headers = _headers(scope["headers"])
        client = scope.get("client")
        with _RequestBody(
            receive, headers, self._max_body_bytes, room=self._room, decoder=self._decoder
        ) as body:
            incoming = Incoming(
                headers=headers,
                query=query,
                read_body=body.read,
                client_ip=client[0] if client else None,
            )
            if endpoint.manifest.access is not Access.MODEL:
                await send_reply(send, await endpoint.invoke(incoming))
                return
            send = scope.get(RAW_SEND, send)
            with _WhileClientStays(body):
                await send_reply(send, await endpoint.invoke(incoming))

    def _wrong_method(self, method: str) -> Reply:
        allowed = ", ".join(self._endpoints)
        error = MethodNotAllowed(f"{method} is not allowed here; use {allowed}.")
        return json_reply(405, envelope(error), {"allow": allowed})


class _RequestBody:
    """A request's body, read at most once and within limits. Its room is given back at the end of the `with`:
    the call is over by then."""

    def __init__(
        self,
        receive: Receive,
        headers: Mapping[str, str],
        max_bytes: int,
        *,
        room: BodyRoom,
        decoder: BodyDecoder,
    ) -> None:
        self.receive = receive
        self._decoder = decoder
        self._headers = headers
        self._max_bytes = max_bytes
        self._room = room
        self._held_bytes = 0
        self.ended = False

    def __enter__(self) -> "_RequestBody":
        return self

    def __exit__(self, *exc: object) -> None:
        self._room.give_back(self._held_bytes)
        self._held_bytes = 0

    def _hold(self, piece: bytes) -> None:
        self._room.take(len(piece))
        self._held_bytes += len(piece)

    async def read(self) -> bytes:
        """Raises BodyTooLarge, Overloaded where the worker holds too much already, or InvalidRequest where
        the client stalls or leaves half-way."""
        text = self._headers.get("content-length", "")
        length = None
        if text.isdecimal():
            length = int(text) if len(text) <= MAX_LENGTH_DIGITS else self._max_bytes + 1
        if length is not None and length > self._max_bytes:
            raise self._too_large()
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                message = await self.receive()
                if message["type"] == "http.disconnect":
                    raise InvalidRequest("The client left before its request was complete.")
                body: bytes = message.get("body", b"")
                self._hold(body)
                pieces, size = [body], len(body)
                if message.get("more_body") and size != length:
                    size = await self._rest(pieces)
        except TimeoutError as exc:
            raise InvalidRequest("The request body did not arrive in time.") from exc
        if size > self._max_bytes:
            raise self._too_large()
        self.ended = True
        return body if len(pieces) == 1 else await self._decoder.joined(pieces, size)

    async def _rest(self, pieces: list[bytes]) -> int:
        """Add what comes to the pieces; gives their size."""
        size, more = len(pieces[0]), True
        while more:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise InvalidRequest("The client left before its request was complete.")
            pieces.append(message.get("body", b""))
            self._hold(pieces[-1])
            size += len(pieces[-1])
            if size > self._max_bytes:
                raise self._too_large()
            more = message.get("more_body", False)
        return size

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(f"The request body is larger than {self._max_bytes} bytes.")


class _WhileClientStays:
    """Cancels the task inside when the client leaves, and lets that pass quietly."""

    def __init__(self, body: _RequestBody) -> None:
        self._body = body
        self._left = False
        self._watch: asyncio.Task[None] | None = None
        self._task: asyncio.Task[object] | None = None

    def __enter__(self) -> None:
        self._task = asyncio.current_task()
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(WATCH_AFTER_S, self._begin)

    def _begin(self) -> None:
        if not self._body.ended:
            self._timer = self._loop.call_later(WATCH_AFTER_S, self._begin)
            return
        self._watch = self._loop.create_task(self._until_gone())
        self._watch.add_done_callback(self._gone)

    async def _until_gone(self) -> None:
        while (await self._body.receive())["type"] != "http.disconnect":
            pass

    def _gone(self, watch: asyncio.Task[None]) -> None:
        if not watch.cancelled() and watch.exception() is None and self._task is not None:
            self._left = True
            self._task.cancel()

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: object) -> bool:
        self._timer.cancel()
        if self._watch is not None:
            self._watch.remove_done_callback(self._gone)
            self._watch.cancel()
        self._watch = self._task = None  # both tasks' frames hold this object, and one the request's body
        return kind is asyncio.CancelledError and self._left


def _headers(pairs: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers by lower-case name; one sent twice is joined, so that no reader picks one of them."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in pairs:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return headers


def _query(scope: AsgiScope) -> Mapping[str, str]:
    """Query and path parameters. Raises InvalidRequest where there are too many."""
    text = scope["query_string"]
    path_params = scope.get("path_params") or {}
    if not text and not path_params:
        return {}
    try:
        pairs = parse_qsl(text.decode("latin-1"), keep_blank_values=True, max_num_fields=MAX_QUERY_FIELDS)
    except ValueError as exc:
        raise InvalidRequest(f"The query has more than {MAX_QUERY_FIELDS} parameters.") from exc
    query = dict(pairs)
    return query | {name: str(value).removeprefix("/") for name, value in path_params.items()}
