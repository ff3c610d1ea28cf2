"""From bytes to a function and back: the way of every call, over HTTP or without.

`Endpoint.invoke` authenticates, decodes, calls the function and renders the reply; it is the one
place where an exception becomes a status. `Route` is its ASGI door: reading the body within
limits, writing the reply, and cancelling the function when the client leaves.
"""

import asyncio
import math
import os
import re
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import structlog

from functions import roles
from functions.call import Call, Caller
from functions.function import Download, EventStream, permits_route
from functions.roles import Access, Reach, reaches_of
from models_registry.backends.backend import PASS_ON_HEADERS
from runtime.auth import Authenticator
from runtime.bodies import Bodies
from runtime.catalog import Entry
from runtime.ledger import BookedLedger
from schema.errors import (
    SHUTTING_DOWN,
    BodyTooLarge,
    ClientLeft,
    GatewayError,
    InvalidRequest,
    MethodNotAllowed,
    NotAllowed,
    ShuttingDown,
    envelope,
)
from schema.labels import NONE as NO_LABELS
from schema.labels import labels_of, together
from schema.route_options import AS_CONFIGURED, route_options_of
from schema.wire import Wire, decode_body, invalid, to_json, with_path

Scope = dict[str, Any]  # ASGI's own types: a mapping by the specification
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

BODY_TIMEOUT_S = 120.0
MAX_QUERY_FIELDS = 100
WATCH_AFTER_S = 0.25
"""When a call begins to watch for its client's leaving. A pending receive costs granian a hundred
microseconds, and most plain calls are over before."""
RAW_SEND = "switchgear.send"
"""Where the worker leaves the server's own `send`: the framework wraps it for errors that a route
of ours never lets out, at two coroutines for every piece of a stream."""
CHANGED_BY_HEADER = "litellm-changed-by"
NO_BODY = b"{}"
NO_SCOPE = roles.Scope()
PATH_NAME = re.compile(r"\{(\w+)")
CLIENT_LEFT = ClientLeft.status
STOPPED = "This worker is stopping, and its time for calls under way is up; try again."
JSON = b"application/json"
SSE_HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
)

log = structlog.get_logger("switchgear.request")


class Incoming(msgspec.Struct, frozen=True, kw_only=True):
    """A request from any door. Header names are lower case; `query` holds path parameters too."""

    headers: Mapping[str, str]
    query: Mapping[str, str] = {}
    read_body: Callable[[], Awaitable[bytes]]
    client_ip: str | None = None


class Reply(msgspec.Struct, kw_only=True):
    """A rendered answer. An EventStream must be closed by whoever sends it."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes | EventStream
    download: Download | None = None
    """What is sent in place of the body, where it is not None."""
    done: Callable[[], None] = lambda: None
    """Called by whoever sent it, when it is sent."""


class RequestLine(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The log line of a request: structlog's shape, at a fraction of its cost."""

    event: str = "request"
    level: str
    timestamp: datetime
    function: str
    status: int
    ms: float
    request_id: str | None
    key: str | None


class Gateway(msgspec.Struct, frozen=True, kw_only=True):
    """What every endpoint shares. `ports` are by the name of the context's field."""

    authenticator: Authenticator
    ledger: BookedLedger
    ports: Mapping[str, object]
    max_body_bytes: int
    log_line: Callable[[bytes], None]
    """Takes one JSON line for the log."""
    bodies: Bodies | None = None
    """Where prompts and answers are kept; None: nobody's are."""


class Endpoint:
    """One function of the catalogue, ready to be called with bytes."""

    def __init__(self, entry: Entry, gateway: Gateway) -> None:
        self.manifest = entry.manifest
        self._function = entry.function
        self._gateway = gateway
        context = entry.manifest.context
        wanted = [field.name for field in msgspec.structs.fields(context)]
        self._takes_call = "call" in wanted
        self._ports = {name: gateway.ports[name] for name in wanted if name != "call"}
        self._path_names = PATH_NAME.findall(entry.manifest.path)
        self._decoder: msgspec.json.Decoder[Wire] = msgspec.json.Decoder(entry.manifest.request)

    async def invoke(self, incoming: Incoming) -> Reply:
        """Answer one request. Raises nothing but CancelledError."""
        received_at, received_mono = datetime.now(UTC), time.monotonic()
        call: Call | None = None
        request: object = None
        try:
            caller = await self._caller(incoming.headers)
            call = self._call(incoming, caller, received_at, received_mono)
            if caller is not None and call is not None:
                self._check_access(caller, call)
            request = await self._request(incoming)
            if call is not None and self.manifest.access is Access.MODEL:
                call = _labelled(call, incoming.headers, request)
            ctx = self.manifest.context(**(self._ports | {"call": call} if self._takes_call else self._ports))
            reply = _render(await self._function(request, ctx), call)
        except GatewayError as error:
            reply = self._refuse(error, call, request)
        except asyncio.CancelledError as exc:
            if SHUTTING_DOWN not in exc.args:
                self._kept(incoming, call, request, b"")
                self._book_leaving(call, request)
                self._log(CLIENT_LEFT, call, received_mono)
                raise
            _go_on()
            reply = self._refuse(ShuttingDown(STOPPED, retry_after_s=1), call, request)
        except Exception as exc:
            log.error("unexpected", function=self.manifest.name, exc_info=exc)
            reply = self._refuse(GatewayError("The gateway failed; its log says why."), call, request)
        reply.body = self._kept(incoming, call, request, reply.body)
        reply.done = partial(self._log, reply.status, call, received_mono)
        return reply

    async def _caller(self, headers: Mapping[str, str]) -> Caller | None:
        if self.manifest.access is Access.OPEN:
            return None
        return await self._gateway.authenticator.caller(headers)

    def _check_access(self, caller: Caller, call: Call) -> None:
        """By the matched manifest: the key's own routes, and the caller's roles."""
        if caller.routes and not permits_route(caller.routes, self.manifest):
            raise NotAllowed(f"{self.manifest.path}: this key is not for this route.")
        if self.manifest.access is Access.MODEL:
            reaches = reaches_of(caller.roles, Access.MODEL)
        else:
            reaches = call.scope.reaches
        if not reaches:
            held = ", ".join(sorted(caller.roles))
            raise NotAllowed(f"{self.manifest.path}: the role {held} may not do this.")

    def _call(
        self, incoming: Incoming, caller: Caller | None, received_at: datetime, received_mono: float
    ) -> Call | None:
        if caller is None:
            return None
        headers = incoming.headers
        luck = os.urandom(10)
        client_id, agent = headers.get("x-litellm-call-id"), headers.get("user-agent")
        return Call(
            request_id=_uuid7(received_at, luck),
            call_type=self.manifest.call_type,
            client_call_id=client_id[:128] if client_id else None,
            received_at=received_at,
            received_mono=received_mono,
            roll=int.from_bytes(luck[:4], "big") / 2**32,
            caller=caller,
            scope=self._scope(caller),
            claimed_by=claimed[:256] if (claimed := headers.get(CHANGED_BY_HEADER)) else None,
            client_ip=incoming.client_ip,
            user_agent=agent[:200] if agent else None,
            pass_on={name: headers[name] for name in PASS_ON_HEADERS if name in headers},
        )

    def _scope(self, caller: Caller) -> roles.Scope:
        """The role's, and the teams that open this route to their members. Calling a model reads no
        row, and needs none."""
        if self.manifest.access is Access.MODEL:
            return NO_SCOPE
        scope = caller.scope(self.manifest.access)
        opened = caller.permissions.get(self.manifest.path)
        if opened is None or Reach.MINE not in scope.reaches:
            return scope  # a team opens a route to those who have it for themselves
        return msgspec.structs.replace(
            scope, reaches=scope.reaches | {Reach.TEAM}, teams=scope.teams | opened
        )

    async def _request(self, incoming: Incoming) -> object:
        kind = self.manifest.request
        if self.manifest.method == "GET":
            try:
                return msgspec.convert(incoming.query, kind, strict=False)
            except msgspec.ValidationError as exc:
                raise invalid(exc) from exc
        body = await incoming.read_body()
        if not body and self._path_names:
            body = NO_BODY  # the path says it all
        request = decode_body(self._decoder, body)
        named = {name: incoming.query[name] for name in self._path_names if name in incoming.query}
        return with_path(request, named) if named else request

    def _refuse(self, error: GatewayError, call: Call | None, request: object) -> Reply:
        """The error as a reply, and as a row where a known caller asked for a model."""
        if call is not None and self.manifest.access is Access.MODEL:
            model = getattr(request, "model", "")
            self._gateway.ledger.refuse(call, error, model=model)
        headers = dict(call.reply_headers) if call is not None else {}
        if error.retry_after_s is not None:
            headers["retry-after"] = str(max(1, math.ceil(error.retry_after_s)))
        if error.retry is not None:
            headers["x-should-retry"] = "true" if error.retry else "false"
        if error.http_status == 401:
            headers["www-authenticate"] = "Bearer"
        body = msgspec.json.encode(envelope(error))
        return Reply(status=error.http_status, headers=_json_headers(body, headers, call), body=body)

    def _book_leaving(self, call: Call | None, request: object) -> None:
        """The client left between two attempts: the call still has a row of its own."""
        if call is not None and call.attempts:
            error = ClientLeft("The client left before the call was over.")
            self._gateway.ledger.refuse(call, error, model=getattr(request, "model", ""))

    def _kept(
        self, incoming: Incoming, call: Call | None, request: object, answer: bytes | EventStream
    ) -> bytes | EventStream:
        """Keep what was asked and answered, where somebody switched that on; gives what is to be sent."""
        bodies = self._gateway.bodies
        if bodies is None or call is None or self.manifest.access is not Access.MODEL:
            return answer
        if not isinstance(request, Wire) or not bodies.wants(call, incoming.headers):
            return answer
        return bodies.take(call, request, answer)

    def _log(self, status: int, call: Call | None, received_mono: float) -> None:
        if self.manifest.access is Access.OPEN and status < 400:
            return  # probes, every few seconds
        line = RequestLine(
            timestamp=datetime.now(UTC),
            level="error" if status >= 500 else "info",
            function=self.manifest.name,
            status=status,
            ms=round((time.monotonic() - received_mono) * 1000, 1),
            request_id=call.request_id if call else None,
            key=(call.caller.key_alias or call.caller.key_hash[:12]) if call else None,
        )
        self._gateway.log_line(msgspec.json.encode(line))


def _labelled(call: Call, headers: Mapping[str, str], request: object) -> Call:
    """The call with what its request says of itself: labels, and what way it wants to go."""
    fields = request.raw if isinstance(request, Wire) else {}
    labels, route = labels_of(headers, fields), route_options_of(headers, fields)
    if labels is NO_LABELS and route is AS_CONFIGURED:
        return call
    tags = together(labels.tags, call.caller.tags)
    return msgspec.structs.replace(call, tags=tags, session_id=labels.session_id, route=route)


def json_reply(status: int, content: object, headers: Mapping[str, str] = MappingProxyType({})) -> Reply:
    """An answer of the runtime's own, such as a 404."""
    body = msgspec.json.encode(content)
    return Reply(status=status, headers=_json_headers(body, headers, None), body=body)


def _render(answer: object, call: Call | None) -> Reply:
    extra = call.reply_headers if call is not None else {}
    if isinstance(answer, msgspec.Struct | str | list | int | dict):
        body = (answer.wire if isinstance(answer, Wire) else b"") or to_json(answer)
        return Reply(status=200, headers=_json_headers(body, extra, call), body=body)
    if isinstance(answer, Download):
        named = f'attachment; filename="{answer.filename}"'.encode()
        kind = answer.media_type.encode()
        headers = [(b"content-type", kind), (b"content-disposition", named), *_pairs(extra, call)]
        return Reply(status=200, headers=headers, body=b"", download=answer)
    headers = [*SSE_HEADERS, *_pairs(extra, call)]
    return Reply(status=200, headers=headers, body=answer)  # type: ignore[arg-type]  # a function's only other answer


def _json_headers(body: bytes, extra: Mapping[str, str], call: Call | None) -> list[tuple[bytes, bytes]]:
    return [
        (b"content-type", JSON),
        (b"content-length", str(len(body)).encode()),
        *_pairs(extra, call),
    ]


def _pairs(extra: Mapping[str, str], call: Call | None) -> list[tuple[bytes, bytes]]:
    """Header pairs; a value that HTTP can't carry is left out, as LiteLLM does."""
    pairs = [
        (name.encode(), value.encode("latin-1"))
        for name, value in extra.items()
        if value.isascii() and value.isprintable()
    ]
    if call is not None:
        pairs.append((b"x-litellm-call-id", call.request_id.encode()))
        pairs += call.limit_headers
    return pairs


def _uuid7(at: datetime, luck: bytes) -> str:
    """RFC 9562, section 5.7: milliseconds, then random bits, so that ids sort by time."""
    value = int(at.timestamp() * 1000) << 80 | int.from_bytes(luck, "big")
    text = f"{value & ~(0xF << 76 | 0x3 << 62) | 7 << 76 | 2 << 62:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


class Route:
    """One path's functions by method, as an ASGI application."""

    def __init__(self, endpoints: Mapping[str, Endpoint], max_body_bytes: int) -> None:
        self._endpoints = dict(endpoints)
        self._max_body_bytes = max_body_bytes

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._endpoints.get(scope["method"])
        if endpoint is None:
            await _send_whole(send, self._wrong_method(scope["method"]))
            return
        try:
            query = _query(scope)
        except InvalidRequest as error:
            await _send_whole(send, json_reply(error.http_status, envelope(error)))
            return
        headers = _headers(scope["headers"])
        body = _Body(receive, headers, self._max_body_bytes)
        client = scope.get("client")
        incoming = Incoming(
            headers=headers,
            query=query,
            read_body=body.read,
            client_ip=client[0] if client else None,
        )
        if endpoint.manifest.access is not Access.MODEL:
            await _send_reply(send, await endpoint.invoke(incoming))
            return
        send = scope.get(RAW_SEND, send)
        with _WhileClientStays(body):
            await _send_reply(send, await endpoint.invoke(incoming))

    def _wrong_method(self, method: str) -> Reply:
        allowed = ", ".join(self._endpoints)
        error = MethodNotAllowed(f"{method} is not allowed here; use {allowed}.")
        return json_reply(405, envelope(error), {"allow": allowed})


class _Body:
    """A request's body, read at most once and within limits."""

    def __init__(self, receive: Receive, headers: Mapping[str, str], max_bytes: int) -> None:
        self.receive = receive
        self._headers = headers
        self._max_bytes = max_bytes
        self.ended = False

    async def read(self) -> bytes:
        """Raises BodyTooLarge, or InvalidRequest where the client stalls or leaves half-way."""
        text = self._headers.get("content-length", "")
        length = int(text) if text.isdecimal() else None
        if length is not None and length > self._max_bytes:
            raise self._too_large()
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                message = await self.receive()
                if message["type"] == "http.disconnect":
                    raise InvalidRequest("The client left before its request was complete.")
                body: bytes = message.get("body", b"")
                if message.get("more_body") and len(body) != length:
                    body = await self._rest(body)
        except TimeoutError as exc:
            raise InvalidRequest("The request body did not arrive in time.") from exc
        if len(body) > self._max_bytes:
            raise self._too_large()
        self.ended = True
        return body

    async def _rest(self, first: bytes) -> bytes:
        pieces, size, more = [first], len(first), True
        while more:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise InvalidRequest("The client left before its request was complete.")
            pieces.append(message.get("body", b""))
            size += len(pieces[-1])
            if size > self._max_bytes:
                raise self._too_large()
            more = message.get("more_body", False)
        return b"".join(pieces)

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(f"The request body is larger than {self._max_bytes} bytes.")


class _WhileClientStays:
    """Cancels the task inside when the client leaves, and lets that pass quietly."""

    def __init__(self, body: _Body) -> None:
        self._body = body
        self._left = False
        self._watch: asyncio.Task[None] | None = None

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
        return kind is asyncio.CancelledError and self._left


async def _send_reply(send: Send, reply: Reply) -> None:
    if reply.download is not None:
        await _send_download(send, reply, reply.download)
        return
    if isinstance(reply.body, bytes):
        await _send_whole(send, reply)
        return
    stream = reply.body
    try:
        await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
        async with aclosing(sse_of(stream)) as events:
            async for piece in events:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
    except asyncio.CancelledError as exc:
        if SHUTTING_DOWN in exc.args:  # while a slow client was being written to
            stream.close(ShuttingDown(STOPPED))
        raise
    finally:
        stream.close()
        reply.done()


async def _send_download(send: Send, reply: Reply, download: Download) -> None:
    try:
        await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
        async with aclosing(download.pieces()) as pieces:  # type: ignore[type-var]
            async for piece in pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
    finally:
        reply.done()


async def sse_of(stream: EventStream) -> AsyncGenerator[bytes, None]:
    """A stream's events; one that breaks ends with an `error` event, and no `[DONE]` after it."""
    error: GatewayError
    try:
        async with aclosing(stream.events()) as events:  # type: ignore[type-var]
            async for piece in events:
                yield piece
        return
    except GatewayError as exc:
        error = exc
    except asyncio.CancelledError as exc:
        if SHUTTING_DOWN not in exc.args:
            raise
        _go_on()
        error = ShuttingDown(STOPPED)
        stream.close(error)
    yield b"data: " + msgspec.json.encode(envelope(error)) + b"\n\n"


def _go_on() -> None:
    """The task was cancelled to make it end, and has yet to say so to its client."""
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()


async def _send_whole(send: Send, reply: Reply) -> None:
    await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
    await send({"type": "http.response.body", "body": reply.body, "more_body": False})
    reply.done()


def _headers(pairs: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers by lower-case name; one sent twice is joined, so that no reader picks one of them."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in pairs:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return headers


def _query(scope: Scope) -> Mapping[str, str]:
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
