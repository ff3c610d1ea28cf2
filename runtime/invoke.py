"""From bytes to a function and back: the way of every call, over HTTP or without.

`Endpoint.invoke` authenticates, decodes, calls the function and renders the reply; it is the one
place where an exception becomes a status. `runtime/web/door.py` is its ASGI door.
"""

import asyncio
import math
import os
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

import msgspec
import structlog

from functions.contract import roles
from functions.contract.call import IGNORED_HEADER, Call, Caller, unlimited_room
from functions.contract.function import EventStream, StreamForm, permits_route
from functions.contract.roles import Access, reaches_of
from functions.contract.silence import UNMINDED, Silence
from functions.contract.visit import Redirect, Visit, WebPage
from functions.ports.context import Ports
from models_registry.backends.backend import PASS_ON_HEADERS
from runtime.bodies.keeper import BodyKeeper
from runtime.catalog import Entry
from runtime.identity.authenticator import Authenticator
from runtime.identity.session_authenticator import SessionAuthenticator
from runtime.identity.token_authenticator import TokenAuthenticator
from runtime.intake.body_decoder import BodyDecoder
from runtime.intake.body_room import BodyRoom
from runtime.intake.forms import form_as_json, is_form
from runtime.intake.labelled import labelled, wants_local
from runtime.intake.request_ids import is_id, uuid7
from runtime.intake.searches import SEARCHES, Searches, Turn
from runtime.ledger.attempts import BookedLedger
from runtime.reply import Reply, also_at_end, early_headers, error_reply, page_reply, render, render_error
from runtime.signin.site import Site
from runtime.stopping import STOPPED, go_on
from runtime.telemetry.request_line import RequestLine
from runtime.telemetry.tally import Tally
from runtime.telemetry.unrouted import reason_of
from schema.errors.base import GatewayError
from schema.errors.callers import NotAllowed
from schema.errors.overload import SHUTTING_DOWN, ClientLeft, ShuttingDown
from schema.errors.requests import InvalidRequest
from schema.labels import agent_tags
from schema.lenient import LenientDecoder, echoed
from schema.undeclared import QUERIES_WITHOUT_EFFECT, without_effect
from schema.wire import Wire, invalid, with_path

CHANGED_BY_HEADER = "litellm-changed-by"
"""The fields of a management call that have no effect here."""
NO_BODY = b"{}"
NO_SCOPE = roles.Scope()

PATH_NAME = re.compile(r"\{(\w+)")

CLIENT_LEFT = ClientLeft.status

log = structlog.get_logger("switchgear.request")


class EarlyHead(Silence, Protocol):
    """Begins the reply of a streamed call that is silent for long."""

    def mind(self, form: StreamForm, head: Callable[[], Sequence[tuple[bytes, bytes]]]) -> None:
        """The call asks for a stream. `form` is its surface's, and `head` gives the headers of an early
        head."""
        ...


class Incoming(msgspec.Struct, frozen=True, kw_only=True):
    """A request from any door. Header names are lower case; `query` holds path parameters too."""

    headers: Mapping[str, str]
    query: Mapping[str, str] = {}
    path: Mapping[str, str] = {}
    """The path parameters alone."""
    read_body: Callable[[], Awaitable[bytes]]
    early: EarlyHead | None = None
    """Who may begin the reply of a stream before the function has answered. None: nobody."""
    client_ip: str | None = None
    take_room: Callable[[int], None] = unlimited_room
    """See Call."""


class Gateway(msgspec.Struct, frozen=True, kw_only=True):
    """What every endpoint shares."""

    authenticator: Authenticator
    ledger: BookedLedger
    ports: Ports
    max_body_bytes: int
    body_room: BodyRoom
    searches: Searches
    log_line: Callable[[bytes], None]
    """Takes one JSON line for the log."""
    decoder: BodyDecoder = msgspec.field(default_factory=BodyDecoder)
    site: Site = Site()
    """The gateway as browsers see it."""
    sessions: SessionAuthenticator | None = None
    """Who calls by a session. None: nobody."""
    tokens: TokenAuthenticator | None = None
    """Who calls by a token of another issuer. None: nobody."""
    customer_headers: Sequence[str] = ()
    """The headers that name the customer beside LiteLLM's own, in lower case."""
    tags_agents: bool = True
    """Whether a call is tagged with the program that made it."""
    bodies: BodyKeeper | None = None
    """Where prompts and answers are kept; None: nobody's are."""
    tally: Tally = msgspec.field(default_factory=lambda: Tally(()))


class Endpoint:
    """One function of the catalogue, ready to be called with bytes."""

    def __init__(self, entry: Entry, gateway: Gateway) -> None:
        self.manifest = entry.manifest
        self._function = entry.function
        self._gateway = gateway
        context = entry.manifest.context
        wanted = [field.name for field in msgspec.structs.fields(context)]
        self._takes_call = "call" in wanted
        self._takes_visit = "visit" in wanted
        ports = {name: getattr(gateway.ports, name) for name in wanted if name not in ("call", "visit")}
        self._context: Callable[..., Any] = partial(context, **ports)
        self._is_search = entry.manifest.access in SEARCHES
        self.is_live = entry.manifest.reply is EventStream
        """Whether the answer goes on until the client leaves."""
        self._has_fields = bool(msgspec.structs.fields(entry.manifest.request))
        self._path_names = PATH_NAME.findall(entry.manifest.path)
        self._alias_names = [name for alias in entry.manifest.aliases for name in PATH_NAME.findall(alias)]
        kind = entry.manifest.request
        self._ignored_queries = QUERIES_WITHOUT_EFFECT - {
            field.encode_name for field in msgspec.structs.fields(kind)
        }
        self._decoder: msgspec.json.Decoder[Wire] = msgspec.json.Decoder(kind)
        self._lenient: LenientDecoder[Wire] | None = None
        """For management calls."""
        if self.manifest.access is not Access.MODEL and issubclass(kind, Wire):
            self._lenient = LenientDecoder(kind)

    async def invoke(self, incoming: Incoming) -> Reply:
        """Answer one request. Raises nothing but CancelledError."""
        received_at, received_mono = datetime.now(UTC), time.monotonic()
        call: Call | None = None
        request: object = None
        turn: Turn | None = None
        visit = self._visit(incoming, received_at) if self._takes_visit else None
        try:
            caller = await self._caller(incoming)
            call = self._call(incoming, caller, received_at, received_mono)
            if caller is not None and call is not None:
                self._check_access(caller, call.scope)
            request = await self._request(incoming, call)
            if self._is_search and caller is not None:
                turn = self._gateway.searches.turn(caller.user_id or caller.key_hash)
                await turn.begin()
                if self.is_live and call is not None:
                    call = msgspec.structs.replace(call, still=partial(self._still, incoming))
            if call is not None and self.manifest.access is Access.MODEL:
                call = labelled(call, incoming.headers, request, self._gateway.customer_headers)
                if incoming.early is not None and getattr(request, "stream", None):
                    call = msgspec.structs.replace(call, silence=incoming.early)
                    incoming.early.mind(self.manifest.stream_form, partial(early_headers, call))
            answer: object = await self._function(request, self._ctx(call, visit))
            if self.manifest.echoes and isinstance(answer, msgspec.Struct) and isinstance(request, Wire):
                answer = echoed(answer, request)
            if isinstance(answer, WebPage | Redirect) and visit is not None:
                reply = page_reply(answer, visit)
            else:
                reply = render(answer, call)
        except GatewayError as error:
            reply = self._refuse(error, call, request, visit)
        except asyncio.CancelledError as exc:
            if turn is not None:
                turn.end()
            if SHUTTING_DOWN not in exc.args:
                self._kept(incoming, call, request, b"")
                self._book_leaving(call, request)
                self._log(CLIENT_LEFT, call, received_mono)
                raise
            go_on()
            reply = self._refuse(ShuttingDown(STOPPED, retry_after_s=1), call, request, visit)
        except Exception as exc:
            log.error("unexpected", function=self.manifest.name, exc_info=exc)
            failed = GatewayError("The gateway failed; its log says why.")
            reply = self._refuse(failed, call, request, visit)
        reply.body = self._kept(incoming, call, request, reply.body)
        reply.done = partial(self._log, reply.status, call, received_mono)
        if turn is not None:
            also_at_end(reply, turn.end)
        return reply

    async def _caller(self, incoming: Incoming) -> Caller | None:
        if self.manifest.access is Access.OPEN:
            return None
        gateway, headers = self._gateway, incoming.headers
        if gateway.sessions is not None and "cookie" in headers and gateway.sessions.holds(headers):
            changes = self.manifest.method != "GET"
            return await gateway.sessions.caller(headers, incoming.client_ip, changes=changes)
        if gateway.tokens is not None and gateway.tokens.holds(headers):
            return await gateway.tokens.caller(headers)
        return await gateway.authenticator.caller(headers)

    def _ctx(self, call: Call | None, visit: Visit | None) -> object:
        """The function's context. Most contexts have a call and no visit."""
        if visit is None:
            return self._context(call=call) if self._takes_call else self._context()
        return self._context(call=call, visit=visit) if self._takes_call else self._context(visit=visit)

    def _visit(self, incoming: Incoming, received_at: datetime) -> Visit:
        visit = self._gateway.site.visit(
            incoming.headers,
            request_id=uuid7(received_at, os.urandom(10)),
            received_at=received_at,
            address=incoming.client_ip,
        )
        return msgspec.structs.replace(visit, query=incoming.query)

    async def _still(self, incoming: Incoming) -> roles.Scope:
        """What the caller of a request reaches now. Raises what authentication raises, and NotAllowed."""
        caller = await self._caller(incoming)
        scope = NO_SCOPE if caller is None else self._scope(caller)
        if caller is not None:
            self._check_access(caller, scope)
        return scope

    def _check_access(self, caller: Caller, scope: roles.Scope) -> None:
        """By the matched manifest: the key's own routes, and the caller's roles."""
        if caller.allowed_routes and not permits_route(caller.allowed_routes, self.manifest):
            raise NotAllowed(f"{self.manifest.path}: this key is not for this route.")
        if self.manifest.access is Access.MODEL:
            reaches = reaches_of(caller.roles, Access.MODEL)
        else:
            reaches = scope.reaches
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
            request_id=uuid7(received_at, luck),
            call_type=self.manifest.call_type,
            client_call_id=client_id if client_id and is_id(client_id) else None,
            received_at=received_at,
            received_mono=received_mono,
            roll=int.from_bytes(luck[:4], "big") / 2**32,
            caller=caller,
            scope=self._scope(caller),
            stays_local=caller.local_only or ("request" if wants_local(headers) else ""),
            claimed_by=claimed[:256] if (claimed := headers.get(CHANGED_BY_HEADER)) else None,
            client_ip=self._gateway.site.client_of(headers, incoming.client_ip),
            user_agent=agent[:200] if agent else None,
            agent_tags=agent_tags(agent[:200]) if agent and self._gateway.tags_agents else (),
            take_room=incoming.take_room,
            pass_on={name: headers[name] for name in PASS_ON_HEADERS if name in headers},
        )

    def _scope(self, caller: Caller) -> roles.Scope:
        """Calling a model reads no row, and needs none."""
        if self.manifest.access is Access.MODEL:
            return NO_SCOPE
        return caller.scope(self.manifest.access, self.manifest.path)

    async def _request(self, incoming: Incoming, call: Call | None) -> object:
        kind = self.manifest.request
        if self.manifest.method == "GET":
            query = incoming.query
            ignored = sorted(self._ignored_queries & query.keys())
            if ignored:
                query = {name: value for name, value in query.items() if name not in ignored}
                self._tell_ignored(ignored, call)
            try:
                return msgspec.convert(query, kind, strict=False)
            except msgspec.ValidationError as exc:
                raise invalid(exc) from exc
        body = await incoming.read_body()
        if self.manifest.pages and is_form(incoming.headers):
            body = form_as_json(body)
        if not body and (self._path_names or not self._has_fields or self._lenient is not None):
            body = NO_BODY  # the path says it all
        by_path = {name: incoming.path[name] for name in self._alias_names if name in incoming.path}
        request = await (self._decoded_with(by_path, body) if by_path else self._decoded(body))
        if self._lenient is not None and (without := without_effect(request)):
            self._tell_ignored(without, call)
        named = {name: incoming.query[name] for name in self._path_names if name in incoming.query} | by_path
        return with_path(request, named) if named else request

    def _tell_ignored(self, names: Sequence[str], call: Call | None) -> None:
        """Name fields that have no effect, in the answer and in the log. Only names of our own lists come
        here."""
        log.warning("fields without an effect", function=self.manifest.name, fields=names)
        if call is not None:
            call.reply_headers[IGNORED_HEADER] = ", ".join(names)

    async def _decoded_with(self, by_path: Mapping[str, str], body: bytes) -> Wire:
        """A body that may lack what its path says, such as the model in a path of Azure's."""
        try:
            return await self._decoded(body)
        except InvalidRequest as refused:
            if refused.param not in by_path or body.lstrip()[:1] != b"{":
                raise
        first = msgspec.json.encode(by_path)
        rest = body.lstrip()[1:]
        comma = b"" if rest.lstrip()[:1] == b"}" else b","
        return await self._decoded(first[:-1] + comma + rest)

    async def _decoded(self, body: bytes) -> Wire:
        try:
            return await self._gateway.decoder.decode(self._decoder, body)
        except InvalidRequest as refused:
            try:
                request = None if self._lenient is None else self._lenient.decode(body)
            except InvalidRequest:
                request = None
            if request is None:
                raise refused
            return request

    def _refuse(
        self, error: GatewayError, call: Call | None, request: object, visit: Visit | None = None
    ) -> Reply:
        """The error as a reply, and as a row where a known caller asked for a model."""
        if self.manifest.pages and visit is not None and visit.wants_page:
            return render_error(error, visit)
        if call is not None and self.manifest.access is Access.MODEL:
            model = getattr(request, "model", "")
            self._gateway.ledger.refuse(call, error, model=model)
            reason = None if call.attempts else reason_of(error)
            if reason is not None:
                self._gateway.tally.unrouted(self.manifest.name, reason)
        headers = dict(call.reply_headers) if call is not None else {}
        headers.update(error.reply_headers)
        if error.retry_after_s is not None:
            headers["retry-after"] = str(max(1, math.ceil(error.retry_after_s)))
        if error.retry is not None:
            headers["x-should-retry"] = "true" if error.retry else "false"
        if error.http_status == 401:
            headers["www-authenticate"] = "Bearer"
        call_id = call.request_id if call is not None else None
        reply = error_reply(error.http_status, self.manifest.error_form(error, call_id), headers, call)
        if call is not None and call.silence is not UNMINDED:
            reply.last_event = self.manifest.stream_form.failed(error, call_id)
        return reply

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
        ms = (time.monotonic() - received_mono) * 1000
        self._gateway.tally.request(self.manifest.name, status, ms)
        if self.manifest.access is Access.OPEN and status < 400:
            return  # probes, every few seconds
        failures = [each.failure for each in call.attempts if each.failure] if call else None
        line = RequestLine(
            timestamp=datetime.now(UTC),
            level="error" if status >= 500 else "info",
            function=self.manifest.name,
            status=status,
            ms=round(ms, 1),
            request_id=call.request_id if call else None,
            key=(call.caller.key_alias or call.caller.key_hash[:12]) if call else None,
            failures=failures or msgspec.UNSET,
        )
        self._gateway.log_line(msgspec.json.encode(line))
