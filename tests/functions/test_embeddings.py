import asyncio

import pytest

from functions.embeddings import embeddings
from schema.embeddings import EmbeddingsRequest
from schema.errors.requests import InvalidRequest
from schema.errors.upstream import ProviderError, UpstreamCut, UpstreamError
from schema.ledger.rows import Outcome
from tests.fakes import answers
from tests.fakes.ledger import FakeLedger
from tests.fakes.upstream import Answer, FakeUpstream
from tests.functions.contexts import model_ctx


@pytest.mark.parametrize(
    ("model", "body"), [("gpt", answers.openai_embeddings()), ("mistral-local", answers.ollama_embed())]
)
def test_texts_become_vectors_and_a_row(model: str, body: bytes) -> None:
    ledger = FakeLedger()
    ctx = model_ctx(FakeUpstream(Answer(body=body)), ledger=ledger)
    answer = asyncio.run(embeddings(EmbeddingsRequest(model=model, input="hello"), ctx))
    assert isinstance(answer.data[0].embedding, list)
    assert ledger.rows[0].outcome is Outcome.OK
    assert ledger.rows[0].prompt_tokens > 0


def test_a_provider_without_embeddings_is_named() -> None:
    with pytest.raises(InvalidRequest, match="Anthropic"):
        asyncio.run(embeddings(EmbeddingsRequest(model="claude", input="x"), model_ctx(FakeUpstream())))


def test_a_refusal_of_the_provider_costs_nothing() -> None:
    ledger = FakeLedger()
    ctx = model_ctx(FakeUpstream(Answer(status=404, body=b"{}")), ledger=ledger)
    with pytest.raises(ProviderError):
        asyncio.run(embeddings(EmbeddingsRequest(model="gpt", input="x"), ctx))
    assert (ledger.rows[0].outcome, ledger.rows[0].cost_nano) == (Outcome.FAILED, 0)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer(status=503, body=b'{"error": {"message": "overloaded"}}'), Outcome.FAILED),
        (Answer(status=503, body=b"<html>"), Outcome.UNCERTAIN),
        (Answer(status=504, body=b'{"error": {"message": "overloaded"}}'), Outcome.UNCERTAIN),
        (Answer(status=500, chunks=[b'{"error": {"mess'], error=UpstreamCut("cut")), Outcome.UNCERTAIN),
    ],
)
def test_a_failure_costs_nothing_where_the_provider_itself_tells_it(answer: Answer, outcome: Outcome) -> None:
    ledger = FakeLedger()
    ctx = model_ctx(FakeUpstream(answer), ledger=ledger)
    with pytest.raises(UpstreamError):
        asyncio.run(embeddings(EmbeddingsRequest(model="gpt", input="x"), ctx))
    (row,) = ledger.rows
    assert (row.outcome, row.prompt_tokens > 0) == (outcome, outcome is Outcome.UNCERTAIN)


def test_a_failed_local_embedding_uses_no_tokens() -> None:
    ledger = FakeLedger()
    ctx = model_ctx(FakeUpstream(Answer(status=500, body=b'{"error": "out of memory"}')), ledger=ledger)
    with pytest.raises(ProviderError):
        asyncio.run(embeddings(EmbeddingsRequest(model="mistral-local", input="x"), ctx))
    assert (ledger.rows[0].outcome, ledger.rows[0].prompt_tokens) == (Outcome.FAILED, 0)


def test_vectors_without_a_count_are_booked_at_a_bound() -> None:
    ledger = FakeLedger()
    body = answers.ollama_embed().replace(b',"prompt_eval_count":3', b"")
    ctx = model_ctx(FakeUpstream(Answer(body=body)), ledger=ledger)
    asyncio.run(embeddings(EmbeddingsRequest(model="mistral-local", input="hello"), ctx))
    (row,) = ledger.rows
    assert (row.outcome, row.estimated) == (Outcome.OK, True)
    assert row.prompt_tokens >= len("hello")
