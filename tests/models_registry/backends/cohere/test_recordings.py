"""Every recorded exchange with Cohere's v2 chat, through the backend and the chat front."""

import json
from typing import Any  # recorded JSON, without types

from models_registry.backends import BACKENDS
from models_registry.backends.provider_errors import CONTEXT_CODE, STATUSES
from models_registry.dialects import Dialect
from schema.usage import Usage
from schema.wire import present
from tests.models_registry.backends.chatting import chat_answer, chat_stream
from tests.models_registry.backends.feeding import Outcome, feed_most_ways
from tests.models_registry.backends.making import FACTS, chat, deltas, embeddings, events_of, finishes, target
from tests.models_registry.backends.recordings import Exchange, enough, exchanges

TO = target(Dialect.COHERE)
FINISHES = {"COMPLETE": "stop", "STOP_SEQUENCE": "stop", "MAX_TOKENS": "length", "TOOL_CALL": "tool_calls"}


def recorded(*, streaming: bool) -> list[Exchange]:
    found = exchanges("chat_v2")
    return [each for each in found if each.response.status == 200 and each.streaming is streaming]


def check_usage(usage: Usage | None, told: dict[str, Any] | None, id: str) -> None:
    if not told:
        assert usage is None, id
        return
    assert usage is not None
    billed = told["billed_units"]
    assert (usage.prompt_tokens, usage.completion_tokens) == (
        billed["input_tokens"],
        billed["output_tokens"],
    ), id
    assert not usage.estimated
    assert usage.reasoning_tokens == min(
        told["tokens"].get("reasoning_tokens", 0), usage.completion_tokens
    ), id


def test_answers_say_the_same() -> None:
    checked = 0
    for exchange in recorded(streaming=False):
        told = json.loads(exchange.body)
        said = told["message"]
        completion, usage = chat_answer(exchange.body, chat(), TO, FACTS)
        choice = completion.choices[0]
        parts = said.get("content") or []
        text = "".join(part.get("text", "") for part in parts)
        thought = "".join(part.get("thinking", "") for part in parts) + said.get("tool_plan", "")
        assert (choice.message.content or "") == text, exchange.id
        found = choice.message.reasoning_content
        assert (found if isinstance(found, str) else "") == thought, exchange.id
        calls = choice.message.tool_calls if isinstance(choice.message.tool_calls, list) else []
        assert [(each.id, each.function and each.function.name) for each in calls] == [
            (each["id"], each["function"]["name"]) for each in said.get("tool_calls", [])
        ]
        fields = choice.message.provider_specific_fields
        cited = json.loads(bytes(fields))["citations"] if present(fields) else []
        told_of = [{**each, "supported_text": text} for each in said.get("citations", [])]
        assert [each for group in cited for each in group] == told_of, exchange.id
        assert choice.finish_reason == FINISHES[told["finish_reason"]], exchange.id
        assert completion.id == told["id"]
        check_usage(usage, told.get("usage"), exchange.id)
        checked += 1
    assert checked > enough(40)


def streamed(exchange: Exchange) -> Outcome:
    request = chat(stream=True, stream_options={"include_usage": True})
    return feed_most_ways(lambda: chat_stream(request, TO, FACTS), exchange.body, all_ways_below=3_000)


def test_streams_say_the_same() -> None:
    checked = 0
    for exchange in recorded(streaming=True):
        told = [each for each in events_of(exchange.body) if each != "[DONE]"]
        messages = [each.get("delta", {}).get("message", {}) for each in told]
        contents = [each["content"] for each in messages if isinstance(each.get("content"), dict)]
        calls = [each["tool_calls"] for each in messages if isinstance(each.get("tool_calls"), dict)]
        found = streamed(exchange)
        assert found.error is None, (exchange.id, found.error)
        assert found.done
        said = deltas(found.out)
        text = "".join(each.get("text", "") for each in contents)
        assert "".join(each.get("content") or "" for each in said) == text, exchange.id
        plan = "".join(each.get("tool_plan", "") for each in messages)
        assert "".join(each.get("reasoning_content") or "" for each in said) == plan, exchange.id
        arguments = "".join(each["function"].get("arguments", "") for each in calls)
        pieces = [call for each in said for call in each.get("tool_calls") or ()]
        assert [each["id"] for each in pieces if each.get("id")] == [
            each["id"] for each in calls if each.get("id")
        ]
        sent = "".join(each["function"].get("arguments") or "" for each in pieces)
        assert sent == (arguments or ("{}" if calls else "")), exchange.id
        end = told[-1]["delta"]
        assert finishes(found.out) == [FINISHES[end["finish_reason"]]], exchange.id
        check_usage(found.usage, end.get("usage"), exchange.id)
        checked += 1
    assert checked > enough(7)


def test_errors_keep_their_status_and_are_known_as_coheres() -> None:
    failed = [each for each in exchanges("chat_v2") if each.response.status != 200]
    for exchange in failed:
        status = exchange.response.status
        error = BACKENDS[Dialect.COHERE].error(status, exchange.response.headers, exchange.body, TO)
        assert error.http_status == STATUSES.get(status, status)
        assert error.answer is not None
        assert error.answer.in_envelope
        if b"too many tokens" in exchange.body:
            assert error.code == CONTEXT_CODE
    assert len(failed) >= enough(2)


def test_recorded_vectors_are_told_and_what_is_billed_is_booked() -> None:
    """The answers were recorded at v1, whose form is v2's."""
    seen = 0
    for exchange in exchanges("embeddings", "cohere"):
        told = json.loads(exchange.body)
        vectors = told.get("embeddings", {}).get("float")
        if exchange.response.status != 200 or not vectors:
            continue
        request = embeddings(input=["text"] * len(vectors))
        answer, usage = BACKENDS[Dialect.COHERE].embeddings_response(exchange.body, request, TO, FACTS)
        assert [each.embedding for each in answer.data] == vectors, exchange.id
        billed = told["meta"]["billed_units"].get("input_tokens")
        assert (usage and usage.prompt_tokens) == billed, exchange.id
        seen += 1
    assert seen >= enough(3)
