"""Embeddings by Google's `batchEmbedContents`, and by `predict` at Vertex AI. Some models report no usage."""

import msgspec

from models_registry.backends.embedding import asked_for, listed, read_vectors
from models_registry.backends.gemini.usage import usage_in
from models_registry.backends.usage import count_of
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
from schema.embeddings import EmbeddingList, EmbeddingsRequest
from schema.usage import Usage
from schema.wire import ABSENT

_VECTORS = msgspec.json.Decoder(EmbeddedContents)
_PREDICTIONS = msgspec.json.Decoder(PredictAnswer)
TASK = "task_type"
FIELDS = frozenset({TASK})


def is_vertex(target: Target) -> bool:
    """Whether a deployment is at Vertex AI, whose embeddings have another form."""
    return "/publishers/" in target.api_base


def embed_contents(request: EmbeddingsRequest, target: Target, name: str) -> EmbedContents:
    """The body, with one request a text. `name` is the model's whole name. Raises what `asked_for` raises."""
    texts, fields = asked_for(request, target, FIELDS)
    return EmbedContents(
        requests=[
            GeminiEmbedding(
                model=name,
                content=GeminiTurn(parts=[GeminiPart(text=each)]),
                task_type=fields.get(TASK, ABSENT),
                output_dimensionality=request.dimensions,
            )
            for each in texts
        ]
    )


def predict_request(request: EmbeddingsRequest, target: Target) -> PredictRequest:
    """The same in the form of Vertex AI."""
    texts, fields = asked_for(request, target, FIELDS)
    parameters = {"outputDimensionality": request.dimensions} if request.dimensions else {}
    return PredictRequest(
        instances=[PredictInstance(content=text, task_type=fields.get(TASK, ABSENT)) for text in texts],
        parameters=parameters or msgspec.UNSET,
    )


def embedded_contents(
    body: bytes, request: EmbeddingsRequest, target: Target
) -> tuple[EmbeddingList, Usage | None]:
    """The answer, and what it reports of the usage. Raises what `read_vectors` and `listed` raise."""
    found = read_vectors(_VECTORS, body, target)
    usage = usage_in(found.usage_metadata)
    counted = None if usage is None else usage.prompt_tokens
    answer, _ = listed([each.values for each in found.embeddings], counted, request, target)
    return answer, usage


def predicted(body: bytes, request: EmbeddingsRequest, target: Target) -> tuple[EmbeddingList, Usage | None]:
    """The same for an answer of Vertex AI's, which counts the tokens of each text."""
    found = read_vectors(_PREDICTIONS, body, target).predictions
    counts = [count_of(each.embeddings.statistics.token_count) for each in found]
    known = [count for count in counts if count is not None]
    counted = sum(known) if found and len(known) == len(counts) else None
    return listed([each.embeddings.values for each in found], counted, request, target)
