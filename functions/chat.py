"""Chat completions, plain or streamed: an attempt at one deployment, or at several in turn."""

import asyncio

from functions.calls.relay import ChatEvents
from functions.contract.function import EventStream, function
from functions.contract.roles import Access
from functions.ports.context import ModelContext
from functions.ports.models import UpstreamResponse
from models_registry.backends import BACKENDS
from models_registry.backends.backend import CallFacts
from models_registry.backends.openai.answer import told_bytes
from models_registry.bounds.chat import ChatBounds, with_output_limit
from models_registry.routing.route import Route
from schema.chat import ChatCompletion, ChatRequest
from schema.errors import SHUTTING_DOWN, GatewayError, ShuttingDown


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
