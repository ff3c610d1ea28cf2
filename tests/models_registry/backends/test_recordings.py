"""Every recorded exchange of the three dialects through its backend.

What a client gets is compared with the plainest reading of the recording itself.
"""

import json
from typing import Any  # recorded JSON, without types

import msgspec
import pytest

from models_registry.backends import BACKENDS, native_at
from models_registry.backends.openai.backend import OpenAI
from models_registry.backends.provider_errors import STATUSES
from models_registry.dialects import Dialect
from models_registry.turns.surfaces import Surface
from schema.chat import ChatRequest
from schema.errors.requests import InvalidRequest
from schema.errors.upstream import ProviderError
from schema.wire import decode_body
from tests.models_registry.backends.chatting import chat_answer, chat_stream
from tests.models_registry.backends.feeding import Outcome, feed_most_ways
from tests.models_registry.backends.making import (
    FACTS,
    body_of,
    chat,
    chunks,
    deltas,
    embeddings,
    events_of,
    finishes,
    target,
)
from tests.models_registry.backends.recordings import Exchange, enough, exchanges

MODEL_IN_URL = (Dialect.GEMINI, Dialect.BEDROCK)
CONVERSATIONS = {Dialect.GEMINI: "contents", Dialect.RESPONSES: "input"}
BYTE_BY_BYTE_BELOW = 12_000
OTHER_EMBEDDINGS = frozenset({"cohere", "gemini"})
"""Their embeddings have a format of their own. (And a `page` is a usage report, not embeddings.)"""

_REQUESTS = msgspec.json.Decoder(ChatRequest)


def stream(exchange: Exchange, dialect: Dialect, *, include_usage: bool) -> Outcome:
    """The recorded stream through its backend, cut in several ways."""
    to = target(dialect)
    request = chat(stream=True, stream_options={"include_usage": include_usage})
    return feed_most_ways(
        lambda: chat_stream(request, to, FACTS), exchange.body, all_ways_below=BYTE_BY_BYTE_BELOW
    )


def check_error(exchange: Exchange, dialect: Dialect) -> None:
    status = exchange.response.status
    error = BACKENDS[dialect].error(status, exchange.response.headers, exchange.body, target(dialect))
    assert error.http_status == STATUSES.get(status, 500 if status >= 500 else 502), exchange.id
    assert error.message


def test_answers_in_openais_dialect_are_passed_on_as_they_are() -> None:
    checked = 0
    for exchange in exchanges("chat"):
        if exchange.streaming or exchange.response.status != 200:
            continue
        recorded = json.loads(exchange.body)
        completion, usage = chat_answer(exchange.body, chat(), target(Dialect.OPENAI), FACTS)
        assert json.loads(msgspec.json.encode(completion.fields())) == recorded, exchange.id
        assert [choice.index for choice in completion.choices] == [
            choice.get("index", 0) for choice in recorded["choices"]
        ]
        content = recorded["choices"][0]["message"].get("content")
        if content is None or isinstance(content, str):
            assert completion.choices[0].message.content == content
        if recorded.get("usage"):
            assert usage is not None
            assert usage.total_tokens == recorded["usage"]["total_tokens"], exchange.id
        checked += 1
    assert checked > enough(300)


def test_streams_in_openais_dialect_are_passed_on_as_they_are() -> None:
    checked = 0
    for exchange in exchanges("chat"):
        if not exchange.streaming:
            continue
        recorded = events_of(exchange.response.body.encode())
        if any(isinstance(event, dict) and event.get("error") for event in recorded):
            assert isinstance(stream(exchange, Dialect.OPENAI, include_usage=True).error, ProviderError)
            continue
        expected = recorded if recorded[-1] == "[DONE]" else [*recorded, "[DONE]"]
        found = stream(exchange, Dialect.OPENAI, include_usage=True)
        assert found.error is None, (exchange.id, found.error)
        assert found.done
        assert events_of(found.out) == expected, exchange.id
        if exchange.body.startswith(b"data:") and exchange.body.endswith(b"data: [DONE]\n\n"):
            assert found.out == exchange.body
        quiet = stream(exchange, Dialect.OPENAI, include_usage=False)
        assert events_of(quiet.out) == [event for event in expected if not is_usage_chunk(event)], exchange.id
        check_counts(found, recorded)
        checked += 1
    assert checked > enough(150)


def is_usage_chunk(event: Any) -> bool:
    return isinstance(event, dict) and bool(event.get("usage")) and not event.get("choices")


def check_counts(found: Outcome, recorded: list[Any]) -> None:
    """The usage is the last one reported; the produced bytes are at least the text."""
    reports = [event["usage"] for event in recorded if isinstance(event, dict) and event.get("usage")]
    if reports:
        assert found.usage is not None
        assert found.usage.total_tokens == reports[-1]["total_tokens"]
    texts = [delta.get("content") for delta in deltas(found.out)]
    assert found.produced_bytes >= sum(len(text.encode()) for text in texts if isinstance(text, str))


def test_embeddings_in_openais_dialect_are_passed_on_as_they_are() -> None:
    checked = 0
    for exchange in exchanges("embeddings"):
        if exchange.provider in OTHER_EMBEDDINGS or b'"object": "page"' in exchange.body:
            continue
        if exchange.response.status != 200:
            check_error(exchange, Dialect.OPENAI)
            continue
        asked = json.loads(exchange.request.body) if exchange.request.body else {}
        request = embeddings(encoding_format=asked.get("encoding_format"))
        found, usage = OpenAI().embeddings_response(exchange.body, request, target(Dialect.OPENAI), FACTS)
        recorded = json.loads(exchange.body)
        assert json.loads(msgspec.json.encode(found.fields())) == recorded, exchange.id
        assert usage is not None
        assert usage.total_tokens == recorded["usage"]["total_tokens"]
        checked += 1
    assert checked > enough(15)


@pytest.mark.parametrize(
    ("operation", "dialect", "at_least"),
    [("chat", Dialect.OPENAI, 40), ("messages", Dialect.ANTHROPIC, 10), ("api_chat", Dialect.OLLAMA, 1)],
)
def test_recorded_errors_keep_their_status(operation: str, dialect: Dialect, at_least: int) -> None:
    failed = [exchange for exchange in exchanges(operation) if exchange.response.status != 200]
    for exchange in failed:
        check_error(exchange, dialect)
    assert len(failed) >= enough(at_least)


def test_anthropics_answers_say_the_same_in_our_terms() -> None:
    checked = 0
    for exchange in (*exchanges("messages"), *exchanges("raw_predict")):
        if exchange.streaming or exchange.response.status != 200:
            continue
        recorded = json.loads(exchange.body)
        to = target(Dialect.ANTHROPIC)
        completion, usage = chat_answer(exchange.body, chat(), to, FACTS)
        message = completion.choices[0].message
        assert (message.content or "") == joined(recorded["content"], "text"), exchange.id
        calls = message.tool_calls if isinstance(message.tool_calls, list) else []
        assert [
            (call.id, call.function.name, json.loads(call.function.arguments or ""))
            for call in calls
            if call.function is not None
        ] == [
            (block["id"], block["name"], block["input"])
            for block in recorded["content"]
            if block["type"] == "tool_use"
        ]
        thinking = joined(recorded["content"], "thinking")
        assert (message.reasoning_content if isinstance(message.reasoning_content, str) else "") == thinking
        assert completion.id == recorded["id"]
        assert usage is not None
        assert usage.prompt_tokens == input_of(recorded["usage"]), exchange.id
        assert usage.completion_tokens == recorded["usage"]["output_tokens"]
        checked += 1
    assert checked > enough(150)


def joined(blocks: list[dict[str, Any]], kind: str) -> str:
    return "".join(block[kind] for block in blocks if block["type"] == kind)


def input_of(usage: dict[str, Any]) -> int:
    names = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    return sum(usage.get(name) or 0 for name in names)


def test_anthropics_streams_say_the_same_in_our_terms() -> None:
    checked = 0
    for exchange in (*exchanges("messages"), *exchanges("raw_predict")):
        if not exchange.streaming:
            continue
        recorded = events_of(exchange.body)
        found = stream(exchange, Dialect.ANTHROPIC, include_usage=True)
        assert found.error is None, (exchange.id, found.error)
        assert found.done
        check_one_answer(found)
        text, thinking, arguments = reading(recorded)
        assert "".join(delta.get("content") or "" for delta in deltas(found.out)) == text, exchange.id
        assert "".join(delta.get("reasoning_content") or "" for delta in deltas(found.out)) == thinking
        assert [json.loads(piece) for piece in calls_of(found)] == arguments, exchange.id
        closing = next(event for event in reversed(recorded) if event["type"] == "message_delta")
        assert found.usage is not None
        assert found.usage.completion_tokens == closing["usage"]["output_tokens"]
        assert not found.usage.estimated
        assert found.produced_bytes >= len(text.encode()) + len(thinking.encode())
        checked += 1
    assert checked > enough(70)


def check_one_answer(found: Outcome) -> None:
    seen = chunks(found.out)
    assert len({(chunk["id"], chunk["model"], chunk["created"]) for chunk in seen}) == 1
    assert len(finishes(found.out)) == 1
    assert deltas(found.out)[0]["role"] == "assistant"
    assert seen[-1]["usage"]["prompt_tokens"] >= 0
    assert events_of(found.out)[-1] == "[DONE]"


def calls_of(found: Outcome) -> list[str]:
    """The arguments of each tool call, joined by their index."""
    pieces: dict[int, str] = {}
    for delta in deltas(found.out):
        for call in delta.get("tool_calls") or ():
            pieces[call["index"]] = pieces.get(call["index"], "") + call["function"]["arguments"]
    assert list(pieces) == list(range(len(pieces)))
    return list(pieces.values())


def reading(events: list[Any]) -> tuple[str, str, list[Any]]:
    """Text, thinking and tool arguments of a recorded stream of Anthropic's."""
    text = thinking = ""
    tools: dict[int, str] = {}
    for event in events:
        if event["type"] == "content_block_start":
            text += event["content_block"].get("text") or ""
            if event["content_block"]["type"] == "tool_use":
                tools[event["index"]] = ""
        if event["type"] == "content_block_delta":
            text += event["delta"].get("text") or ""
            thinking += event["delta"].get("thinking") or ""
            if event["index"] in tools:
                tools[event["index"]] += event["delta"].get("partial_json") or ""
    return text, thinking, [json.loads(arguments or "{}") for arguments in tools.values()]


def test_ollamas_answers_say_the_same_in_our_terms() -> None:
    checked = 0
    for exchange in exchanges("api_chat"):
        if exchange.response.status != 200:
            continue
        lines = [json.loads(line) for line in exchange.body.splitlines() if line.strip()]
        messages = [line["message"] for line in lines]
        text = "".join(message.get("content") or "" for message in messages)
        thinking = "".join(message.get("thinking") or "" for message in messages)
        arguments = [
            call["function"]["arguments"] for message in messages for call in message.get("tool_calls") or ()
        ]
        counts = (lines[-1].get("prompt_eval_count") or 0, lines[-1].get("eval_count") or 0)
        if len(lines) == 1:
            check_ollamas_answer(exchange, text, thinking, arguments, counts)
        found = stream(exchange, Dialect.OLLAMA, include_usage=True)
        assert found.error is None, (exchange.id, found.error)
        check_one_answer(found)
        assert "".join(delta.get("content") or "" for delta in deltas(found.out)) == text, exchange.id
        assert "".join(delta.get("reasoning_content") or "" for delta in deltas(found.out)) == thinking
        assert [json.loads(piece) for piece in calls_of(found)] == arguments
        assert found.usage is not None
        assert (found.usage.prompt_tokens, found.usage.completion_tokens) == counts
        checked += 1
    assert checked > enough(15)


def check_ollamas_answer(
    exchange: Exchange, text: str, thinking: str, arguments: list[Any], counts: tuple[int, int]
) -> None:
    completion, usage = chat_answer(exchange.body, chat(), target(Dialect.OLLAMA), FACTS)
    message = completion.choices[0].message
    calls = message.tool_calls if isinstance(message.tool_calls, list) else []
    assert (message.content or "") == text, exchange.id
    assert (message.reasoning_content or "") == thinking
    assert [json.loads(call.function.arguments or "") for call in calls if call.function] == arguments
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens) == counts


def test_ollamas_embeddings_come_through() -> None:
    checked = 0
    for exchange in exchanges("api_embed"):
        recorded = json.loads(exchange.body)
        if "embeddings" not in recorded:
            continue  # of the older endpoint /api/embeddings, which is not used
        request = embeddings(input=["a"] * len(recorded["embeddings"]))
        found, _ = BACKENDS[Dialect.OLLAMA].embeddings_response(
            exchange.body, request, target(Dialect.OLLAMA), FACTS
        )
        assert [item.embedding for item in found.data] == recorded["embeddings"]
        checked += 1
    assert checked >= 1


@pytest.mark.parametrize("dialect", list(Dialect))
def test_recorded_requests_are_sent_on_or_refused_by_name(dialect: Dialect) -> None:
    """Requests without `model` (it is in the URL at Azure) and with tools without `type` (Mistral's
    connectors) are refused at the door."""
    sent = refused = 0
    for exchange in exchanges("chat"):
        try:
            request = decode_body(_REQUESTS, exchange.request.body.encode())
        except InvalidRequest:
            assert exchange.provider in ("azure", "mistral") or not exchange.request.body.startswith("{")
            continue
        body, param = translated(request, dialect)
        if body is None:
            assert dialect is not Dialect.OPENAI
            assert param, exchange.id
            refused += 1
            continue
        assert dialect in MODEL_IN_URL or body["model"] == "native"
        assert body[CONVERSATIONS.get(dialect, "messages")]
        if dialect is Dialect.OPENAI:
            recorded = json.loads(exchange.request.body)
            assert {name: body[name] for name in recorded if name not in ("model", "stream_options")} == {
                name: recorded[name] for name in recorded if name not in ("model", "stream_options")
            }
        sent += 1
    assert sent > enough(300)
    assert sent + refused > enough(700)


def translated(request: ChatRequest, dialect: Dialect) -> tuple[dict[str, Any] | None, str | None]:
    """The body that goes out, else the parameter that is refused. OpenAI's dialect has the byte path."""
    to = target(dialect)
    native = native_at(to, Surface.CHAT)
    make = BACKENDS[dialect].chat_request if native is None else native.request
    try:
        return body_of(make(request, to, FACTS)), None
    except InvalidRequest as error:
        return None, error.param
