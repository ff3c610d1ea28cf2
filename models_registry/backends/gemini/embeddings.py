"""Embeddings by Google's `batchEmbedContents`. Some models report no usage."""

import msgspec

from models_registry.backends.gemini.usage import usage_in
from models_registry.backends.parameters import take_gateway_fields, unsupported
from models_registry.backends.provider_errors import error_instead
from models_registry.backends.tolerance import decoded
from models_registry.backends.vectors import BASE64, as_asked, check_encoding
from models_registry.target import Target
from schema.dialects.gemini import EmbedContents, EmbeddedContents, GeminiEmbedding, GeminiPart, GeminiTurn
from schema.embeddings import Embedding, EmbeddingList, EmbeddingsRequest, EmbeddingsUsage
from schema.errors import InvalidRequest, UpstreamMalformed
from schema.usage import Usage
from schema.wire import ABSENT, present

_VECTORS = msgspec.json.Decoder(EmbeddedContents)
FIELDS = frozenset({"model", "input", "encoding_format", "dimensions", "user", "task_type"})


def embed_contents(request: EmbeddingsRequest, target: Target, name: str) -> EmbedContents:
    """The body, with one request a text. `name` is the model's whole name. Raises UnsupportedParameter for
    token ids and unknown fields, and InvalidRequest for no text."""
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
    return EmbedContents(
        requests=[
            GeminiEmbedding(
                model=name,
                content=GeminiTurn(parts=[GeminiPart(text=_text(each, target))]),
                task_type=merged.get("task_type", ABSENT),
                output_dimensionality=request.dimensions,
            )
            for each in texts
        ]
    )


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
    asked = 1 if isinstance(request.input, str) else len(request.input)
    if len(found.embeddings) != asked:
        raise UpstreamMalformed(f"The provider sent {len(found.embeddings)} embeddings for {asked} texts.")
    usage = usage_in(found.usage_metadata)
    tokens = usage.prompt_tokens if usage is not None else 0
    encoding = BASE64 if request.encoding_format == BASE64 else None
    answer = EmbeddingList(
        object="list",
        data=[
            as_asked(Embedding(index=i, embedding=each.values), encoding)
            for i, each in enumerate(found.embeddings)
        ],
        model=target.model,
        usage=EmbeddingsUsage(prompt_tokens=tokens, total_tokens=tokens),
    )
    return answer, usage
