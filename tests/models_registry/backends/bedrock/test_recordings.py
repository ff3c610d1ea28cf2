"""Every recorded exchange with Bedrock's Converse, through the backend and the chat front."""

import json
from typing import Any  # recorded JSON, without types

import msgspec
from botocore.eventstream import EventStreamBuffer

from models_registry.backends import BACKENDS
from models_registry.backends.bedrock.frames import FrameCutter
from models_registry.dialects import Dialect
from models_registry.target import Target
from schema.errors.upstream import ProviderError, UpstreamError
from tests.models_registry.backends.chatting import chat_answer, chat_stream
from tests.models_registry.backends.feeding import cut, run
from tests.models_registry.backends.making import FACTS, chat, chunks, deltas, finishes, target
from tests.models_registry.backends.recordings import Exchange, enough, exchanges

FINISHES = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}
STATUSES = {"InvalidSignatureException": 401, "UnrecognizedClientException": 401}


def to(exchange: Exchange) -> Target:
    return msgspec.structs.replace(target(Dialect.BEDROCK), model=exchange.model or "recorded")


def answered(*, streaming: bool) -> list[Exchange]:
    return [
        each for each in exchanges("converse") if each.response.status == 200 and each.streaming == streaming
    ]


def events_of(exchange: Exchange) -> list[tuple[str, dict[str, Any]]]:
    """The events as botocore reads them."""
    buffer = EventStreamBuffer()
    buffer.add_data(exchange.body)
    return [(event.headers[":event-type"], json.loads(event.payload)) for event in buffer]


def texts_of(blocks: list[dict[str, Any]]) -> str:
    said = []
    for block in blocks:
        said.append(block.get("text", ""))
        for each in block.get("citationsContent", {}).get("content", ()):
            said.append(each["text"])
    return "".join(said)


def test_answers_say_the_same() -> None:
    checked = 0
    for exchange in answered(streaming=False):
        recorded = json.loads(exchange.body)
        blocks = recorded["output"]["message"]["content"]
        completion, usage = chat_answer(exchange.body, chat(), to(exchange), FACTS)
        choice = completion.choices[0]
        assert (choice.message.content or "") == texts_of(blocks), exchange.id
        thoughts = [
            block["reasoningContent"]["reasoningText"]["text"]
            for block in blocks
            if "reasoningText" in block.get("reasoningContent", {})
        ]
        thought = choice.message.reasoning_content
        assert (thought if isinstance(thought, str) else "") == "".join(thoughts), exchange.id
        calls = choice.message.tool_calls if isinstance(choice.message.tool_calls, list) else []
        assert [
            (each.id, each.function.name, json.loads(each.function.arguments or ""))
            for each in calls
            if each.function is not None
        ] == [
            (block["toolUse"]["toolUseId"], block["toolUse"]["name"], block["toolUse"]["input"])
            for block in blocks
            if "toolUse" in block
        ], exchange.id
        assert choice.finish_reason == FINISHES[recorded["stopReason"]], exchange.id
        assert usage is not None
        assert usage.total_tokens == recorded["usage"]["totalTokens"], exchange.id
        checked += 1
    assert checked > enough(110)


def test_streams_say_the_same() -> None:
    checked = 0
    for exchange in answered(streaming=True):
        told = events_of(exchange)
        request = chat(stream=True, stream_options={"include_usage": True})
        found = run(chat_stream(request, to(exchange), FACTS), [exchange.body])
        for step in (1, 97, 1460):
            pieces = cut(exchange.body, range(0, len(exchange.body), step))
            assert run(chat_stream(request, to(exchange), FACTS), pieces).facts == found.facts
        assert found.error is None, (exchange.id, found.error)
        said = deltas(found.out)
        texts = [event["delta"].get("text", "") for name, event in told if name == "contentBlockDelta"]
        assert "".join(each.get("content") or "" for each in said) == "".join(texts), exchange.id
        starts = [event["start"]["toolUse"] for name, event in told if name == "contentBlockStart"]
        calls = [call for each in said for call in each.get("tool_calls") or ()]
        assert [(call["id"], call["function"]["name"]) for call in calls if call.get("id")] == [
            (use["toolUseId"], use["name"]) for use in starts
        ]
        argued = [
            event["delta"]["toolUse"]["input"]
            for name, event in told
            if name == "contentBlockDelta" and "toolUse" in event["delta"]
        ]
        arguments = "".join(call["function"]["arguments"] for call in calls)
        assert arguments == "".join(argued) or (calls and arguments == "{}" * len(starts)), exchange.id
        reason = next(event["stopReason"] for name, event in told if name == "messageStop")
        assert finishes(found.out) == [FINISHES[reason]], exchange.id
        assert len({chunk["id"] for chunk in chunks(found.out)}) == 1
        usage = next(event["usage"] for name, event in told if name == "metadata")
        assert found.usage is not None
        assert found.usage.total_tokens == usage["totalTokens"]
        checked += 1
    assert checked > enough(20)


def test_a_stream_that_was_cut_is_no_whole_answer() -> None:
    for exchange in answered(streaming=True):
        whole = exchange.body
        for length in (len(whole) // 2, 100, 20):
            if b"messageStop" in whole[:length]:
                continue  # the usage alone is missing then
            found = run(chat_stream(chat(stream=True), to(exchange), FACTS), [whole[:length]])
            assert isinstance(found.error, UpstreamError), exchange.id
            assert not found.done


def test_frames_are_read_as_botocore_reads_them() -> None:
    checked = 0
    for exchange in exchanges("converse", "bedrock"):
        if not exchange.streaming or exchange.response.status != 200:
            continue
        cutter = FrameCutter()
        mine = [
            (each.event_type, json.loads(each.payload))
            for piece in cut(exchange.body, range(0, len(exchange.body), 33))
            for each in cutter.feed(piece)
        ]
        assert mine == events_of(exchange)
        assert not cutter.has_rest
        checked += 1
    assert checked > enough(20)


def test_errors_keep_their_words() -> None:
    failed = [each for each in exchanges("converse") if each.response.status != 200]
    for exchange in failed:
        kind = exchange.response.headers.get("x-amzn-errortype", "").partition(":")[0]
        error = BACKENDS[Dialect.BEDROCK].error(
            exchange.response.status, exchange.response.headers, exchange.body, to(exchange)
        )
        assert isinstance(error, ProviderError)
        assert error.http_status == STATUSES.get(kind, exchange.response.status), exchange.id
        if b"exceeds maximum length" in exchange.body:
            assert error.code == "context_length_exceeded"
    assert len(failed) >= enough(8)
