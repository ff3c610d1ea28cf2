"""The bound of an embeddings call."""

from models_registry.bounds.embeddings import EmbeddingsBounds
from schema.usage import Usage
from tests.models_registry.backends.making import embeddings
from tests.models_registry.bounds.test_chat import TARGET


def test_embeddings_are_bounded_by_bytes_for_text_and_for_token_ids() -> None:
    def bound(given: object) -> int:
        return EmbeddingsBounds(embeddings(input=given), TARGET).prompt_tokens

    assert bound("é" * 50) >= 100
    assert bound([1, 2, 3]) >= 3
    assert bound([[1, 2], [3]]) >= 3
    assert bound(["ab", "cd"]) >= 4


def test_embeddings_that_nobody_counted_are_an_estimate() -> None:
    bounds = EmbeddingsBounds(embeddings(input="abc"), TARGET)
    assert bounds.completed(Usage(prompt_tokens=2)) == Usage(prompt_tokens=2)
    assert bounds.completed(Usage()) == bounds.completed(None) == bounds.usage()
