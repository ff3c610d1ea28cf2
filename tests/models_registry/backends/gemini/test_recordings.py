"""Every recorded exchange with Google's generateContent, through the backend and the chat front."""

import json
from typing import Any  # recorded JSON, without types

import msgspec
import pytest

from models_registry.backends import BACKENDS
from models_registry.dialects import Dialect
from schema.errors.upstream import ProviderError, UpstreamError
from schema.usage import Usage
from tests.models_registry.backends.chatting import chat_answer, chat_stream
from tests.models_registry.backends.feeding import Outcome, feed_most_ways, run
from tests.models_registry.backends.making import FACTS, chat, chunks, deltas, finishes, target
from tests.models_registry.backends.recordings import Exchange, enough, exchanges

TO = target(Dialect.GEMINI)
FINISHES = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "MODEL_ARMOR": "content_filter",
}
BROKEN = ("MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL")


def answered(*, streaming: bool) -> list[Exchange]:
    """The answers that are no errors. Some streams came as one JSON array, which is not asked for here."""
    return [
        each
        for each in exchanges("generate_content")
        if each.response.status == 200
        and each.streaming == streaming
        and (not streaming or each.response.body.startswith("data:"))
    ]


def answers_of(exchange: Exchange) -> list[dict[str, Any]]:
    if not exchange.streaming:
        return [json.loads(exchange.body)]
    return [json.loads(line[6:]) for line in exchange.response.body.splitlines() if line.startswith("data: ")]


def parts_of(answers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found = []
    for answer in answers:
        for candidate in answer.get("candidates", [])[:1]:
            found += candidate.get("content", {}).get("parts", [])
    return found


def text_of(parts: list[dict[str, Any]], *, thought: bool) -> str:
    return "".join(part.get("text", "") for part in parts if bool(part.get("thought")) == thought)


def finish_of(answers: list[dict[str, Any]]) -> str | None:
    said = [
        each["finishReason"]
        for a in answers
        for each in a.get("candidates", [])[:1]
        if "finishReason" in each
    ]
    return said[-1] if said else None


def expected_finish(answers: list[dict[str, Any]]) -> str:
    if any(answer.get("promptFeedback", {}).get("blockReason") for answer in answers):
        return "content_filter"
    calls = any("functionCall" in part for part in parts_of(answers))
    plain = FINISHES.get(finish_of(answers) or "", "stop")
    return "tool_calls" if calls and plain == "stop" else plain


def check_usage(usage: Usage | None, answers: list[dict[str, Any]], id: str) -> None:
    reports = [
        answer["usageMetadata"] for answer in answers if "totalTokenCount" in answer.get("usageMetadata", {})
    ]
    if not reports:
        assert usage is None
        return
    last = reports[-1]
    assert usage is not None
    assert not usage.estimated
    assert usage.total_tokens == last.get("totalTokenCount", 0), id
    assert usage.cached_tokens == last.get("cachedContentTokenCount", 0), id
    assert usage.reasoning_tokens == last.get("thoughtsTokenCount", 0), id
    assert usage.prompt_tokens == last.get("promptTokenCount", 0) + last.get("toolUsePromptTokenCount", 0), id


def test_answers_say_the_same() -> None:
    checked = 0
    for exchange in answered(streaming=False):
        answers, parts = answers_of(exchange), parts_of(answers_of(exchange))
        completion, usage = chat_answer(exchange.body, chat(), TO, FACTS)
        choice = completion.choices[0]
        message = choice.message
        assert (message.content or "") == text_of(parts, thought=False), exchange.id
        thought = message.reasoning_content
        assert (thought if isinstance(thought, str) else "") == text_of(parts, thought=True), exchange.id
        calls = message.tool_calls if isinstance(message.tool_calls, list) else []
        assert [
            (each.function.name, json.loads(each.function.arguments or ""))
            for each in calls
            if each.function is not None
        ] == [
            (part["functionCall"]["name"], part["functionCall"].get("args", {}))
            for part in parts
            if "functionCall" in part
        ], exchange.id
        assert len({each.id for each in calls}) == len(calls)
        assert choice.finish_reason == expected_finish(answers), exchange.id
        check_usage(usage, answers, exchange.id)
        checked += 1
    assert checked > enough(160)


def streamed(exchange: Exchange) -> Outcome:
    request = chat(stream=True, stream_options={"include_usage": True})
    return feed_most_ways(lambda: chat_stream(request, TO, FACTS), exchange.body, all_ways_below=6_000)


def test_streams_say_the_same() -> None:
    checked = 0
    for exchange in answered(streaming=True):
        answers, parts = answers_of(exchange), parts_of(answers_of(exchange))
        found = streamed(exchange)
        assert found.error is None, (exchange.id, found.error)
        assert found.done
        said = deltas(found.out)
        assert "".join(each.get("content") or "" for each in said) == text_of(parts, thought=False), (
            exchange.id
        )
        thought = "".join(each.get("reasoning_content") or "" for each in said)
        assert thought == text_of(parts, thought=True), exchange.id
        calls = [call for each in said for call in each.get("tool_calls") or ()]
        names = [call["function"]["name"] for call in calls if call["function"].get("name")]
        assert names == [part["functionCall"]["name"] for part in parts if "functionCall" in part], (
            exchange.id
        )
        assert finishes(found.out) == [expected_finish(answers)], exchange.id
        assert len({chunk["id"] for chunk in chunks(found.out)}) == 1
        check_usage(found.usage, answers, exchange.id)
        checked += 1
    assert checked > enough(70)


def test_a_stream_that_was_cut_is_no_whole_answer() -> None:
    checked = 0
    for exchange in answered(streaming=True):
        events = exchange.response.body.split("\r\n\r\n")
        ended = [at for at, event in enumerate(events) if '"finishReason"' in event]
        if not ended or not ended[0]:
            continue
        body = "\r\n\r\n".join(events[: ended[0]]) + "\r\n\r\n"
        found = run(chat_stream(chat(stream=True), TO, FACTS), [body.encode()])
        assert isinstance(found.error, UpstreamError), exchange.id
        assert not found.done
        checked += 1
    assert checked > enough(30)


def test_signatures_stand_in_what_a_client_gives_back() -> None:
    """Of a call in its id, of a text in `thinking_blocks`."""
    calls = texts = 0
    for exchange in answered(streaming=False):
        parts = parts_of(answers_of(exchange))
        completion, _ = chat_answer(exchange.body, chat(), TO, FACTS)
        message = json.loads(msgspec.json.encode(completion.choices[0].message))
        signed = [part for part in parts if part.get("thoughtSignature")]
        for part in signed:
            signature = part["thoughtSignature"].rstrip("=").replace("+", "-").replace("/", "_")
            if "functionCall" in part:
                assert any(call["id"].endswith(f"__thought__{signature}") for call in message["tool_calls"])
                calls += 1
            elif "text" in part:
                blocks = message["thinking_blocks"]
                assert any(block["signature"] == f"google:{part['thoughtSignature']}" for block in blocks)
                texts += 1
    assert calls > enough(20)
    assert texts > enough(20)


@pytest.mark.parametrize("operation", ["generate_content", "embeddings", "count_tokens"])
def test_errors_keep_their_words(operation: str) -> None:
    for exchange in exchanges(operation, "gemini", "vertex"):
        status = exchange.response.status
        if status == 200:
            continue
        error = BACKENDS[Dialect.GEMINI].error(status, exchange.response.headers, exchange.body, TO)
        assert isinstance(error, ProviderError)
        refused_key = b"API_KEY_INVALID" in exchange.body
        assert error.http_status == (401 if refused_key else status), exchange.id
        assert error.answer is not None
        assert error.answer.in_envelope == exchange.response.body.lstrip().startswith(("{", "["))
        if b'"retryDelay": "48s"' in exchange.body:
            assert error.retry_after_s == 48
