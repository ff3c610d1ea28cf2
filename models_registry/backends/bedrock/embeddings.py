"""Embeddings on Bedrock, by the forms of their makers: Amazon's Titan takes one text a call, Cohere's models
a list. Cohere's report no usage."""

from typing import Any  # JSON

import msgspec

from models_registry.backends.parameters import take_gateway_fields, unsupported
from models_registry.backends.provider_errors import error_instead
from models_registry.backends.tolerance import decoded
from models_registry.backends.usage import count_of
from models_registry.backends.vectors import BASE64, as_asked, check_encoding
from models_registry.target import Target
from schema.embeddings import Embedding, EmbeddingList, EmbeddingsRequest, EmbeddingsUsage
from schema.errors import InvalidRequest, UpstreamMalformed
from schema.usage import Usage
from schema.wire import present

FIELDS = frozenset({"model", "input", "encoding_format", "dimensions", "user", "input_type"})
TITAN, COHERE = "titan", "cohere"
USUAL_TYPE = msgspec.Raw(b'"search_document"')


class InvokedEmbeddings(msgspec.Struct, frozen=True, rename={"tokens": "inputTextTokenCount"}):
    """Titan's answer has one vector, Cohere's a list of them, or a list by their type."""

    embedding: list[float] | None = None
    embeddings: list[list[float]] | dict[str, list[list[float]]] | None = None
    tokens: int | None = None


_ANSWERS = msgspec.json.Decoder(InvokedEmbeddings)


def embed_body(request: EmbeddingsRequest, target: Target) -> dict[str, Any]:
    """The body. Raises UnsupportedParameter for a model of another maker, several texts at Titan, token ids
    and unknown fields, and InvalidRequest for no text."""
    check_encoding(request.encoding_format)
    fields = request.fields()
    take_gateway_fields(fields, target)
    for name, raw in fields.items():
        if name not in FIELDS and present(raw) and not target.drop_params:
            raise unsupported(name, target)
    merged = {**target.params, **{name: raw for name, raw in fields.items() if present(raw)}}
    texts = [request.input] if isinstance(request.input, str) else request.input
    if not texts:
        raise InvalidRequest("'input' must not be empty.", param="input")
    if not all(isinstance(text, str) for text in texts):
        raise unsupported("input", target, "it takes text, not token ids")
    if COHERE in target.model:
        body: dict[str, Any] = {"texts": texts, "input_type": merged.get("input_type", USUAL_TYPE)}
        return body | ({"output_dimension": request.dimensions} if request.dimensions else {})
    if TITAN not in target.model:
        raise unsupported("model", target, "it has no embeddings that this gateway knows")
    if len(texts) > 1:
        raise unsupported("input", target, "the model takes one text a call")
    return {"inputText": texts[0]} | ({"dimensions": request.dimensions} if request.dimensions else {})


def embedded(body: bytes, request: EmbeddingsRequest, target: Target) -> tuple[EmbeddingList, Usage | None]:
    """The answer, and what it reports of the usage. Raises UpstreamMalformed where there is not one vector
    for each text."""
    try:
        found = decoded(_ANSWERS, body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        otherwise = f"The provider's answer is not a list of embeddings: {exc}"
        raise error_instead(body, target, otherwise) from exc
    vectors = found.embeddings if found.embedding is None else [found.embedding]
    if isinstance(vectors, dict):
        vectors = vectors.get("float")
    asked = 1 if isinstance(request.input, str) else len(request.input)
    if vectors is None or len(vectors) != asked:
        told = 0 if vectors is None else len(vectors)
        raise UpstreamMalformed(f"The provider sent {told} embeddings for {asked} texts.")
    counted = count_of(found.tokens)
    tokens = counted or 0
    encoding = BASE64 if request.encoding_format == BASE64 else None
    answer = EmbeddingList(
        object="list",
        data=[as_asked(Embedding(index=i, embedding=vector), encoding) for i, vector in enumerate(vectors)],
        model=target.model,
        usage=EmbeddingsUsage(prompt_tokens=tokens, total_tokens=tokens),
    )
    return answer, None if counted is None else Usage(prompt_tokens=counted)
