"""Embeddings: texts to vectors."""

import asyncio

from functions.context import ModelContext, UpstreamResponse
from functions.function import Access, function
from models_registry.backends import BACKENDS
from models_registry.backends.backend import CallFacts
from models_registry.bounds import embeddings_bound
from schema.embeddings import EmbeddingList, EmbeddingsRequest
from schema.errors import SHUTTING_DOWN, ShuttingDown
from schema.usage import Usage


@function("POST", "/v1/embeddings", aliases=("/embeddings",), access=Access.MODEL, call_type="aembedding")
async def embeddings(request: EmbeddingsRequest, ctx: ModelContext) -> EmbeddingList:
    """Turn one or more texts into vectors, as floats or base64."""
    call = ctx.call
    target = ctx.models.target(request.model, allowed=call.caller.models, roll=call.roll)
    backend = BACKENDS[target.dialect]
    facts = CallFacts(
        request_id=call.request_id, created=int(call.received_at.timestamp()), pass_on=call.pass_on
    )
    upstream_request = backend.embeddings_request(request, target, facts)

    def bound() -> Usage:
        return Usage(prompt_tokens=embeddings_bound(request), estimated=True)

    hold = ctx.ledger.hold(call, target, streamed=False, bound=bound)
    response: UpstreamResponse | None = None
    try:
        response = await ctx.upstream.open(upstream_request, target.deadlines)
        body = await response.read()
        if response.status != 200:
            raise backend.error(response.status, response.headers, body, target)
        answer, usage = backend.embeddings_response(body, request, target, facts)
        hold.settle(usage or bound())
        return answer
    except asyncio.CancelledError as exc:
        if SHUTTING_DOWN in exc.args:
            hold.fail(ShuttingDown("The worker stopped."), bound())
        else:
            hold.cancel(bound())
        raise
    except Exception as error:
        hold.fail(error)
        raise
    finally:
        if response is not None:
            response.close()
