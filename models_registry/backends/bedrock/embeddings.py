"""Embeddings on Bedrock, by the forms of their makers: Amazon's Titan takes one text a call, Cohere's models
a list. Cohere's report no usage."""

from typing import Any  # JSON

import msgspec

from models_registry.backends.bedrock.models import known_as
from models_registry.backends.embedding import asked_for, listed, read_vectors
from models_registry.backends.parameters import unsupported
from models_registry.backends.usage import count_of
from models_registry.target import Target
from schema.embeddings import EmbeddingList, EmbeddingsRequest
from schema.usage import Usage

FIELDS = frozenset({"input_type"})
TITAN, COHERE = "titan", "cohere"
USUAL_TYPE = msgspec.Raw(b'"search_document"')


class InvokedEmbeddings(msgspec.Struct, frozen=True, rename={"tokens": "inputTextTokenCount"}):
    """Titan's answer has one vector, Cohere's a list of them, or a list by their type."""

    embedding: list[float] | None = None
    embeddings: list[list[float]] | dict[str, list[list[float]]] | None = None
    tokens: int | None = None


_ANSWERS = msgspec.json.Decoder(InvokedEmbeddings)


def embed_body(request: EmbeddingsRequest, target: Target) -> dict[str, Any]:
    """The body. Raises UnsupportedParameter for a model of another maker and several texts at Titan, and what
    `asked_for` raises."""
    texts, fields = asked_for(request, target, FIELDS)
    if COHERE in known_as(target):
        body: dict[str, Any] = {"texts": texts, "input_type": fields.get("input_type", USUAL_TYPE)}
        return body | ({"output_dimension": request.dimensions} if request.dimensions else {})
    if TITAN not in known_as(target):
        raise unsupported("model", target, "it has no embeddings that this gateway knows")
    if len(texts) > 1:
        raise unsupported("input", target, "the model takes one text a call")
    return {"inputText": texts[0]} | ({"dimensions": request.dimensions} if request.dimensions else {})


def embedded(body: bytes, request: EmbeddingsRequest, target: Target) -> tuple[EmbeddingList, Usage | None]:
    """The answer, and what it reports of the usage. Raises what `read_vectors` and `listed` raise."""
    found = read_vectors(_ANSWERS, body, target)
    vectors = found.embeddings if found.embedding is None else [found.embedding]
    if isinstance(vectors, dict):
        vectors = vectors.get("float")
    return listed(vectors, count_of(found.tokens), request, target)
