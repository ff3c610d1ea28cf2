"""Chat and embeddings at Google: the function, the backend and the ledger."""

import asyncio
import json
from typing import Any

import pytest

from functions.embeddings import embeddings
from schema.embeddings import EmbeddingList, EmbeddingsRequest
from schema.errors.upstream import UpstreamCut
from schema.ledger.rows import Outcome
from tests.fakes.ledger import FakeLedger
from tests.fakes.upstream import Answer, FakeUpstream
from tests.functions.contexts import model_ctx
from tests.functions.test_chat import ask, drain, plain, stream

CONFIG: dict[str, Any] = {
    "model_list": [
        {
            "model_name": "gemini",
            "litellm_params": {"model": "gemini/gemini-2.5-flash", "api_key": "AIza-of-the-provider"},
        },
        {
            "model_name": "vectors",
            "litellm_params": {"model": "gemini/gemini-embedding-001", "api_key": "AIza-of-the-provider"},
        },
    ],
    "router_settings": {"num_retries": 0},
}
USAGE = {
    "promptTokenCount": 1000,
    "cachedContentTokenCount": 400,
    "candidatesTokenCount": 20,
    "thoughtsTokenCount": 80,
    "totalTokenCount": 1100,
}


def event(parts: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    candidate = {"index": 0, "content": {"role": "model", "parts": parts}, **more}
    return {
        "candidates": [candidate],
        "modelVersion": "gemini-2.5-flash",
        "responseId": "r1",
        "usageMetadata": USAGE,
    }


def sse(*events: dict[str, Any]) -> list[bytes]:
    return [b"data: " + json.dumps(each).encode() + b"\r\n\r\n" for each in events]


def test_a_call_is_answered_booked_and_priced() -> None:

    async def run() -> None:
        whole = event([{"text": "Hm.", "thought": True}, {"text": "Hello"}], finishReason="STOP")
        upstream, ledger = FakeUpstream(Answer(body=json.dumps(whole).encode())), FakeLedger()
        answer = await plain(ask("gemini"), model_ctx(upstream, ledger=ledger, config=CONFIG))
        assert answer.choices[0].message.content == "Hello"
        assert answer.choices[0].message.reasoning_content == "Hm."
        assert upstream.requests[0].headers["x-goog-api-key"] == "AIza-of-the-provider"
        assert "authorization" not in upstream.requests[0].headers
        (row,) = ledger.rows
        assert (row.outcome, row.estimated) == (Outcome.OK, False)
        assert (row.prompt_tokens, row.completion_tokens, row.cached_tokens) == (1000, 100, 400)
        # 600 of input at $0.30, 400 of the cache at $0.03, 100 of output at $2.50, each a million.
        assert row.cost_nano == 180_000 + 12_000 + 250_000

    asyncio.run(run())


def test_a_stream_is_the_same_and_ends_with_its_bytes() -> None:

    async def run() -> None:
        pieces = sse(event([{"text": "Hel"}]), event([{"text": "lo"}], finishReason="STOP"))
        upstream, ledger = FakeUpstream(Answer(chunks=pieces)), FakeLedger()
        sent = await drain(
            await stream(ask("gemini", stream=True), model_ctx(upstream, ledger=ledger, config=CONFIG))
        )
        assert sent.endswith(b"data: [DONE]\n\n")
        assert upstream.requests[0].url.endswith("gemini-2.5-flash:streamGenerateContent?alt=sse")
        (row,) = ledger.rows
        assert (row.outcome, row.completion_tokens, row.estimated) == (Outcome.OK, 100, False)

    asyncio.run(run())


def test_a_stream_without_a_reason_was_cut() -> None:
    async def run() -> None:
        upstream, ledger = FakeUpstream(Answer(chunks=sse(event([{"text": "Hel"}])))), FakeLedger()
        ctx = model_ctx(upstream, ledger=ledger, config=CONFIG)
        with pytest.raises(UpstreamCut):
            await drain(await stream(ask("gemini", stream=True), ctx))
        assert ledger.rows[0].outcome is Outcome.FAILED

    asyncio.run(run())


def test_an_answer_that_the_model_did_not_get_done_may_go_elsewhere() -> None:

    async def run() -> None:
        broken = event(
            [], finishReason="MALFORMED_FUNCTION_CALL", finishMessage="Malformed function call: x("
        )
        good = event([{"text": "Hello"}], finishReason="STOP")
        for streamed in (False, True):
            first, second = (
                sse(each) if streamed else [json.dumps(each).encode()] for each in (broken, good)
            )
            upstream, ledger = FakeUpstream(Answer(chunks=first), Answer(chunks=second)), FakeLedger()
            ctx = model_ctx(upstream, ledger=ledger, config=CONFIG | {"router_settings": {"num_retries": 1}})
            if streamed:
                assert b"Hello" in await drain(await stream(ask("gemini", stream=True), ctx))
            else:
                assert (await plain(ask("gemini"), ctx)).choices[0].message.content == "Hello"
            assert [row.outcome is Outcome.OK for row in ledger.rows] == [False, True]

    asyncio.run(run())


def test_embeddings_come_as_a_list_and_are_booked_by_a_bound() -> None:
    """Google reports no usage for them."""

    async def run() -> None:
        found = {"embeddings": [{"values": [0.5]}, {"values": [0.25]}]}
        upstream, ledger = FakeUpstream(Answer(body=json.dumps(found).encode())), FakeLedger()
        request = EmbeddingsRequest(model="vectors", input=["a", "b"])
        answer = await embeddings(request, model_ctx(upstream, ledger=ledger, config=CONFIG))
        assert isinstance(answer, EmbeddingList)
        assert [each.embedding for each in answer.data] == [[0.5], [0.25]]
        (row,) = ledger.rows
        assert row.estimated
        assert row.prompt_tokens > 0

    asyncio.run(run())
