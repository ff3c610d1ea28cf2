"""The most that an embeddings call can use: input alone."""

from models_registry.bounds.input import BYTES_A_TOKEN
from models_registry.bounds.judgement import Unbounded, judge_embeddings, sent_fields
from models_registry.target import Target
from schema.embeddings import EmbeddingsRequest
from schema.usage import Usage

INPUT_TOKENS = 8
"""The tokens that a server adds to one embedded text."""


def embeddings_bound(request: EmbeddingsRequest) -> int:
    """The most tokens that the input can have: its bytes, whether it is text or token ids, and INPUT_TOKENS
    for each item."""
    count = 1 if isinstance(request.input, str) else len(request.input)
    return memoryview(request.fields()["input"]).nbytes + INPUT_TOKENS * count


class EmbeddingsBounds:
    """The most that an embeddings call can use: input alone."""

    answers = 1
    limited = True
    reasons = False
    output_tokens = 0
    at_least = 0
    beside = 0
    images = 0
    searches = 0
    at_list_price = True

    def __init__(self, request: EmbeddingsRequest, target: Target) -> None:
        self._request = request
        self._target = target

    @property
    def prompt_tokens(self) -> int:
        return embeddings_bound(self._request)

    def cap(self, tokens: int) -> None:
        raise AssertionError("an embedding has no output to limit")

    def unbounded_field(self) -> Unbounded | None:
        fields = self._request.raw or self._request.fields()
        return judge_embeddings(sent_fields(fields, self._target), self._target)

    def usage(self) -> Usage:
        return Usage(prompt_tokens=self.prompt_tokens, estimated=True)

    def completed(self, usage: Usage | None) -> Usage:
        """The usage that an answer is booked at: the provider's report, else the bound. A report of no tokens
        can't be true."""
        return usage if usage is not None and usage.prompt_tokens else self.usage()

    def estimate(self, output_tokens: int) -> int:
        return memoryview(self._request.fields()["input"]).nbytes // BYTES_A_TOKEN + 1
