"""The ASGI door of an endpoint: reads the body within limits, has the reply sent, and cancels the function
when the client leaves."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from functions.contract.roles import Access
from runtime.intake.body_decoder import BodyDecoder
from runtime.intake.body_room import BodyRoom, HeldRoom
from runtime.invoke import Endpoint, Incoming
from runtime.reply import Reply, error_reply
from runtime.web.early_reply import EarlyReply
from runtime.web.sending import Send, send_head, send_reply, send_rest, send_whole
from schema.errors.requests import BodyTooLarge, InvalidRequest, MethodNotAllowed

AsgiScope = dict[str, Any]  # ASGI's own types: a mapping by the specification
Receive = Callable[[], Awaitable[dict[str, Any]]]
BODY_TIMEOUT_S = 120.0
MAX_QUERY_FIELDS = 100
MAX_LENGTH_DIGITS = 18
"""How many digits a `Content-Length` may have; a longer one is larger than any limit."""
WATCH_EVERY_S = 0.25
"""How often clients are looked after. A call watches for its client's leaving from an age of one to two
such intervals on. A pending receive costs granian a hundred microseconds, and most plain calls are over
before."""

RAW_SEND = "switchgear.send"
"""Where the worker leaves the server's own `send`: the framework wraps it for errors that a route
of ours never lets out, at two coroutines for every piece of a stream."""


HEAD = "switchgear.head"
"""The scope of a HEAD has this. Its method says GET, and its answer has no body."""
SLASH = "%2F"
"""A slash inside a path parameter that stands in the middle of a path."""
NO_PARAMETERS: Mapping[str, str] = MappingProxyType({})


class Door:
    """One path's functions by method, as an ASGI application."""

    def __init__(
        self,
        endpoints: Mapping[str, Endpoint],
        max_body_bytes: int,
        *,
        room: BodyRoom,
        decoder: BodyDecoder,
        watch: "ClientWatch",
        keepalive_s: float = 0.0,
    ) -> None:
        self._endpoints = dict(endpoints)
        self._limits = _BodyLimits(max_body_bytes, room, decoder, keepalive_s)
        self._watch = watch

    @property
    def methods(self) -> Collection[str]:
        return self._endpoints.keys()

    async def handle(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        endpoint = self._endpoints.get(scope["method"])
        if endpoint is None:
            await send_whole(send, self._wrong_method("HEAD" if HEAD in scope else scope["method"]))
            return
        try:
            query = _query(scope)
        except InvalidRequest as error:
            body = endpoint.manifest.error_form(error, None)
            await send_whole(send, error_reply(error.http_status, body))
            return
        headers = _headers(scope["headers"])
        address = scope.get("client")
        calls_model = endpoint.manifest.access is Access.MODEL
        early: EarlyReply | None = None
        if endpoint.is_live:
            send = scope.get(RAW_SEND, send)
        if calls_model:
            send = scope.get(RAW_SEND, send)
            early = EarlyReply(send, self._limits.keepalive_s) if self._limits.keepalive_s else None
        with _Client(
            receive, headers, self._limits, self._watch, is_watched=calls_model or endpoint.is_live
        ) as client:
            client.ended = endpoint.is_live  # nobody reads the body of such a request
            incoming = Incoming(
                headers=headers,
                query=query,
                path=_path(scope),
                read_body=client.read,
                early=early,
                client_ip=address[0] if address else None,
                take_room=client.held.take,
            )
            try:
                reply = await endpoint.invoke(incoming)
                if early is not None and early.writes and await early.over():
                    await send_rest(send, reply)
                    return
            finally:
                if early is not None:
                    early.close()
            await (send_head(send, reply) if HEAD in scope else send_reply(send, reply))

    def _wrong_method(self, method: str) -> Reply:
        allowed = ", ".join(
            name for each in self._endpoints for name in ((each, "HEAD") if each == "GET" else (each,))
        )
        error = MethodNotAllowed(f"{method} is not allowed here; use {allowed}.")
        form = next(iter(self._endpoints.values())).manifest.error_form
        return error_reply(405, form(error, None), {"allow": allowed})


class _BodyLimits(NamedTuple):
    """What a worker takes of bodies."""

    max_bytes: int
    """The most that one body may have."""
    room: BodyRoom
    decoder: BodyDecoder
    keepalive_s: float
    """How long a streamed call may be silent before its client is sent a comment. 0: for ever."""


class _Client:
    """One request's client: the body that it sends, and whether it is still there. The body is read once.

    A model's call is cancelled when its client leaves, and the cancellation ends here. The end of the `with`
    gives the room of the body back: the call is over by then.
    """

    __slots__ = (
        "_headers",
        "_is_late",
        "_is_watched",
        "_left",
        "_limits",
        "_receive",
        "_task",
        "_waiting",
        "_watch",
        "ended",
        "held",
        "reading_since",
    )

    def __init__(
        self,
        receive: Receive,
        headers: Mapping[str, str],
        limits: _BodyLimits,
        watch: "ClientWatch",
        *,
        is_watched: bool,
    ) -> None:
        self._receive = receive
        self._headers = headers
        self._limits = limits
        self._watch = watch
        self._is_watched = is_watched
        self.held = HeldRoom(limits.room)
        self._is_late = self._left = False
        self._waiting: asyncio.Task[None] | None = None
        self._task: asyncio.Task[object] | None = None
        self.ended = False
        """Whether the whole body was read."""
        self.reading_since: float | None = None
        """By the loop's clock; None while nobody waits for the body."""

    def __enter__(self) -> "_Client":
        self._task = asyncio.current_task()
        self._watch.add(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: object) -> bool:
        self._watch.drop(self)
        self.held.give_back()
        if self._waiting is not None:
            self._waiting.remove_done_callback(self._gone)
            self._waiting.cancel()
        self._waiting = self._task = None  # both tasks' frames hold this object
        return kind is asyncio.CancelledError and self._left

    async def read(self) -> bytes:
        """The body. Raises BodyTooLarge, Overloaded where the worker holds too much already, or
        InvalidRequest where the client stalls or leaves half-way."""
        max_bytes = self._limits.max_bytes
        text = self._headers.get("content-length", "")
        length = None
        if text.isdecimal():
            length = int(text) if len(text) <= MAX_LENGTH_DIGITS else max_bytes + 1
        if length is not None and length > max_bytes:
            raise self._too_large()
        self.reading_since = asyncio.get_running_loop().time()
        try:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise InvalidRequest("The client left before its request was complete.")
            body: bytes = message.get("body", b"")
            self.held.take(len(body))
            pieces, size = [body], len(body)
            if message.get("more_body") and size != length:
                size = await self._rest(pieces)
        except asyncio.CancelledError as exc:
            if self._is_late and self._task is not None and self._task.uncancel() == 0:
                raise InvalidRequest("The request body did not arrive in time.") from exc
            raise
        finally:
            self.reading_since = None
        if size > max_bytes:
            raise self._too_large()
        self.ended = True
        return body if len(pieces) == 1 else await self._limits.decoder.joined(pieces, size)

    async def _rest(self, pieces: list[bytes]) -> int:
        """Add what comes to the pieces; gives their size."""
        size, more = len(pieces[0]), True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise InvalidRequest("The client left before its request was complete.")
            pieces.append(message.get("body", b""))
            self.held.take(len(pieces[-1]))
            size += len(pieces[-1])
            if size > self._limits.max_bytes:
                raise self._too_large()
            more = message.get("more_body", False)
        return size

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(f"The request body is larger than {self._limits.max_bytes} bytes.")

    # What the watch calls

    def look(self, loop: asyncio.AbstractEventLoop, now: float) -> bool:
        """Give up a body that is late; begin to wait for the client's leaving where the body has come. True
        where there is nothing more to look for."""
        if self.reading_since is not None and now - self.reading_since >= BODY_TIMEOUT_S:
            self._is_late = True
            if self._task is not None:
                self._task.cancel()
            return True
        if not self.ended:
            return False
        if self._is_watched and self._waiting is None:
            self._waiting = loop.create_task(self._until_gone())
            self._waiting.add_done_callback(self._gone)
        return True

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

    def _gone(self, waiting: asyncio.Task[None]) -> None:
        if not waiting.cancelled() and waiting.exception() is None and self._task is not None:
            self._left = True
            self._task.cancel()


class ClientWatch:
    """The clients of a worker's requests that are not over at once, with one timer for all of them."""

    def __init__(self) -> None:
        self._clients: dict[_Client, None] = {}
        """Clients of which nothing is awaited yet but the end of their body."""
        self._due: list[_Client] = []
        """Those that were here at the last turn already."""
        self._timer: asyncio.TimerHandle | None = None

    def add(self, client: _Client) -> None:
        """Look after a client from now on."""
        self._clients[client] = None
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(WATCH_EVERY_S, self._look)

    def drop(self, client: _Client) -> None:
        """The request is over."""
        self._clients.pop(client, None)

    def _look(self) -> None:
        """A client has been here for one whole interval before it is looked at."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        for client in self._due:
            if client in self._clients and client.look(loop, now):
                del self._clients[client]
        self._due = list(self._clients)
        self._timer = loop.call_later(WATCH_EVERY_S, self._look) if self._clients else None


def _headers(pairs: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers by lower-case name; one sent twice is joined, so that no reader picks one of them. Cookies are
    joined as browsers part them (RFC 9113, section 8.2.3)."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in pairs}
    if len(headers) == len(pairs):
        return headers
    headers.clear()
    for raw_name, raw_value in pairs:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        comma = "; " if name == "cookie" else ","
        headers[name] = f"{headers[name]}{comma}{value}" if name in headers else value
    return headers


def _query(scope: AsgiScope) -> Mapping[str, str]:
    """Query and path parameters. Raises InvalidRequest where there are too many."""
    text = scope["query_string"]
    path_params = scope.get("path_params") or {}
    if not text and not path_params:
        return {}
    return {**query_of(text.decode("latin-1")), **_path(scope)}


def query_of(text: str) -> dict[str, str]:
    """The parameters of a query string. Raises InvalidRequest where there are too many."""
    try:
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_QUERY_FIELDS))
    except ValueError as exc:
        raise InvalidRequest(f"The query has more than {MAX_QUERY_FIELDS} parameters.") from exc


def _path(scope: AsgiScope) -> Mapping[str, str]:
    """The path parameters, without what the edge did to slashes in them."""
    found = scope.get("path_params")
    if not found:
        return NO_PARAMETERS
    return {name: str(value).removeprefix("/").replace(SLASH, "/") for name, value in found.items()}
