"""Responses at a server that has them: the byte path, its books and its bounds."""

import asyncio
import json
from typing import Any

import pytest

from functions.ports.context import ModelContext
from functions.responses import ResponsesExchange, responses
from models_registry.turns.facts import CallFacts
from models_registry.turns.sealed_thinking import SEAL
from schema.errors.base import GatewayError
from schema.errors.upstream import ProviderError, UpstreamCut
from schema.ledger.rows import Outcome
from schema.responses import Response
from tests.fakes import responses_answers
from tests.fakes.ledger import FakeLedger
from tests.fakes.state import FakeState
from tests.fakes.upstream import Answer, FakeUpstream
from tests.functions.contexts import make_registry, model_ctx
from tests.functions.test_chat import drain
from tests.functions.test_responses import ask, collect, told

CONFIG: dict[str, Any] = {
    "model_list": [
        {
            "model_name": "native",
            "litellm_params": {
                "model": "openai/gpt-4",
                "api_base": "http://openai.test/v1",
                "api_key": "sk-upstream-secret",
            },
            "model_info": {"supported_endpoints": ["/v1/chat/completions", "/v1/responses"]},
        },
        {
            "model_name": "limited",
            "litellm_params": {
                "model": "openai/o3",
                "api_base": "http://openai.test/v1",
                "api_key": "sk-upstream-secret",
                "max_tokens": 50,
                "reasoning_effort": "low",
            },
            "model_info": {"mode": "responses"},
        },
    ],
    "router_settings": {"num_retries": 0},
}
FACTS = CallFacts(request_id="0190-call", created=1_700_000_000)


def ctx_of(answer: Answer, ledger: FakeLedger | None = None) -> tuple[ModelContext, FakeUpstream]:
    upstream = FakeUpstream(answer)
    return model_ctx(upstream, ledger=ledger, config=CONFIG), upstream


def exchange(**fields: Any) -> ResponsesExchange:
    request = ask(**{"model": "native"} | fields)
    target = make_registry(CONFIG).target(request.model, allowed=(), roll=0.0)
    return ResponsesExchange(request, target, FACTS)


def as_told(sent: bytes) -> bytes:
    """What the client is sent: the model has the name that the client asked for."""
    return sent.replace(b'"gpt-4-0613"', b'"native"')


def test_the_bytes_pass_as_they_came_and_nothing_is_stored_there() -> None:
    ledger = FakeLedger()
    ctx, upstream = ctx_of(Answer(body=responses_answers.body()), ledger)
    tools = [{"type": "web_search", "search_context_size": "low"}, {"type": "image_generation"}]
    asked: dict[str, Any] = {"input": [{"role": "user", "content": "a"}], "tools": tools, "own": {"x": 1.50}}
    answer = asyncio.run(responses(ask(model="native", tags=["t"], **asked), ctx))
    assert isinstance(answer, Response)
    assert answer.wire == as_told(responses_answers.body())
    assert upstream.requests[0].url == "http://openai.test/v1/responses"
    assert json.loads(upstream.requests[0].body) == {"model": "gpt-4", "store": False, **asked}
    row = ledger.rows[0]
    assert (row.prompt_tokens, row.completion_tokens, row.outcome) == (12, 6, Outcome.OK)
    assert (row.cached_tokens, row.reasoning_tokens) == (4, 2)


@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_a_stream_passes_as_it_came(size: int) -> None:
    ledger = FakeLedger()
    whole = b"".join(responses_answers.sse(responses_answers.events()))
    chunks = [whole[at : at + size] for at in range(0, len(whole), size)]
    assert asyncio.run(_sent(chunks, ledger)) == as_told(whole)
    assert (ledger.rows[0].completion_tokens, ledger.rows[0].outcome) == (6, Outcome.OK)
    assert ledger.rows[0].response_id == responses_answers.ID


async def _sent(chunks: list[bytes], ledger: FakeLedger) -> bytes:
    ctx, _ = ctx_of(Answer(chunks=chunks), ledger)
    answer = await responses(ask(model="native", stream=True), ctx)
    assert not isinstance(answer, Response)
    return await drain(answer)


def test_a_stream_that_is_cut_goes_on_as_a_failed_response() -> None:
    async def scenario() -> None:
        ledger = FakeLedger()
        chunks = responses_answers.sse(responses_answers.events()[:5])
        ctx, _ = ctx_of(Answer(chunks=chunks), ledger)
        answer = await responses(ask(model="native", stream=True), ctx)
        assert not isinstance(answer, Response)
        pieces: list[bytes] = []
        with pytest.raises(UpstreamCut) as broken:
            await collect(answer, pieces)
        assert b"".join(pieces) == as_told(b"".join(chunks))
        (last,) = told(answer.failed(broken.value).decode())
        assert (last["type"], last["sequence_number"]) == ("response.failed", 5)
        assert (last["response"]["id"], last["response"]["status"]) == (responses_answers.ID, "failed")
        assert last["response"]["model"] == "native"
        assert ledger.rows[0].outcome is Outcome.FAILED

    asyncio.run(scenario())


def test_a_failure_that_the_provider_tells_is_told_once() -> None:
    async def scenario() -> None:
        error = {"code": "rate_limit_exceeded", "message": "Too many."}
        told_events = responses_answers.events("response.failed", status="failed", error=error)
        chunks = responses_answers.sse(told_events)
        ledger = FakeLedger()
        ctx, _ = ctx_of(Answer(chunks=chunks), ledger)
        answer = await responses(ask(model="native", stream=True), ctx)
        assert not isinstance(answer, Response)
        pieces: list[bytes] = []
        with pytest.raises(ProviderError) as broken:
            await collect(answer, pieces)
        assert broken.value.http_status == 429
        assert b"".join(pieces) == as_told(b"".join(chunks))
        assert answer.failed(broken.value) == b""
        assert (ledger.rows[0].outcome, ledger.rows[0].completion_tokens) == (Outcome.FAILED, 6)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "chunks",
    [
        [b'event: error\ndata: {"type":"error","code":"server_error","message":"no","param":null}\n\n'],
        [b"data: [DONE]\n\n"],
        [b'{"error": {"message": "no"}}'],
        [b"data: {\n\n"],
        [],
        responses_answers.sse(responses_answers.events("response.failed", error=None)[-1:]),
    ],
)
def test_a_stream_that_fails_at_once_gets_a_status(chunks: list[bytes]) -> None:
    ctx, _ = ctx_of(Answer(chunks=chunks))
    with pytest.raises(GatewayError):
        asyncio.run(responses(ask(model="native", stream=True), ctx))


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"{}",
        b'{"error": {"message": "no"}}',
        b"<html>",
        responses_answers.body(status="failed"),
        responses_answers.body(error={"code": "server_error", "message": "no"}),
    ],
)
def test_an_answer_that_is_no_response_is_an_error(body: bytes) -> None:
    ctx, _ = ctx_of(Answer(body=body))
    with pytest.raises(GatewayError):
        asyncio.run(responses(ask(model="native"), ctx))


def test_a_deployments_parameters_go_by_their_names_in_responses() -> None:
    ctx, upstream = ctx_of(Answer(body=responses_answers.body()))
    asyncio.run(responses(ask(model="limited"), ctx))
    body = json.loads(upstream.requests[0].body)
    assert (body["max_output_tokens"], body["reasoning"]) == (50, {"effort": "low"})
    assert not {"max_tokens", "max_completion_tokens", "reasoning_effort"} & body.keys()


def test_items_of_other_providers_are_made_fit() -> None:
    sealed_item = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": SEAL + "abc"}
    own = {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "gAAAA"}
    long_id = "call_1__thought__" + "A" * 200
    call = {"type": "function_call", "call_id": long_id, "name": "f", "arguments": "{}"}
    result = {"type": "function_call_output", "call_id": long_id, "output": "x"}
    body = json.loads(exchange(input=[sealed_item, own, call, result]).outgoing().body)
    assert body["input"][0] == own
    short = body["input"][1]["call_id"]
    assert body["input"][1:] == [{**call, "call_id": short}, {**result, "call_id": short}]
    assert len(short) <= 64


@pytest.mark.parametrize(("store", "asks"), [(None, True), (True, True), (False, False)])
def test_openais_thinking_is_asked_for_where_the_response_is_stored(store: bool | None, asks: bool) -> None:
    config: dict[str, Any] = {
        "model_list": [{"model_name": "o3", "litellm_params": {"model": "openai/o3", "api_key": "sk-up"}}]
    }
    upstream = FakeUpstream(Answer(body=responses_answers.body()))
    ctx = model_ctx(upstream, config=config, state=FakeState())
    asyncio.run(responses(ask(model="o3", store=store, include=["message.input_image.image_url"]), ctx))
    included = json.loads(upstream.requests[0].body)["include"]
    assert included == ["message.input_image.image_url"] + ["reasoning.encrypted_content"] * asks


def test_a_limit_of_the_gateway_is_sent_as_a_limit_of_responses() -> None:
    asked = exchange()
    asked.limit_output(77)
    assert json.loads(asked.outgoing().body)["max_output_tokens"] == 77


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({}, None),
        ({"tools": [{"type": "function", "name": "f", "parameters": {}}]}, None),
        ({"tools": [{"type": "web_search"}]}, "tools[0]"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"unheard_of": 3}, "unheard_of"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]},
            "input[0].content[0]",
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]},
            "input[0].content[0]",
        ),
        ({"input": [{"type": "item_of_next_year"}]}, "input[0]"),
        ({"service_tier": "priority"}, "service_tier"),
    ],
)
def test_what_has_no_known_bound_is_found_in_the_body(fields: Any, path: str | None) -> None:
    found = exchange(**fields).bounds().unbounded_field()
    assert (found and found.path) == path


def test_the_bounds_of_a_body() -> None:
    picture = {"type": "input_image", "image_url": "data:image/png;base64," + "A" * 10_000}
    text = {"type": "input_text", "text": "ä" * 100}
    asked = exchange(input=[{"role": "user", "content": [text, picture]}], max_output_tokens=30)
    bounds = asked.bounds()
    assert bounds.unbounded_field() is None
    assert (bounds.output_tokens, bounds.images, bounds.limited) == (30, 1, True)
    assert 50_000 + 200 < bounds.prompt_tokens < 51_000
    capped = exchange().bounds()
    capped.cap(5)
    assert capped.output_tokens == 5
    low = exchange(input="x").bounds().prompt_tokens
    assert exchange(input="x" * 1001).bounds().prompt_tokens == low + 1000
    tools = [{"type": "function", "name": "f", "parameters": {}}]
    assert exchange(input="x", tools=tools).bounds().prompt_tokens > low + 1000


def test_searches_that_the_provider_ran_are_billed() -> None:
    ledger = FakeLedger()
    output = [{"type": "web_search_call", "id": "ws_1"}, {"type": "message", "id": "m", "content": []}]
    ctx, _ = ctx_of(Answer(body=responses_answers.body(output=output)), ledger)
    asyncio.run(responses(ask(model="native", tools=[{"type": "web_search"}]), ctx))
    rare = ledger.rows[0].rare
    assert rare is not None
    assert rare.web_searches == 1
