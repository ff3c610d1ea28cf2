"""Every recorded exchange with Responses, through the backend and the chat front."""

import json
from typing import Any  # recorded JSON, without types

import pytest

from models_registry.dialects import Dialect
from schema.errors.base import GatewayError
from schema.wire import present
from tests.models_registry.backends.chatting import chat_answer, chat_stream
from tests.models_registry.backends.feeding import feed_most_ways
from tests.models_registry.backends.making import FACTS, chat, deltas, events_of, finishes, target
from tests.models_registry.backends.recordings import Exchange, enough, exchanges

TO = target(Dialect.RESPONSES)
ASKED = chat(stream=True, stream_options={"include_usage": True})
Json = dict[str, Any]


def recorded(*, streaming: bool) -> list[Exchange]:
    return [
        each
        for each in exchanges("responses")
        if each.response.status == 200
        and each.streaming is streaming
        and each.body_encoding is None
        and (each.request.url or "").partition("?")[0].endswith("/responses")
    ]


def said(response: Json) -> tuple[str, str, list[tuple[str, str, str]], list[str]]:
    """What a response says: its text, its refusal, its calls, and its sealed thinking."""
    parts = [part for item in response["output"] if item["type"] == "message" for part in item["content"]]
    text = "".join(part.get("text") or "" for part in parts)
    refusal = "".join(part.get("refusal") or "" for part in parts)
    calls = [
        (item["call_id"], item["name"], item["arguments"] or "{}")
        for item in response["output"]
        if item["type"] == "function_call"
    ]
    sealed = [
        item["encrypted_content"]
        for item in response["output"]
        if item["type"] == "reasoning" and item.get("encrypted_content")
    ]
    return text, refusal, calls, sealed


def finish(response: Json) -> str:
    if response["status"] == "incomplete":
        reason = response["incomplete_details"]["reason"]
        return {"max_output_tokens": "length", "content_filter": "content_filter"}[reason]
    return "tool_calls" if said(response)[2] else "stop"


def test_answers_say_the_same() -> None:
    checked = 0
    for exchange in recorded(streaming=False):
        response = json.loads(exchange.body)
        if response.get("error") or response.get("status") == "failed" or "output" not in response:
            with pytest.raises(GatewayError):
                chat_answer(exchange.body, chat(), TO, FACTS)
            continue
        text, refusal, calls, sealed = said(response)
        completion, usage = chat_answer(exchange.body, chat(), TO, FACTS)
        message = completion.choices[0].message
        assert (message.content or "") == text, exchange.id
        assert (message.refusal or "") == refusal, exchange.id
        told = message.tool_calls if isinstance(message.tool_calls, list) else []
        assert [
            (each.id, each.function.name, each.function.arguments) for each in told if each.function
        ] == calls
        blocks = json.loads(bytes(message.thinking_blocks)) if present(message.thinking_blocks) else []
        assert [each["data"] for each in blocks if "data" in each] == [f"openai:{each}" for each in sealed]
        assert completion.choices[0].finish_reason == finish(response), exchange.id
        assert completion.id == response["id"]
        if response.get("usage"):
            assert usage is not None
            assert usage.prompt_tokens == response["usage"]["input_tokens"]
            assert usage.completion_tokens == response["usage"]["output_tokens"]
        checked += 1
    assert checked > enough(150)


def test_streams_say_the_same() -> None:
    checked = 0
    for exchange in recorded(streaming=True):
        events = [each for each in events_of(exchange.body) if each != "[DONE]"]
        found = feed_most_ways(lambda: chat_stream(ASKED, TO, FACTS), exchange.body, all_ways_below=3_000)
        if not events or events[-1]["type"] not in ("response.completed", "response.incomplete"):
            assert found.error is not None, exchange.id
            continue
        assert found.error is None, (exchange.id, found.error)
        response = events[-1]["response"]
        if not response["output"]:  # some servers leave it to the events before
            done = [each["item"] for each in events if each["type"] == "response.output_item.done"]
            response = response | {"output": done}
        text, refusal, calls, sealed = said(response)
        pieces = deltas(found.out)
        assert "".join(each.get("content") or "" for each in pieces) == text, exchange.id
        assert "".join(each.get("refusal") or "" for each in pieces) == refusal, exchange.id
        called: dict[int, list[str]] = {}
        for piece in pieces:
            for call in piece.get("tool_calls") or ():
                known = called.setdefault(call["index"], ["", "", ""])
                known[0] += call.get("id") or ""
                known[1] += call["function"].get("name") or ""
                known[2] += call["function"].get("arguments") or ""
        assert [tuple(each) for each in called.values()] == calls, exchange.id
        blocks = [each for piece in pieces for each in piece.get("thinking_blocks") or ()]
        assert len(blocks) == len(sealed), exchange.id  # the kept events have names of their own for it
        assert finishes(found.out) == [finish(response)], exchange.id
        checked += 1
    assert checked > enough(40)
