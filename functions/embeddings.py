"""Embeddings: texts to vectors."""

from functions.calls.vectors import EmbeddingsExchange
from functions.calls.walk import walked
from functions.contract.function import function
from functions.contract.roles import Access
from functions.ports.context import ModelContext
from schema.embeddings import EmbeddingList, EmbeddingsRequest


@function(
    "POST",
    "/v1/embeddings",
    aliases=(
        "/embeddings",
        "/openai/v1/embeddings",
        "/openai/deployments/{model}/embeddings",
        "/engines/{model}/embeddings",
    ),
    access=Access.MODEL,
    call_type="aembedding",
)
async def embeddings(request: EmbeddingsRequest, ctx: ModelContext) -> EmbeddingList:
    """Turn one or more texts into vectors, as floats or base64."""
    return await walked(request, ctx, EmbeddingsExchange)
