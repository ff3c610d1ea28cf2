"""Anthropic's Messages: the byte path, and any model behind them."""

import asyncio
import json
import re
from typing import Any

import msgspec
import pytest

from functions.contract.function import EventStream
from functions.messages import MessagesExchange, count_tokens, messages
from functions.ports.context import ModelContext
from models_registry.turns.facts import CallFacts
from schema.errors.requests import InvalidRequest, ThreadUnsupported, UnsupportedParameter
from schema.errors.upstream import ProviderError, UpstreamCut
from schema.ledger.rows import Outcome
from schema.messages import CountRequest, MessagesAnswer, MessagesRequest
from schema.messages_errors import anthropic_form
from schema.wire import decode_body, to_json
from tests.fakes import answers
from tests.fakes.ledger import FakeLedger
from tests.fakes.upstream import Answer, FakeUpstream
from tests.functions.contexts import CONFIG, make_registry, model_ctx
from tests.functions.test_chat import drain

TEXT = "".join(answers.TEXT)
WHOLE = {
    "gpt": answers.openai_chat(),
    "claude": answers.anthropic_message(),
    "mistral-local": answers.ollama_chat(),
}
STREAMS = {
    "gpt": answers.openai_stream(),
    "claude": answers.anthropic_stream(),
    "mistral-local": answers.ollama_stream(),
}
TRANSLATED = ("gpt", "mistral-local")
STORED_PICTURE = {"type": "image", "source": {"type": "file", "file_id": "f"}}
HELLO = [{"role": "user", "content": "Hello"}]


def ask(**fields: Any) -> MessagesRequest:
    body = {"model": "gpt", "max_tokens": 100, "messages": HELLO} | fields
    return decode_body(msgspec.json.Decoder(MessagesRequest), json.dumps(body).encode())


def answered(ctx: ModelContext, **fields: Any) -> dict[str, Any]:
    answer = asyncio.run(messages(ask(**fields), ctx))
    assert isinstance(answer, MessagesAnswer)
    found: dict[str, Any] = json.loads(answer.wire or to_json(answer))
    return found


def events_of(sent: bytes) -> list[dict[str, Any]]:
    """The events of a stream. Each has its type as its name."""
    found = []
    for each in sent.decode().strip().split("\n\n"):
        name, data = each.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        found.append(event)
    return found


async def streamed(ctx: ModelContext, **fields: Any) -> list[dict[str, Any]]:
    answer = await messages(ask(stream=True, **fields), ctx)
    assert not isinstance(answer, MessagesAnswer)
    return events_of(await drain(answer))


@pytest.mark.parametrize("model", WHOLE)
def test_any_model_answers(model: str) -> None:
    upstream, ledger = FakeUpstream(Answer(body=WHOLE[model])), FakeLedger()
    answer = answered(model_ctx(upstream, ledger=ledger), model=model)
    assert (answer["type"], answer["role"]) == ("message", "assistant")
    assert answer["content"] == [{"type": "text", "text": TEXT}]
    assert (answer["stop_reason"], answer["stop_sequence"]) == ("end_turn", None)
    assert (answer["usage"]["input_tokens"], answer["usage"]["output_tokens"]) == (12, 6)
    row = ledger.rows[0]
    assert (row.outcome, row.prompt_tokens, row.completion_tokens) == (Outcome.OK, 12, 6)
    assert row.response_id == answer["id"]


@pytest.mark.parametrize("model", STREAMS)
def test_a_stream_has_anthropics_events(model: str) -> None:
    upstream, ledger = FakeUpstream(Answer(chunks=STREAMS[model])), FakeLedger()
    events = asyncio.run(streamed(model_ctx(upstream, ledger=ledger), model=model))
    kinds = [event["type"] for event in events if event["type"] != "ping"]
    assert kinds[:2] == ["message_start", "content_block_start"]
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    text = "".join(event["delta"]["text"] for event in events if event["type"] == "content_block_delta")
    assert text == TEXT
    assert events[-2]["delta"]["stop_reason"] == "end_turn"
    assert events[-2]["usage"]["output_tokens"] == 6
    row = ledger.rows[0]
    assert (row.outcome, row.prompt_tokens, row.completion_tokens) == (Outcome.OK, 12, 6)
    assert row.response_id == events[0]["message"]["id"]


def test_anthropic_is_sent_the_fields_as_they_came() -> None:
    upstream = FakeUpstream(Answer(body=WHOLE["claude"]))
    pass_on = {"anthropic-version": "2026-10-21", "anthropic-beta": "context-1m-2025-08-07"}
    fields: dict[str, Any] = {
        "system": [
            {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
        ],
        "thread": {"type": "create"},
        "context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]},
        "future_field": [1.50],
        "metadata": {"user_id": "u-1", "tags": ["house"]},
    }
    answer = answered(model_ctx(upstream, pass_on=pass_on), model="claude", **fields)
    sent = upstream.requests[0]
    assert sent.url == "http://anthropic.test/v1/messages"
    assert sent.headers["x-api-key"] == "sk-ant-secret"
    assert pass_on.items() <= sent.headers.items()
    body = json.loads(sent.body)
    assert body == {"model": "claude-sonnet-4-6", "max_tokens": 100, "messages": HELLO} | fields | {
        "metadata": {"user_id": "u-1"}
    }
    assert b"1.5" in sent.body
    assert answer["id"] == "msg_canned"


def test_the_native_answer_keeps_its_bytes() -> None:
    body = WHOLE["claude"].replace(b'"type":"message"', b'"type": "message", "future": {"a": 1.50}')
    upstream = FakeUpstream(Answer(body=body))
    answer = asyncio.run(messages(ask(model="claude"), model_ctx(upstream)))
    assert isinstance(answer, MessagesAnswer)
    assert answer.wire == body.replace(b'"claude-3-sonnet"', b'"claude"')


def test_a_native_stream_keeps_its_bytes_and_passes_pings() -> None:
    async def scenario() -> bytes:
        answer = await messages(
            ask(model="claude", stream=True), model_ctx(FakeUpstream(Answer(chunks=STREAMS["claude"])))
        )
        assert not isinstance(answer, MessagesAnswer)
        return await drain(answer)

    wanted = b"".join(STREAMS["claude"])
    assert asyncio.run(scenario()) == wanted.replace(b'"claude-3-sonnet"', b'"claude"')


@pytest.mark.parametrize("model", STREAMS)
def test_a_stream_that_is_cut_ends_with_an_error_event(model: str) -> None:
    async def scenario() -> None:
        ledger = FakeLedger()
        ctx = model_ctx(FakeUpstream(Answer(chunks=STREAMS[model][:4])), ledger=ledger)
        answer = await messages(ask(model=model, stream=True), ctx)
        assert not isinstance(answer, MessagesAnswer)
        sent: list[bytes] = []
        with pytest.raises(UpstreamCut) as broken:
            await collect(answer, sent)
        assert b"message_stop" not in b"".join(sent)
        (event,) = events_of(answer.failed(broken.value))
        assert (event["type"], event["error"]["type"]) == ("error", "api_error")
        assert ledger.rows[0].outcome is not Outcome.OK

    asyncio.run(scenario())


async def collect(stream: EventStream, sent: list[bytes]) -> None:
    async for piece in stream.events():
        sent.append(piece)


@pytest.mark.parametrize("model", TRANSLATED)
@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"container": "c"}, "container"),
        ({"mcp_servers": [{"type": "url"}]}, "mcp_servers"),
        ({"n": 2}, "n"),
        ({"speed": "fast"}, "speed"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"context_management": {"edits": [{"type": "compact_20260112"}]}}, "context_management"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools[0].type"),
        (
            {"messages": [{"role": "user", "content": [{"type": "container_upload", "file_id": "f"}]}]},
            "messages[0].content[0].container_upload",
        ),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [{"type": "image", "source": {"type": "file", "file_id": "f"}}],
                    }
                ]
            },
            "messages[0].content[0].source",
        ),
    ],
)
def test_what_other_models_have_no_way_to_honour_is_refused_by_name(
    model: str, fields: Any, param: str
) -> None:
    upstream = FakeUpstream(Answer(body=WHOLE[model]))
    with pytest.raises(UnsupportedParameter) as refused:
        answered(model_ctx(upstream), model=model, **fields)
    assert refused.value.param == param
    assert not upstream.requests


@pytest.mark.parametrize("model", TRANSLATED)
def test_a_thread_elsewhere_is_refused_in_the_word_that_sdks_know(model: str) -> None:
    with pytest.raises(ThreadUnsupported) as refused:
        answered(model_ctx(FakeUpstream()), model=model, thread={"type": "create"})
    error = anthropic_form(refused.value, "r-1")
    assert (error.error.type, error.error.details.error_code) == (
        "invalid_request_error",
        "thread_unsupported_request",
    )
    assert error.request_id == "r-1"


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": []},
        {"messages": [{"role": "robot", "content": "x"}]},
        {"messages": [{"role": "user", "content": 7}]},
        {"tools": {}},
        {"tools": [{"input_schema": {}}]},
        {"tool_choice": {"type": "any"}},
        {"tools": [{"name": "f", "input_schema": {}}], "tool_choice": {"type": "odd"}},
        {"output_config": []},
        {"system": [{"type": "image"}]},
    ],
)
def test_what_is_malformed_is_a_400(fields: Any) -> None:
    with pytest.raises(InvalidRequest):
        answered(model_ctx(FakeUpstream()), **fields)


def test_tokens_are_counted_by_anthropic() -> None:
    upstream, ledger = FakeUpstream(Answer(body=b'{"input_tokens": 14, "odd": 1}')), FakeLedger()
    body = json.dumps({"model": "claude", "messages": HELLO, "system": "Be brief."}).encode()
    request = decode_body(msgspec.json.Decoder(CountRequest), body)
    found = asyncio.run(count_tokens(request, model_ctx(upstream, ledger=ledger)))
    assert (found.input_tokens, found.wire) == (14, b'{"input_tokens": 14, "odd": 1}')
    sent = upstream.requests[0]
    assert sent.url == "http://anthropic.test/v1/messages/count_tokens"
    assert json.loads(sent.body) == {
        "model": "claude-sonnet-4-6",
        "messages": HELLO,
        "system": "Be brief.",
    }
    assert ledger.rows == []


@pytest.mark.parametrize("model", TRANSLATED)
def test_tokens_are_estimated_where_no_provider_counts_them(model: str) -> None:
    upstream = FakeUpstream()
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "word " * 400}]}).encode()
    request = decode_body(msgspec.json.Decoder(CountRequest), body)
    found = asyncio.run(count_tokens(request, model_ctx(upstream)))
    assert 450 < found.input_tokens < 560
    assert not upstream.requests


PRICED = {
    "model_list": [
        {
            "model_name": "claude",
            "litellm_params": {
                "model": "anthropic/house-model",
                "api_base": "http://anthropic.test",
                "api_key": "sk-x",
                "input_cost_per_token": 4e-6,
                "output_cost_per_token": 8e-6,
                "cache_read_input_token_cost": 1e-6,
                "cache_creation_input_token_cost": 5e-6,
            },
        },
        {
            "model_name": "deepseek",
            "litellm_params": {"model": "deepseek/deepseek-v4", "api_key": "sk-deep"},
        },
    ],
    "router_settings": {"num_retries": 0},
}
COUNTS = {
    "input_tokens": 10,
    "cache_read_input_tokens": 20,
    "cache_creation_input_tokens": 30,
    "output_tokens": 7,
}
COST_NANO = 10 * 4000 + 20 * 1000 + 30 * 5000 + 7 * 8000


@pytest.mark.parametrize("stream", [False, True])
def test_the_row_has_the_counts_of_the_cache_and_their_price(stream: bool) -> None:
    message = json.loads(answers.anthropic_message()) | {"usage": COUNTS}
    start = {**message, "content": [], "stop_reason": None, "usage": COUNTS | {"output_tokens": 1}}
    delta = {"stop_reason": "end_turn", "stop_sequence": None}
    chunks = answers.named_sse(
        [
            {"type": "message_start", "message": start},
            {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 7}},
            {"type": "message_stop"},
        ]
    )
    answer = Answer(chunks=chunks) if stream else Answer(body=json.dumps(message).encode())
    ledger = FakeLedger()
    ctx = model_ctx(FakeUpstream(answer), ledger=ledger, config=PRICED)
    if stream:
        asyncio.run(streamed(ctx, model="claude"))
    else:
        answered(ctx, model="claude")
    row = ledger.rows[0]
    assert (row.prompt_tokens, row.cached_tokens, row.cache_write_tokens) == (60, 20, 30)
    assert (row.completion_tokens, row.cost_nano, row.estimated) == (7, COST_NANO, False)


def test_a_provider_with_messages_of_its_own_gets_the_bytes() -> None:
    upstream = FakeUpstream(Answer(body=WHOLE["claude"]))
    answered(model_ctx(upstream, config=PRICED), model="deepseek", future_field=1)
    sent = upstream.requests[0]
    assert sent.url == "https://api.deepseek.com/anthropic/v1/messages"
    assert json.loads(sent.body)["future_field"] == 1
    assert sent.headers["x-api-key"] == "sk-deep"


@pytest.mark.parametrize("model", WHOLE)
def test_a_limit_of_the_gateways_own_is_sent_to_every_dialect(model: str) -> None:
    registry = make_registry()
    target = registry.target(model, allowed=(), roll=0.0)
    facts = CallFacts(request_id="r", created=1)
    exchange = MessagesExchange(ask(model=model, max_tokens=None), target, facts)
    assert not exchange.bounds().limited
    exchange.limit_output(77)
    assert b"77" in exchange.outgoing().body


@pytest.mark.parametrize("model", WHOLE)
def test_a_call_is_bounded_by_what_it_asks_for(model: str) -> None:
    target = make_registry().target(model, allowed=(), roll=0.0)
    exchange = MessagesExchange(ask(model=model, max_tokens=50), target, CallFacts(request_id="r", created=1))
    bounds = exchange.bounds()
    assert bounds.output_tokens == 50
    assert bounds.unbounded_field() is None
    assert bounds.prompt_tokens >= len("Hello")


def test_what_was_left_out_is_told_in_the_replys_head() -> None:
    ctx = model_ctx(FakeUpstream(Answer(body=WHOLE["gpt"])))
    answered(ctx, service_tier="auto", thinking={"type": "enabled", "budget_tokens": 1024})
    assert ctx.call.reply_headers["x-switchgear-changed"] == "service_tier, thinking"
    assert ctx.call.reply_headers["request-id"] == ctx.call.request_id


def test_a_fallback_may_speak_another_dialect() -> None:
    config = CONFIG | {"router_settings": {"num_retries": 0, "fallbacks": [{"claude": ["gpt"]}]}}
    upstream = FakeUpstream(
        Answer(status=529, body=b'{"type":"error","error":{"type":"overloaded_error","message":"Busy"}}'),
        Answer(chunks=STREAMS["gpt"]),
    )
    ledger = FakeLedger()
    events = asyncio.run(streamed(model_ctx(upstream, ledger=ledger, config=config), model="claude"))
    assert events[-1] == {"type": "message_stop"}
    assert [request.url for request in upstream.requests] == [
        "http://anthropic.test/v1/messages",
        "http://openai.test/v1/chat/completions",
    ]
    assert [row.outcome for row in ledger.rows] == [Outcome.FAILED, Outcome.OK]


BAD_ROLES = Answer(status=400, body=b'{"error": {"message": "System message must be at the beginning."}}')
TOO_LONG = Answer(
    status=400, body=b'{"error": {"message": "maximum context length", "code": "context_length_exceeded"}}'
)


@pytest.mark.parametrize(("answer", "told"), [(BAD_ROLES, True), (TOO_LONG, False)])
def test_a_template_without_inner_instructions_is_told_in_words_that_claude_code_knows(
    answer: Answer, told: bool
) -> None:
    turns = [*HELLO, {"role": "system", "content": "Be brief."}]
    with pytest.raises(ProviderError) as refused:
        answered(model_ctx(FakeUpstream(answer)), messages=turns)
    message = refused.value.message
    assert ("not supported" in message and re.search("role .{0,2}system", message) is not None) is told
    with pytest.raises(ProviderError) as other:
        answered(model_ctx(FakeUpstream(answer)))
    assert "not supported" not in other.value.message


@pytest.mark.parametrize("name", ["stop_reason", "matched_stop"])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("matched", "expected"), [("END", "END"), (128_001, None), ("end_turn", None)])
def test_a_server_that_names_the_stop_sequence_is_believed(
    name: str, stream: bool, matched: object, expected: str | None
) -> None:
    end = {"index": 0, "finish_reason": "stop", name: matched}
    if stream:
        chunks = [{"id": "c", "choices": [end | {"delta": {"content": "Hi"}}]}]
        answer = Answer(chunks=[*answers.sse(chunks), b"data: [DONE]\n\n"])
        *_, delta, _ = asyncio.run(streamed(model_ctx(FakeUpstream(answer)), stop_sequences=["END"]))
        told = delta["delta"]
    else:
        body = json.dumps({"id": "c", "choices": [end | {"message": {"content": "Hi"}}]}).encode()
        told = answered(model_ctx(FakeUpstream(Answer(body=body))), stop_sequences=["END"])
    assert told["stop_sequence"] == expected
    assert told["stop_reason"] == ("stop_sequence" if expected else "end_turn")
