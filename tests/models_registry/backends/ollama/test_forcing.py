"""Tools that the model must call: what Ollama is sent, and calls made of the text that it writes."""

import itertools
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_registry.backends.ollama.backend import Ollama
from models_registry.dialects import Dialect
from models_registry.turns.events import AnswerEvent, Stopped, StopReason, Text, ToolArguments, ToolBegan
from schema.chat import ChatRequest
from schema.errors.requests import InvalidRequest
from tests.models_registry.backends.making import FACTS, target

BACKEND = Ollama()
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {
    "type": "function",
    "function": {"name": "weather", "description": "The weather", "parameters": SCHEMA},
}
NOW = {"type": "function", "function": {"name": "now"}}
BY_NAME = {"type": "function", "function": {"name": "weather"}}
CALL = '{"city": "Rome"}'


def chat(**fields: Any) -> ChatRequest:
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], **fields}
    made = msgspec.json.decode(json.dumps(body), type=ChatRequest)
    made.with_raw(msgspec.json.decode(json.dumps(body), type=dict[str, msgspec.Raw]))
    return made


def sent(**fields: Any) -> Any:
    return json.loads(BACKEND.chat_request(chat(**fields), target(Dialect.OLLAMA), FACTS).body)


@pytest.mark.parametrize(
    ("tools", "choice"),
    [([WEATHER, NOW], BY_NAME), ([WEATHER], "required"), ([WEATHER], {"type": "any"})],
)
def test_one_tool_is_told_of_in_words_and_its_schema_holds_the_answer(tools: list[Any], choice: Any) -> None:
    body = sent(tools=tools, tool_choice=choice)
    assert body["format"] == SCHEMA
    assert "tools" not in body
    first, last = body["messages"]
    assert first["role"] == "system"
    assert "weather: The weather" in first["content"]
    assert json.dumps(SCHEMA) in first["content"]
    assert last == {"role": "user", "content": "Hi"}


def test_of_several_tools_the_answer_says_which_one() -> None:
    body = sent(tools=[WEATHER, NOW], tool_choice="required")
    named = [each["properties"]["name"]["const"] for each in body["format"]["anyOf"]]
    assert named == ["weather", "now"]
    assert body["format"]["anyOf"][0]["properties"]["arguments"] == SCHEMA
    assert "weather" in body["messages"][0]["content"]
    assert "now" in body["messages"][0]["content"]


def test_a_forced_call_counts_before_a_form_of_the_answer() -> None:
    body = sent(tools=[WEATHER], tool_choice="required", response_format={"type": "json_object"})
    assert body["format"] == SCHEMA


def test_a_name_that_is_no_tools_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="'nothing'"):
        sent(tools=[WEATHER], tool_choice={"type": "function", "function": {"name": "nothing"}})


def line(text: str = "", **more: Any) -> bytes:
    message = {"role": "assistant", "content": text}
    told = {"model": "m", "created_at": "", "message": message, "done": False, **more}
    return json.dumps(told).encode() + b"\n"


def done(reason: str = "stop") -> bytes:
    return line(done=True, done_reason=reason, prompt_eval_count=3, eval_count=4)


def streamed(texts: list[str], *, reason: str = "stop", **fields: Any) -> list[AnswerEvent]:
    parser = BACKEND.events(chat(stream=True, **fields), target(Dialect.OLLAMA), FACTS)
    found: list[AnswerEvent] = []
    for data in (*map(line, texts), done(reason)):
        parsed = parser.feed(data)
        assert parsed.failure is None
        found += parsed.events
    return found


def whole(text: str, *, reason: str = "stop", **fields: Any) -> list[AnswerEvent]:
    answer = line(text, done=True, done_reason=reason, prompt_eval_count=3, eval_count=4)
    return BACKEND.answer(answer, chat(**fields), target(Dialect.OLLAMA), FACTS)


def call_of(events: list[AnswerEvent]) -> tuple[str, str]:
    (began,) = [each for each in events if isinstance(each, ToolBegan)]
    assert began.id.startswith("call_")
    assert not [each for each in events if isinstance(each, Text)]
    return began.name, "".join(each.text for each in events if isinstance(each, ToolArguments))


def reason_of(events: list[AnswerEvent]) -> StopReason:
    return next(each.reason for each in events if isinstance(each, Stopped))


@given(st.lists(st.integers(0, len(CALL)), max_size=6))
def test_the_text_of_a_stream_is_the_arguments_of_the_call(cuts: list[int]) -> None:
    at = [0, *sorted(cuts), len(CALL)]
    pieces = [CALL[a:b] for a, b in itertools.pairwise(at)]
    events = streamed(pieces, tools=[WEATHER, NOW], tool_choice=BY_NAME)
    assert call_of(events) == ("weather", CALL)
    assert reason_of(events) is StopReason.TOOLS


@given(st.lists(st.integers(0, 60), max_size=6))
def test_one_of_several_tools_is_called(cuts: list[int]) -> None:
    text = '{"name": "weather", "arguments": {"city": "R\\u00f6m"}}'
    at = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[a:b] for a, b in itertools.pairwise(at)]
    events = streamed(pieces, tools=[WEATHER, NOW], tool_choice="required")
    name, arguments = call_of(events)
    assert (name, json.loads(arguments)) == ("weather", {"city": "Röm"})
    assert reason_of(events) is StopReason.TOOLS


def test_a_whole_answer_is_the_same_call() -> None:
    assert call_of(whole(CALL, tools=[WEATHER], tool_choice="required")) == ("weather", CALL)
    events = whole('{"name":"now","arguments":{}}', tools=[WEATHER, NOW], tool_choice="required")
    assert call_of(events) == ("now", "{}")


def test_a_call_that_was_cut_is_told_as_far_as_it_goes() -> None:
    events = streamed(['{"city": "Ro'], reason="length", tools=[WEATHER], tool_choice="required")
    assert call_of(events) == ("weather", '{"city": "Ro')
    assert reason_of(events) is StopReason.LENGTH
    events = streamed(['{"name": "we'], reason="length", tools=[WEATHER, NOW], tool_choice="required")
    assert [each.text for each in events if isinstance(each, Text)] == ['{"name": "we']
    assert reason_of(events) is StopReason.LENGTH


def test_thinking_comes_before_the_call() -> None:
    parser = BACKEND.events(chat(tools=[WEATHER], tool_choice="required"), target(Dialect.OLLAMA), FACTS)
    message = {"role": "assistant", "content": "", "thinking": "hm"}
    parser.feed(json.dumps({"model": "m", "message": message, "done": False}).encode() + b"\n")
    assert call_of([*parser.feed(line(CALL)).events, *parser.feed(done()).events]) == ("weather", CALL)


def test_the_configs_choice_is_read_in_the_answer_too() -> None:
    to = target(Dialect.OLLAMA, params={"tool_choice": "required"})
    request = chat(tools=[WEATHER])
    assert json.loads(BACKEND.chat_request(request, to, FACTS).body)["format"] == SCHEMA
    answer = line(CALL, done=True, done_reason="stop", prompt_eval_count=3, eval_count=4)
    assert call_of(BACKEND.answer(answer, request, to, FACTS)) == ("weather", CALL)
    parser = BACKEND.events(request, to, FACTS)
    assert call_of([*parser.feed(line(CALL)).events, *parser.feed(done()).events]) == ("weather", CALL)
