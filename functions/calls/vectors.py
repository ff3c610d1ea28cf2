"""One attempt at turning texts into vectors."""

from functions.calls.attempt import Exchange
from models_registry.backends.backend import UpstreamRequest
from models_registry.bounds.embeddings import EmbeddingsBounds
from schema.embeddings import EmbeddingList, EmbeddingsRequest
from schema.usage import Usage
from schema.wire import with_body

NO_VECTORS = EmbeddingList(data=[])


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

    def replayed(self, body: bytes) -> EmbeddingList:
        return with_body(NO_VECTORS, body)
