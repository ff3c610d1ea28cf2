"""Embeddings: texts to vectors."""

import asyncio

from functions.contract.function import function
from functions.contract.roles import Access
from functions.ports.context import ModelContext
from functions.ports.models import UpstreamResponse
from models_registry.backends import BACKENDS
from models_registry.backends.backend import CallFacts
from models_registry.bounds.embeddings import EmbeddingsBounds
from models_registry.routing.route import Route
from schema.embeddings import EmbeddingList, EmbeddingsRequest
from schema.errors import SHUTTING_DOWN, GatewayError, ShuttingDown


@function("POST", "/v1/embeddings", aliases=("/embeddings",), access=Access.MODEL, call_type="aembedding")
async def embeddings(request: EmbeddingsRequest, ctx: ModelContext) -> EmbeddingList:
    """Turn one or more texts into vectors, as floats or base64."""

    async def attempt(route: Route) -> EmbeddingList:
        return await _attempt(request, ctx, route)

    return await ctx.routes.walk(ctx.call, request.model, attempt)


async def _attempt(request: EmbeddingsRequest, ctx: ModelContext, route: Route) -> EmbeddingList:
    call, target = ctx.call, route.target
    backend = BACKENDS[target.dialect]
    facts = CallFacts(
        request_id=call.request_id, created=int(call.received_at.timestamp()), pass_on=call.pass_on
    )
    upstream_request = backend.embeddings_request(request, target, facts)

    bounds = EmbeddingsBounds(request, target)
    hold = await ctx.ledger.hold(call, target, streamed=False, bounds=bounds, customer=request.user)
    response: UpstreamResponse | None = None
    try:
        response = await ctx.upstream.open(upstream_request, target.deadlines)
        body = await response.read()
        if response.status != 200:
            raise backend.error(response.status, response.headers, body, target)
        answer, usage = backend.embeddings_response(body, request, target, facts)
        hold.settle(bounds.completed(usage))
        return answer
    except asyncio.CancelledError as exc:
        if SHUTTING_DOWN in exc.args:
            hold.fail(ShuttingDown("The worker stopped."), bounds.usage())
        else:
            hold.cancel(bounds.usage())
        raise
    except GatewayError as error:
        hold.fail(error, final=not route.goes_on(error))
        raise
    except Exception as error:
        hold.fail(error)
        raise
    finally:
        if response is not None:
            response.close()
