"""Anthropic's Messages: the byte path, and any model behind them."""

import asyncio
import json
from typing import Any

import msgspec
import pytest

from functions.contract.function import EventStream
from functions.messages import count_tokens, messages
from functions.ports.context import ModelContext
from schema.errors import InvalidRequest, ThreadUnsupported, UnsupportedParameter, UpstreamCut
from schema.ledger.rows import Outcome
from schema.messages import CountRequest, MessagesAnswer, MessagesRequest
from schema.messages_errors import anthropic_form
from schema.wire import decode_body, to_json
from tests.fakes import answers
from tests.fakes.ledger import FakeLedger
from tests.fakes.upstream import Answer, FakeUpstream
from tests.functions.contexts import model_ctx
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
    assert answer.wire == body


def test_a_native_stream_keeps_its_bytes_and_passes_pings() -> None:
    async def scenario() -> bytes:
        answer = await messages(
            ask(model="claude", stream=True), model_ctx(FakeUpstream(Answer(chunks=STREAMS["claude"])))
        )
        assert not isinstance(answer, MessagesAnswer)
        return await drain(answer)

    assert asyncio.run(scenario()) == b"".join(STREAMS["claude"])


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
