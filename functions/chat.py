"""Chat completions, plain or streamed: an attempt at one deployment, or at several in turn."""

import asyncio
from collections.abc import AsyncIterator

import msgspec

from functions.context import ModelContext
from functions.function import EventStream, function
from functions.model_ports import Hold, UpstreamResponse
from functions.roles import Access
from models_registry.backends import BACKENDS
from models_registry.backends.backend import CallFacts, ChatStream
from models_registry.backends.openai.answer import told_bytes
from models_registry.bounds.chat import ChatBounds, with_output_limit
from models_registry.routing.route import Route
from schema.chat import ChatCompletion, ChatRequest
from schema.errors import SHUTTING_DOWN, GatewayError, ShuttingDown, Told, UpstreamError, UpstreamMalformed
from schema.usage import Usage

END_S = 0.2
"""How long a complete answer's connection may take to end, to be used again."""


@function(
    "POST",
    "/v1/chat/completions",
    aliases=("/chat/completions",),
    access=Access.MODEL,
    call_type="acompletion",
)
async def chat(request: ChatRequest, ctx: ModelContext) -> ChatCompletion | EventStream:
    """Answer a conversation with the model named, in one piece or as a stream of chunks."""

    async def attempt(route: Route) -> ChatCompletion | EventStream:
        return await _attempt(request, ctx, route)

    return await ctx.routes.walk(ctx.call, request.model, attempt)


async def _attempt(request: ChatRequest, ctx: ModelContext, route: Route) -> ChatCompletion | EventStream:
    call, target = ctx.call, route.target
    backend = BACKENDS[target.dialect]
    facts = CallFacts(
        request_id=call.request_id, created=int(call.received_at.timestamp()), pass_on=call.pass_on
    )
    upstream_request = backend.chat_request(request, target, facts)
    streamed, bounds = bool(request.stream), ChatBounds(request, target)
    hold = await ctx.ledger.hold(call, target, streamed=streamed, bounds=bounds, customer=request.user)
    response: UpstreamResponse | None = None
    try:
        if hold.output_limit is not None:
            target = with_output_limit(target, hold.output_limit)
            upstream_request = backend.chat_request(request, target, facts)
        response = await ctx.upstream.open(upstream_request, target.deadlines)
        if response.status != 200:
            raise backend.error(response.status, response.headers, await response.read(), target)
        if streamed:
            parser = backend.chat_stream(request, target, facts)
            return await ChatEvents.begin(response, parser, hold=hold, bounds=bounds)
        body = await response.read()
        completion, usage = backend.chat_response(body, request, target, facts)
        hold.settle(bounds.completed(usage, len(body), lambda: told_bytes(completion)))
        return completion
    except asyncio.CancelledError as exc:
        if SHUTTING_DOWN in exc.args:
            hold.fail(ShuttingDown("The worker stopped."), bounds.usage())
        else:
            hold.cancel(bounds.usage())
        _close(response)
        raise
    except GatewayError as error:
        hold.fail(error, final=not route.goes_on(error))
        _close(response)
        raise
    except Exception as error:
        hold.fail(error)
        _close(response)
        raise


def _close(response: UpstreamResponse | None) -> None:
    if response is not None:
        response.close()


class ChatEvents:
    """A chat stream under way: relays it, and settles the hold however it ends."""

    def __init__(
        self, response: UpstreamResponse, parser: ChatStream, *, hold: Hold, bounds: ChatBounds
    ) -> None:
        self._response = response
        self._parser = parser
        self._hold: Hold | None = hold
        self._bounds = bounds
        self._chunks = response.chunks()
        self._first = b""
        self._broken: Told | None = None
        """What comes after the first event."""

    @classmethod
    async def begin(
        cls, response: UpstreamResponse, parser: ChatStream, *, hold: Hold, bounds: ChatBounds
    ) -> "ChatEvents":
        """Read up to the first event, so that an upstream that fails at once gets its status."""
        stream = cls(response, parser, hold=hold, bounds=bounds)
        async for data in stream._chunks:
            try:
                stream._first = parser.feed(data)
            except UpstreamError as error:
                if not error.unsent:
                    raise
                stream._first, stream._broken = error.unsent, Told.of(error)
            if stream._first:
                break
        else:
            stream._first = parser.close()
        hold.first_token()
        return stream

    async def events(self) -> AsyncIterator[bytes]:
        """The stream as SSE. Raises the GatewayError it broke with, already booked."""
        feed = self._parser.feed
        try:
            if self._first:
                yield self._first
            if self._broken is not None:
                raise self._broken.error()
            while not self._parser.done:
                data = await anext(self._chunks, None)
                out = self._parser.close() if data is None else feed(data)
                if self._parser.done:
                    self._settle()
                if out:
                    yield out
            self._settle()
            await self._let_end()
        except GatewayError as error:
            self._fail(error)
            unsent = getattr(error, "unsent", b"")
            if unsent:
                yield unsent
            raise
        except Exception as error:
            self._fail(error)
            raise UpstreamMalformed("The provider's stream could not be read.") from error

    async def _let_end(self) -> None:
        """Wait a moment for the end of a body whose answer is complete: a connection read to its end
        can be used again."""
        try:
            async with asyncio.timeout(END_S):
                await anext(self._chunks, None)
        except (TimeoutError, GatewayError):
            self._response.close()

    def close(self, error: GatewayError | None = None) -> None:
        """Cut the upstream, and book what was produced where nobody else has."""
        self._response.close()
        hold, self._hold = self._hold, None
        if hold is None:
            return
        if error is not None:
            hold.fail(error, self._produced())
        elif self._parser.done and self._parser.usage is not None:
            hold.settle(self._produced())
        else:
            hold.cancel(self._produced())

    def _settle(self) -> None:
        hold, self._hold = self._hold, None
        if hold is not None:
            hold.settle(self._produced())

    def _fail(self, error: Exception) -> None:
        hold, self._hold = self._hold, None
        if hold is not None:
            hold.fail(error, self._produced())

    def _produced(self) -> Usage:
        """What the provider reported, else a bound of it: of the output alone where it reported the input."""
        parser, usage, bounds = self._parser, self._parser.usage, self._bounds
        if parser.done or (usage is not None and not usage.estimated):
            booked = bounds.completed(usage, parser.most_bytes, lambda: parser.told_bytes)
        else:
            booked = bounds.broken(usage, parser.produced_bytes)
        tier = parser.service_tier
        return (
            booked
            if usage is not None or tier is None
            else msgspec.structs.replace(booked, service_tier=tier)
        )
