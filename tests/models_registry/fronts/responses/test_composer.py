"""Responses made of any events: the stream and the whole answer agree, OpenAI's document accepts both, and
what was said is read back from the items."""

import json
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from models_registry.dialects import Dialect
from models_registry.fronts.responses.front import ResponsesFront
from models_registry.turns.events import (
    AnswerEvent,
    Began,
    Cited,
    Counted,
    Pinged,
    Refused,
    Sealed,
    Stopped,
    StopReason,
    Text,
    Thought,
    ToolArguments,
    ToolBegan,
)
from models_registry.turns.whole import RefusalPart, TextPart, ThoughtPart, ToolPart, whole_of
from schema.chat import Message
from schema.responses import ResponsesRequest
from schema.usage import Usage
from schema.wire import decode_body
from tests.models_registry.backends.making import FACTS, target
from tests.specs.openai import event_violations, violations

FRONT = ResponsesFront()
TO = target(Dialect.ANTHROPIC)
WORDS = st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=8)
TOOLS = [
    {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": False},
    {"type": "custom", "name": "patch"},
    {"type": "namespace", "name": "crm", "description": "d", "tools": [{"type": "function", "name": "find"}]},
]
CALLED = ("f", "patch", "crm__find", "unknown")


def ask(**fields: Any) -> ResponsesRequest:
    body = {"model": "public", "input": "Hi", "tools": TOOLS} | fields
    return decode_body(msgspec.json.Decoder(ResponsesRequest), json.dumps(body).encode())


def cited(url: str) -> Cited:
    return Cited(msgspec.Raw(json.dumps({"url": url}).encode()), url=url, title="t")


def alone(event: AnswerEvent) -> list[AnswerEvent]:
    return [event]


def thought(texts: list[str], signature: str) -> list[AnswerEvent]:
    """Thinking in pieces, with its signature at its end."""
    return [*(Thought(text, is_signed=True) for text in texts), Thought("", signature, is_signed=True)]


@st.composite
def answers(draw: st.DrawFn) -> list[AnswerEvent]:
    """Any answer that a backend could tell, with interleaved calls of tools."""
    events: list[AnswerEvent] = [Began("upstreams-id", "upstreams-model")]
    calls: dict[int, list[str]] = {}
    said = st.one_of(
        st.builds(Text, WORDS, begins=st.booleans()).map(alone),
        st.builds(Refused, WORDS).map(alone),
        st.builds(thought, st.lists(WORDS, max_size=2), st.sampled_from(["", "sig=="])),
        st.builds(Sealed, st.just("c2VhbGVk")).map(alone),
        st.builds(cited, st.sampled_from(["https://a.test/x", ""])).map(alone),
        st.just([Pinged()]),
    )
    for _ in range(draw(st.integers(0, 14))):
        step = draw(st.sampled_from(["say", "say", "call", "go on"]))
        if step == "call":
            index = len(calls)
            name = draw(st.sampled_from(CALLED))
            arguments = json.dumps({"input": draw(WORDS)})
            cut = draw(st.integers(0, len(arguments)))
            calls[index] = [arguments[:cut], arguments[cut:]]
            events.append(ToolBegan(index, f"call_{index}", name))
        elif step == "go on" and any(calls.values()):
            index = draw(st.sampled_from([index for index, left in calls.items() if left]))
            events.append(ToolArguments(index, calls[index].pop(0)))
        else:
            events += draw(said)
    events += [ToolArguments(index, piece) for index, left in calls.items() for piece in left]
    reason = draw(st.sampled_from(list(StopReason)))
    usage = Usage(prompt_tokens=7, completion_tokens=5, cached_tokens=3, reasoning_tokens=2)
    return [*events, Stopped(reason), Counted(usage)]


def streamed(events: list[AnswerEvent]) -> list[dict[str, Any]]:
    writer = FRONT.writer(ask(stream=True), TO, FACTS)
    sent = b"".join([*map(writer.write, events), writer.end()])
    frames = [frame for frame in sent.decode().split("\n\n") if frame and not frame.startswith(":")]
    return [json.loads(frame.partition("data: ")[2]) for frame in frames]


@given(answers())
def test_the_stream_and_the_whole_answer_agree(events: list[AnswerEvent]) -> None:
    whole = json.loads(msgspec.json.encode(FRONT.whole(events, ask(), TO, FACTS)))
    told = streamed(events)
    assert told[-1]["response"] == whole
    assert told[-1]["type"] == f"response.{whole['status']}"
    assert [event["sequence_number"] for event in told] == list(range(len(told)))
    done = {event["output_index"]: event["item"] for event in told if event["type"].endswith("item.done")}
    assert [done[index] for index in sorted(done)] == whole["output"]
    assert sorted(done) == list(range(len(done)))
    ids = [item["id"] for item in whole["output"]]
    assert len(set(ids)) == len(ids)
    check_deltas(told, whole["output"])


def check_deltas(told: list[dict[str, Any]], output: list[dict[str, Any]]) -> None:
    """Each item is the sum of its deltas."""
    sums: dict[tuple[str, int], str] = {}
    for event in told:
        if event["type"].endswith(".delta"):
            place = (event["item_id"], event.get("content_index", event.get("summary_index", 0)))
            sums[place] = sums.get(place, "") + event["delta"]
    for item in output:
        texts = [
            part.get("text", part.get("refusal", ""))
            for part in (*item.get("content", ()), *item.get("summary", ()))
        ]
        texts += [item[name] for name in ("arguments", "input") if name in item]
        assert texts == [sums.get((item["id"], place), "") for place in range(len(texts))]


@given(answers())
def test_openais_document_accepts_every_event_and_answer(events: list[AnswerEvent]) -> None:
    for event in streamed(events):
        assert event_violations(event) == [], event
    whole = json.loads(msgspec.json.encode(FRONT.whole(events, ask(), TO, FACTS)))
    assert violations("Response", whole) == []


@given(answers())
def test_what_was_said_is_read_back(events: list[AnswerEvent]) -> None:
    response = FRONT.whole(events, ask(), TO, FACTS)
    items = json.loads(msgspec.json.encode(response.output))
    question = {"role": "user", "content": "Hi"}
    assert violations("CreateResponse", {"model": "m", "input": [question, *items]}) == []
    messages = FRONT.read(ask(input=[question, *items]), TO).messages[1:]
    answer = whole_of(events)
    texts = [part.text for part in answer.parts if isinstance(part, TextPart)]
    assert "".join(str(message.content or "") for message in messages) == "".join(texts)
    refusals = [part.text for part in answer.parts if isinstance(part, RefusalPart)]
    assert "".join(message.refusal or "" for message in messages) == "".join(refusals)
    called = [
        (call.id, call.function.name, json.loads(call.function.arguments or ""))
        for message in messages
        for call in message.tool_calls or ()
        if call.function is not None
    ]
    assert called == [
        (part.id, part.name, json.loads(part.arguments))
        for part in answer.parts
        if isinstance(part, ToolPart)
    ]
    assert thinking_of(messages) == [
        ("thinking", part.text, part.signature)
        if isinstance(part, ThoughtPart)
        else ("redacted_thinking", part.data, "")
        for part in answer.parts
        if isinstance(part, Sealed) or (isinstance(part, ThoughtPart) and part.signature)
    ]


def thinking_of(messages: list[Message]) -> list[tuple[str, str, str]]:
    found = []
    for message in messages:
        blocks = message.thinking_blocks
        for block in json.loads(bytes(blocks)) if isinstance(blocks, msgspec.Raw) else ():
            text = block.get("thinking", block.get("data", ""))
            found.append((block["type"], text, block.get("signature", "")))
    return found


def test_what_a_server_says_after_its_reason_to_stop_is_told_whole() -> None:
    said: list[AnswerEvent] = [Began("id", "model"), ToolBegan(0, "c1", "f"), ToolArguments(0, "{}")]
    said += [Stopped(StopReason.TOOLS), Text("Bye"), ToolArguments(0, "{}")]
    said += [ToolBegan(1, "c2", "f"), ToolArguments(1, "{}")]
    writer = FRONT.writer(ask(stream=True), TO, FACTS)
    sent = b"".join([*map(writer.write, said), writer.end()])
    told = [json.loads(line[6:]) for line in sent.splitlines() if line.startswith(b"data: ")]
    done = [event["item"] for event in told if event["type"] == "response.output_item.done"]
    assert [item["type"] for item in done] == ["function_call", "message", "function_call"]
    assert told[-1]["response"]["output"] == done
    assert [item["arguments"] for item in done if "arguments" in item] == ["{}", "{}"]
    assert [event["sequence_number"] for event in told] == list(range(len(told)))


def test_an_empty_text_does_not_part_thinking_from_its_signature() -> None:
    said: list[AnswerEvent] = [Began(), Thought("Hm.", is_signed=True), Text(""), Refused("")]
    said.append(Thought("", "sig==", is_signed=True))
    (part,) = whole_of(said).parts
    assert isinstance(part, ThoughtPart)
    assert (part.text, part.signature) == ("Hm.", "sig==")
