"""Embeddings: texts to vectors."""

from functions.calls.attempt import Attempts, Exchange
from functions.contract.function import function
from functions.contract.roles import Access
from functions.ports.context import ModelContext
from models_registry.backends.backend import UpstreamRequest
from models_registry.bounds.embeddings import EmbeddingsBounds
from schema.embeddings import EmbeddingList, EmbeddingsRequest
from schema.usage import Usage


@function("POST", "/v1/embeddings", aliases=("/embeddings",), access=Access.MODEL, call_type="aembedding")
async def embeddings(request: EmbeddingsRequest, ctx: ModelContext) -> EmbeddingList:
    """Turn one or more texts into vectors, as floats or base64."""
    return await ctx.routes.walk(ctx.call, request.model, Attempts(request, ctx, EmbeddingsExchange))


class EmbeddingsExchange(Exchange[EmbeddingsRequest, EmbeddingsBounds, EmbeddingList]):
    """Texts sent to one deployment, and their vectors."""

    __slots__ = ()

    def outgoing(self) -> UpstreamRequest:
        return self.backend.embeddings_request(self.request, self.target, self.facts)

    def bounds(self) -> EmbeddingsBounds:
        return EmbeddingsBounds(self.request, self.target)

    def answer(self, body: bytes, bounds: EmbeddingsBounds) -> tuple[EmbeddingList, Usage]:
        vectors, usage = self.backend.embeddings_response(body, self.request, self.target, self.facts)
        return vectors, bounds.completed(usage)
