"""Embeddings by Google's `batchEmbedContents`, and by `predict` at Vertex AI. Some models report no usage."""

import msgspec

from models_registry.backends.gemini.usage import usage_in
from models_registry.backends.parameters import take_gateway_fields, unsupported
from models_registry.backends.provider_errors import error_instead
from models_registry.backends.tolerance import decoded
from models_registry.backends.usage import count_of
from models_registry.backends.vectors import BASE64, as_asked, check_encoding
from models_registry.target import Target
from schema.dialects.gemini import (
    EmbedContents,
    EmbeddedContents,
    GeminiEmbedding,
    GeminiPart,
    GeminiTurn,
    PredictAnswer,
    PredictInstance,
    PredictRequest,
)
from schema.embeddings import Embedding, EmbeddingList, EmbeddingsRequest, EmbeddingsUsage
from schema.errors import InvalidRequest, UpstreamMalformed
from schema.usage import Usage
from schema.wire import ABSENT, MaybeRaw, present

_VECTORS = msgspec.json.Decoder(EmbeddedContents)
_PREDICTIONS = msgspec.json.Decoder(PredictAnswer)
FIELDS = frozenset({"model", "input", "encoding_format", "dimensions", "user", "task_type"})


def is_vertex(target: Target) -> bool:
    """Whether a deployment is at Vertex AI, whose embeddings have another form."""
    return "/publishers/" in target.api_base


def embed_contents(request: EmbeddingsRequest, target: Target, name: str) -> EmbedContents:
    """The body, with one request a text. `name` is the model's whole name. Raises UnsupportedParameter for
    token ids and unknown fields, and InvalidRequest for no text."""
    texts, task_type = _asked(request, target)
    return EmbedContents(
        requests=[
            GeminiEmbedding(
                model=name,
                content=GeminiTurn(parts=[GeminiPart(text=each)]),
                task_type=task_type,
                output_dimensionality=request.dimensions,
            )
            for each in texts
        ]
    )


def predict_request(request: EmbeddingsRequest, target: Target) -> PredictRequest:
    """The same in the form of Vertex AI."""
    texts, task_type = _asked(request, target)
    parameters = {"outputDimensionality": request.dimensions} if request.dimensions else {}
    return PredictRequest(
        instances=[PredictInstance(content=text, task_type=task_type) for text in texts],
        parameters=parameters or msgspec.UNSET,
    )


def _asked(request: EmbeddingsRequest, target: Target) -> tuple[list[str], MaybeRaw]:
    """The texts, and what they are for."""
    check_encoding(request.encoding_format)
    fields = request.fields()
    take_gateway_fields(fields, target)
    for field, raw in fields.items():
        if field not in FIELDS and present(raw) and not target.drop_params:
            raise unsupported(field, target)
    merged = {**target.params, **{field: raw for field, raw in fields.items() if present(raw)}}
    texts = [request.input] if isinstance(request.input, str) else request.input
    if not texts:
        raise InvalidRequest("'input' must not be empty.", param="input")
    return [_text(each, target) for each in texts], merged.get("task_type", ABSENT)


def _text(item: str | int | list[int], target: Target) -> str:
    if not isinstance(item, str):
        raise unsupported("input", target, "it takes text, not token ids")
    return item


def embedded_contents(
    body: bytes, request: EmbeddingsRequest, target: Target
) -> tuple[EmbeddingList, Usage | None]:
    """The answer, and what it reports of the usage. Raises UpstreamMalformed where there is not one vector
    for each text."""
    try:
        found = decoded(_VECTORS, body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        otherwise = f"The provider's answer is not a list of embeddings: {exc}"
        raise error_instead(body, target, otherwise) from exc
    usage = usage_in(found.usage_metadata)
    return _listed([each.values for each in found.embeddings], usage, request, target), usage


def predicted(body: bytes, request: EmbeddingsRequest, target: Target) -> tuple[EmbeddingList, Usage | None]:
    """The same for an answer of Vertex AI's, which counts the tokens of each text."""
    try:
        found = decoded(_PREDICTIONS, body).predictions
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        otherwise = f"The provider's answer is not a list of embeddings: {exc}"
        raise error_instead(body, target, otherwise) from exc
    counts = [count_of(each.embeddings.statistics.token_count) for each in found]
    known = [count for count in counts if count is not None]
    usage = Usage(prompt_tokens=sum(known)) if found and len(known) == len(counts) else None
    return _listed([each.embeddings.values for each in found], usage, request, target), usage


def _listed(
    vectors: list[list[float]], usage: Usage | None, request: EmbeddingsRequest, target: Target
) -> EmbeddingList:
    asked = 1 if isinstance(request.input, str) else len(request.input)
    if len(vectors) != asked:
        raise UpstreamMalformed(f"The provider sent {len(vectors)} embeddings for {asked} texts.")
    tokens = usage.prompt_tokens if usage is not None else 0
    encoding = BASE64 if request.encoding_format == BASE64 else None
    return EmbeddingList(
        object="list",
        data=[as_asked(Embedding(index=i, embedding=vector), encoding) for i, vector in enumerate(vectors)],
        model=target.model,
        usage=EmbeddingsUsage(prompt_tokens=tokens, total_tokens=tokens),
    )
