"""Answers in Anthropic's form, whole and streamed: they say the same, whatever order the pieces come in."""

import json
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_registry.dialects import Dialect
from models_registry.fronts.messages import writer as writer_module
from models_registry.fronts.messages.front import MessagesFront
from models_registry.turns.events import (
    AnswerEvent,
    Began,
    Cited,
    Counted,
    Media,
    Pinged,
    Refused,
    Sealed,
    Stopped,
    StopReason,
    Text,
    Thought,
    ToolArguments,
    ToolBegan,
    Unshown,
)
from schema.errors.upstream import ProviderError
from schema.messages import MessagesRequest
from schema.usage import RareMeters, Usage
from schema.wire import to_json
from tests.models_registry.backends.making import FACTS, target
from tests.models_registry.fronts.messages.reading import Json, events_in, message_of

FRONT = MessagesFront()
REQUEST = MessagesRequest(model="public", messages=[])
TARGET = target(Dialect.OPENAI)
USAGE = Usage(prompt_tokens=30, completion_tokens=9, cached_tokens=10, cache_write_tokens=5)
PLAIN_TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


def written(events: list[AnswerEvent]) -> bytes:
    writer = FRONT.writer(REQUEST, TARGET, FACTS)
    return b"".join([*(writer.write(event) for event in events), writer.end()])


def whole(events: list[AnswerEvent]) -> Json:
    found: Json = json.loads(to_json(FRONT.whole(events, REQUEST, TARGET, FACTS)))
    return found


def streamed(events: list[AnswerEvent]) -> Json:
    return message_of(written(events))


def ended(*events: AnswerEvent, reason: StopReason = StopReason.END) -> list[AnswerEvent]:
    return [Began(id="msg_1", model="m"), *events, Stopped(reason), Counted(USAGE)]


@st.composite
def answers(draw: st.DrawFn) -> list[AnswerEvent]:
    """An answer of any parts. The pieces of neighbouring tool calls are interleaved in any way."""
    events: list[AnswerEvent] = []
    tools = 0
    for kind in draw(st.lists(st.sampled_from(["text", "thought", "sealed", "tools", "ping"]), max_size=6)):
        match kind:
            case "text":
                pieces = draw(st.lists(PLAIN_TEXT, min_size=1, max_size=4))
                events += [Text(piece, begins=not at) for at, piece in enumerate(pieces)]
            case "thought":
                events += [Thought(piece, is_signed=True) for piece in draw(st.lists(PLAIN_TEXT, max_size=3))]
                events.append(Thought(signature="sig", is_signed=True))
            case "sealed":
                events.append(Sealed("opaque"))
            case "ping":
                events += [Pinged(), Unshown(3)]
            case _:
                count = draw(st.integers(1, 3))
                events += _calls(draw, tools, count)
                tools += count
    return ended(*events)


def _calls(draw: st.DrawFn, first: int, count: int) -> list[AnswerEvent]:
    queues: list[list[AnswerEvent]] = []
    for index in range(first, first + count):
        arguments = json.dumps(draw(st.dictionaries(PLAIN_TEXT, PLAIN_TEXT, max_size=2)), ensure_ascii=False)
        at = sorted(draw(st.sets(st.integers(0, len(arguments)), max_size=4)) | {0, len(arguments)})
        pieces = [arguments[start:end] for start, end in pairwise(at)]
        began: list[AnswerEvent] = [ToolBegan(index, f"call_{index}", f"tool_{index}")]
        queues.append([*began, *(ToolArguments(index, piece) for piece in pieces)])
    began_first = [queue.pop(0) for queue in queues] if draw(st.booleans()) else []
    mixed: list[AnswerEvent] = list(began_first)
    while any(queues):
        queue = draw(st.sampled_from([each for each in queues if each]))
        if isinstance(queue[0], ToolBegan) and queue is not next(
            each for each in queues if each and isinstance(each[0], ToolBegan)
        ):
            continue  # calls begin in their order
        mixed.append(queue.pop(0))
    return mixed


@given(answers())
def test_stream_and_plain_of_an_answer_agree(events: list[AnswerEvent]) -> None:
    plain, stream = whole(events), streamed(events)
    assert stream["content"] == plain["content"]
    assert stream == plain


def test_a_tool_call_behind_one_under_way_waits_for_it() -> None:
    writer = FRONT.writer(REQUEST, TARGET, FACTS)
    for event in (Began(), ToolBegan(0, "a", "f"), ToolArguments(0, '{"x"')):
        assert writer.write(event)
    assert writer.write(ToolBegan(1, "b", "g")) == b""
    assert writer.write(ToolArguments(1, "{}")) == b""
    freed = events_in(writer.write(ToolArguments(0, ":1}")))
    assert [event["type"] for event in freed] == [
        "content_block_delta",
        "content_block_stop",
        "content_block_start",
        "content_block_delta",
    ]


def test_a_tool_call_is_sent_as_it_comes() -> None:
    writer = FRONT.writer(REQUEST, TARGET, FACTS)
    writer.write(Began())
    started, begun = writer.write(ToolBegan(0, "a", "f")), writer.write(ToolArguments(0, '{"x"'))
    (start,), (piece,) = events_in(started), events_in(begun)
    assert start["content_block"] == {"type": "tool_use", "id": "a", "name": "f", "input": {}}
    assert piece["delta"] == {"type": "input_json_delta", "partial_json": '{"x"'}


def test_usage_has_the_counts_of_the_cache() -> None:
    events: list[AnswerEvent] = [
        Began(usage=msgspec.structs.replace(USAGE, completion_tokens=1)),
        Text("hi"),
        Stopped(StopReason.LENGTH),
        Counted(USAGE),
    ]
    first, *_, delta, _ = events_in(written(events))
    start = first["message"]["usage"]
    assert (
        start["input_tokens"],
        start["cache_read_input_tokens"],
        start["cache_creation_input_tokens"],
    ) == (
        15,
        10,
        5,
    )
    assert delta["usage"] == {
        "input_tokens": 15,
        "cache_creation_input_tokens": 5,
        "cache_read_input_tokens": 10,
        "output_tokens": 9,
        "cache_creation": {"ephemeral_5m_input_tokens": 5, "ephemeral_1h_input_tokens": 0},
    }
    assert delta["delta"] == {"stop_reason": "max_tokens", "stop_sequence": None}


def test_usage_tells_thinking_and_searches() -> None:
    usage = Usage(prompt_tokens=3, completion_tokens=9, reasoning_tokens=4, rare=RareMeters(web_searches=2))
    told = whole([Began(), Stopped(StopReason.END), Counted(usage)])["usage"]
    assert told["output_tokens_details"] == {"thinking_tokens": 4}
    assert told["server_tool_use"] == {"web_search_requests": 2, "web_fetch_requests": 0}


STOPS: dict[StopReason, str] = {
    StopReason.END: "end_turn",
    StopReason.SEQUENCE: "stop_sequence",
    StopReason.LENGTH: "max_tokens",
    StopReason.CONTEXT: "model_context_window_exceeded",
    StopReason.TOOLS: "tool_use",
    StopReason.PAUSE: "pause_turn",
    StopReason.FILTER: "refusal",
}


def test_every_stop_reason_has_anthropics_word() -> None:
    assert set(STOPS) == set(StopReason)
    for reason, word in STOPS.items():
        events: list[AnswerEvent] = [Began(), Text("a"), Stopped(reason, "STOP")]
        assert (whole(events)["stop_reason"], whole(events)["stop_sequence"]) == (word, "STOP")
        assert streamed(events)["stop_reason"] == word


def test_a_turn_of_text_thinking_and_tools_stops_for_the_tools() -> None:
    events = ended(
        Thought("hm"),
        Text("Let me look."),
        ToolBegan(0, "a", "f"),
        ToolArguments(0, "{}"),
        reason=StopReason.TOOLS,
    )
    message = streamed(events)
    assert [block["type"] for block in message["content"]] == ["thinking", "text", "tool_use"]
    assert message["content"][0]["signature"] == ""
    assert message["stop_reason"] == "tool_use"
    assert message == whole(events)


def test_a_refusal_is_text_and_its_stop_reason_says_it() -> None:
    events = ended(Refused("I "), Refused("won't."))
    assert streamed(events) == whole(events)
    assert streamed(events)["content"] == [{"type": "text", "text": "I won't."}]
    assert streamed(events)["stop_reason"] == "refusal"


def test_sources_become_citations() -> None:
    own = msgspec.Raw(b'{"type":"char_location","cited_text":"x","document_index":0}')
    foreign = msgspec.Raw(b'{"type":"url_citation","url_citation":{"url":"https://a.test"}}')
    nothing = msgspec.Raw(b'{"odd":1}')
    events = ended(
        Text("As said.", begins=True), Cited(own), Cited(foreign, "https://a.test", "A"), Cited(nothing)
    )
    (block,) = streamed(events)["content"]
    assert block["citations"] == [
        {"type": "char_location", "cited_text": "x", "document_index": 0},
        {
            "type": "web_search_result_location",
            "url": "https://a.test",
            "title": "A",
            "cited_text": "",
            "encrypted_index": "",
        },
    ]
    assert streamed(events) == whole(events)


def test_texts_that_say_nothing_make_no_block() -> None:
    events = ended(Text("", begins=True), Thought(""), Text(""))
    assert streamed(events)["content"] == whole(events)["content"] == []


def test_pictures_have_no_place() -> None:
    events = ended(Text("Here."), Media("images", msgspec.Raw(b"[]")))
    assert streamed(events) == whole(events)
    assert streamed(events)["content"] == [{"type": "text", "text": "Here."}]


def test_ids_of_calls_are_in_anthropics_characters() -> None:
    events = ended(ToolBegan(0, "functions.read:0", "read"), ToolArguments(0, "{}"))
    (block,) = streamed(events)["content"]
    assert block["id"].startswith("toolu_")
    assert block["id"] == whole(events)["content"][0]["id"]


def test_arguments_that_were_cut_are_kept_as_text_in_a_whole_answer() -> None:
    events = ended(ToolBegan(0, "a", "f"), ToolArguments(0, '{"ci'), reason=StopReason.LENGTH)
    assert whole(events)["content"][0]["input"] == {"arguments": '{"ci'}
    deltas = [
        event["delta"] for event in events_in(written(events)) if event["type"] == "content_block_delta"
    ]
    assert deltas == [{"type": "input_json_delta", "partial_json": '{"ci'}]


def test_a_ping_is_anthropics_own() -> None:
    writer = FRONT.writer(REQUEST, TARGET, FACTS)
    assert writer.write(Pinged()) == b'event: ping\ndata: {"type": "ping"}\n\n'


def test_a_failure_is_an_error_event_with_the_calls_id() -> None:
    writer = FRONT.writer(REQUEST, TARGET, FACTS)
    error = ProviderError("Overloaded", status=503)
    (event,) = events_in(writer.failed(error))
    expected: dict[str, Any] = {
        "type": "error",
        "error": {
            "type": "overloaded_error",
            "message": "Overloaded",
            "details": {"error_code": "provider_error"},
        },
        "request_id": FACTS.request_id,
    }
    assert event == expected


def test_arguments_that_stay_open_are_not_read_again_with_each_piece_of_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[str] = []

    def is_object(text: str) -> bool:
        read.append(text)
        return False

    monkeypatch.setattr(writer_module, "is_object", is_object)
    written([Began(), ToolBegan(0, "a", "f"), ToolArguments(0, '{"x":'), ToolBegan(1, "b", "f")])
    once = len(read)
    read.clear()
    said: list[AnswerEvent] = [Began(), ToolBegan(0, "a", "f"), ToolArguments(0, '{"x":')]
    written([*said, ToolBegan(1, "b", "f"), *[ToolArguments(1, "1")] * 50])
    assert len(read) == once
