"""The core: a provider's answer as events, whole and streamed, and what fronts make of it."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from models_registry.backends import BACKENDS
from models_registry.dialects import Dialect
from models_registry.fronts.chat.front import ChatFront
from models_registry.turns.events import (
    AnswerEvent,
    Began,
    Counted,
    Refused,
    Stopped,
    StopReason,
    Text,
    Thought,
    ToolArguments,
    ToolBegan,
    said_bytes,
)
from models_registry.turns.stream import TranslatedStream
from models_registry.turns.whole import TextPart, ThoughtPart, ToolPart, WholeAnswer, whole_of
from schema.usage import Usage
from tests.models_registry.backends.feeding import cut, feed_all_ways, run
from tests.models_registry.backends.making import FACTS, chat, target
from tests.models_registry.backends.recordings import Exchange, enough, exchanges

STREAMING = chat(stream=True, stream_options={"include_usage": True})


def parsed(dialect: Dialect, body: bytes, at: tuple[int, ...] = ()) -> tuple[list[AnswerEvent], Any]:
    """The events of a stream, and how it failed."""
    parser = BACKENDS[dialect].events(STREAMING, target(dialect), FACTS)
    found: list[AnswerEvent] = []
    for given in [*(parser.feed(piece) for piece in cut(body, at)), parser.close()]:
        found += given.events
        if given.failure is not None:
            return found, given.failure
    return found, None


def whole(dialect: Dialect, body: bytes) -> WholeAnswer:
    return whole_of(BACKENDS[dialect].answer(body, chat(), target(dialect), FACTS))


def openai_recordings(*, streaming: bool) -> Iterator[Exchange]:
    for exchange in exchanges("chat"):
        body = exchange.response.body
        is_openai = '"chat.completion' in body and exchange.response.status == 200
        if is_openai and exchange.streaming == streaming and exchange.body_encoding is None:
            yield exchange


def kinds(events: list[AnswerEvent]) -> list[type]:
    return [type(event) for event in events]


def texts_of(answer: WholeAnswer) -> str:
    return "".join(part.text for part in answer.parts if isinstance(part, TextPart))


def calls_of(answer: WholeAnswer) -> list[ToolPart]:
    return [part for part in answer.parts if isinstance(part, ToolPart)]


def deltas_of(exchange: Exchange) -> list[dict[str, Any]]:
    """The deltas of a recorded stream's first choice."""
    lines = [line for line in exchange.response.body.splitlines() if line.startswith("data: {")]
    choices = [choice for line in lines for choice in json.loads(line[6:]).get("choices") or ()]
    return [choice["delta"] for choice in choices if choice.get("index", 0) == 0 and choice.get("delta")]


def test_recorded_streams_of_openais_dialect_become_events_that_say_the_same() -> None:
    seen = 0
    native = BACKENDS[Dialect.OPENAI].natives[ChatFront.surface]
    for exchange in openai_recordings(streaming=True):
        events, failure = parsed(Dialect.OPENAI, exchange.body, (7, 90, 1000))
        relayed = run(native.stream(STREAMING, target(Dialect.OPENAI)), [exchange.body])
        assert (failure is None) == (relayed.error is None), exchange.id
        if failure is not None:
            continue
        seen += 1
        assert kinds(events)[0] is Began, exchange.id
        assert kinds(events).count(Stopped) == 1, exchange.id
        deltas, answer = deltas_of(exchange), whole_of(events)
        told = [delta.get("content") or "" for delta in deltas]
        if all(isinstance(each, str) for each in told):
            assert texts_of(answer) == "".join(told), exchange.id
        calls = calls_of(answer)
        pieces = [piece["function"] for delta in deltas for piece in delta.get("tool_calls") or ()]
        told = [piece.get("arguments") or "" for piece in pieces]
        arguments = "".join(each for each in told if each != "null")
        assert "".join(call.arguments for call in calls) == (arguments or "{}" * len(calls)), exchange.id
        assert len({call.id for call in calls}) == len(calls), exchange.id
        assert not calls or answer.reason in (StopReason.TOOLS, StopReason.LENGTH), exchange.id
        for call in calls if answer.reason is StopReason.TOOLS else ():
            json.loads(call.arguments)
        assert (answer.usage is not None) == (relayed.usage is not None), exchange.id
    assert seen >= enough(150)


def test_recorded_answers_of_openais_dialect_become_events_that_say_the_same() -> None:
    seen = 0
    for exchange in openai_recordings(streaming=False):
        message = json.loads(exchange.body)["choices"][0]["message"]
        answer = whole(Dialect.OPENAI, exchange.body)
        seen += 1
        if isinstance(message.get("content"), str):
            assert texts_of(answer) == message["content"], exchange.id
            thinking = message.get("reasoning_content") or message.get("reasoning") or ""
            thoughts = [part.text for part in answer.parts if isinstance(part, ThoughtPart)]
            assert "".join(thoughts) == thinking, exchange.id
        function = message.get("function_call") or {}
        legacy = [{"function": function}] if function.get("name") else []
        called = message.get("tool_calls") or legacy
        named = [call.get("function") or call["custom"] for call in called]
        assert [call.name for call in calls_of(answer)] == [each["name"] for each in named], exchange.id
    assert seen >= enough(200)


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps({"id": "c1", "model": "m", "choices": [choice], **more}).encode() + b"\n\n"


def call(name: str | None = None, arguments: str | None = None, **fields: Any) -> dict[str, Any]:
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    return {"tool_calls": [{**fields, "function": function}]}


DONE = b"data: [DONE]\n\n"


@pytest.mark.parametrize(
    ("deltas", "tools"),
    [
        (  # as OpenAI does, interleaved
            [
                call("f", "", index=0, id="a"),
                call("g", "", index=1, id="b"),
                call(arguments='{"x"', index=0),
                call(arguments="{}", index=1),
                call(arguments=":1}", index=0),
            ],
            [("a", "f", '{"x":1}'), ("b", "g", "{}")],
        ),
        (  # every call with the same index
            [call("f", "{}", index=0, id="a"), call("g", '{"y":2}', index=0, id="b")],
            [("a", "f", "{}"), ("b", "g", '{"y":2}')],
        ),
        (  # without an index, and each piece with the id again
            [call("f", '{"x":', id="a"), call("f", "1}", id="a")],
            [("a", "f", '{"x":1}')],
        ),
        ([call("f", index=0, id="a")], [("a", "f", "{}")]),  # without arguments
        ([{"function_call": {"name": "f", "arguments": "{}"}}], [(None, "f", "{}")]),
    ],
)
def test_tool_calls_are_read_however_a_server_counts_them(
    deltas: list[dict[str, Any]], tools: list[tuple[str | None, str, str]]
) -> None:
    body = b"".join([*map(chunk, deltas), chunk({}, "stop"), DONE])
    events, failure = parsed(Dialect.OPENAI, body)
    assert failure is None
    answer = whole_of(events)
    found = [part for part in answer.parts if isinstance(part, ToolPart)]
    assert [(part.name, part.arguments) for part in found] == [(name, text) for _, name, text in tools]
    assert all(part.id == id for part, (id, _, _) in zip(found, tools, strict=True) if id)
    assert all(part.id for part in found)
    assert answer.reason is StopReason.TOOLS


@pytest.mark.parametrize(
    ("delta", "events"),
    [
        ({"content": "a"}, [Text("a")]),
        ({"content": ""}, []),
        ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": ""}]}, [Text("a")]),
        (
            {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "h"}]}]},
            [Thought("h")],
        ),
        ({"reasoning": "h"}, [Thought("h")]),
        ({"reasoning_content": "h", "reasoning": "h"}, [Thought("h")]),
        ({"refusal": "no"}, [Refused("no")]),
        (
            {"thinking_blocks": [{"type": "thinking", "thinking": "h", "signature": "s"}]},
            [Thought("h", "s", is_signed=True)],
        ),
        ({"content": 5, "tool_calls": None, "annotations": 3}, [Text("5")]),
    ],
)
def test_odd_deltas_are_read(delta: dict[str, Any], events: list[AnswerEvent]) -> None:
    found, failure = parsed(Dialect.OPENAI, chunk(delta) + chunk({}, "stop") + DONE)
    assert failure is None
    assert found == [Began("c1", "m"), *events, Stopped(StopReason.END)]


def test_a_broken_stream_gives_what_came_before() -> None:
    found, failure = parsed(Dialect.OPENAI, chunk({"content": "a"}))
    assert found == [Began("c1", "m"), Text("a")]
    assert failure is not None


def test_a_translated_stream_is_the_same_however_it_is_cut() -> None:
    body = b"".join([chunk({"content": "Grü"}), chunk({"content": "ße ✓"}), chunk({}, "length"), DONE])
    front = ChatFront()
    to = target(Dialect.OPENAI)

    def make() -> TranslatedStream:
        parser = BACKENDS[Dialect.OPENAI].events(STREAMING, to, FACTS)
        return TranslatedStream(parser, front.writer(STREAMING, to, FACTS))

    found = feed_all_ways(make, body, [5, 33, 71])
    assert found.error is None
    assert found.produced_bytes == len("Grüße ✓".encode())
    assert b'"finish_reason":"length"' in found.out


def test_neighbouring_pieces_become_one_part_and_a_signature_ends_its_thinking() -> None:
    answer = whole_of(
        [
            Began("id", "m"),
            Thought("a", is_signed=True),
            Thought(signature="s1", is_signed=True),
            Thought("b", is_signed=True),
            Thought(signature="s2", is_signed=True),
            Text("x", begins=True),
            Text("y"),
            Text("z", begins=True),
            ToolBegan(0, "t0", "f"),
            ToolBegan(1, "t1", "g"),
            ToolArguments(1, "{}"),
            ToolArguments(0, "[]"),
            Stopped(StopReason.TOOLS),
        ]
    )
    assert answer.parts == [
        ThoughtPart("a", "s1", is_signed=True),
        ThoughtPart("b", "s2", is_signed=True),
        TextPart("xy"),
        TextPart("z"),
        ToolPart("t0", "f", "[]"),
        ToolPart("t1", "g", "{}"),
    ]


def test_what_the_model_wrote_counts_in_utf8() -> None:
    assert said_bytes(Text("ä")) == 2
    assert said_bytes(ToolBegan(0, "id", "name")) == 4
    assert said_bytes(Stopped(StopReason.END)) == 0
    assert said_bytes(Counted(Usage(completion_tokens=9))) == 0


def test_log_probabilities_of_all_pieces_are_told() -> None:
    def told(*words: str) -> bytes:
        return json.dumps({"content": [{"token": word} for word in words], "refusal": None}).encode()

    def whole_logprobs(*events: AnswerEvent) -> object:
        made = ChatFront().whole(
            [Began(), *events, Stopped(StopReason.END)], chat(), target(Dialect.GEMINI), FACTS
        )
        return json.loads(bytes(made.choices[0].logprobs or b""))

    first = Text("a", msgspec.Raw(told("a")))
    assert whole_logprobs(Text("a"), Text("", msgspec.Raw(told("a")))) == json.loads(told("a"))
    assert whole_logprobs(first, Text("b"), Text("c", msgspec.Raw(told("c")))) == json.loads(told("a", "c"))
    assert whole_logprobs(first, Text("c", msgspec.Raw(b"[1]"))) == json.loads(told("a"))
    assert whole_logprobs(Text("a")) is None
