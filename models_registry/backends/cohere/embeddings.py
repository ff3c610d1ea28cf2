"""Embeddings by Cohere's v2 embed. Newer models must know what a vector is for (`input_type`): a text that is
searched in is `search_document`, and that counts where nobody says anything."""

import msgspec

from models_registry.backends.cohere.usage import billed_input
from models_registry.backends.embedding import asked_for, listed, read_vectors
from models_registry.target import Target
from schema.dialects.cohere import CohereEmbed, CohereEmbedded
from schema.embeddings import EmbeddingList, EmbeddingsRequest
from schema.usage import Usage
from schema.wire import ABSENT

FIELDS = frozenset({"input_type", "truncate"})
USUAL_TYPE = msgspec.Raw(b'"search_document"')
_ANSWERS = msgspec.json.Decoder(CohereEmbedded)


def embed_body(request: EmbeddingsRequest, target: Target) -> CohereEmbed:
    """The body. Raises what `asked_for` raises."""
    texts, fields = asked_for(request, target, FIELDS)
    return CohereEmbed(
        model=target.model,
        texts=texts,
        input_type=fields.get("input_type", USUAL_TYPE),
        truncate=fields.get("truncate", ABSENT),
        output_dimension=request.dimensions,
    )


def embedded(body: bytes, request: EmbeddingsRequest, target: Target) -> tuple[EmbeddingList, Usage | None]:
    """The answer, and what it reports of the usage. Raises what `read_vectors` and `listed` raise."""
    found = read_vectors(_ANSWERS, body, target)
    return listed(found.embeddings.floats, billed_input(found.meta), request, target)
