"""Marks of the cache: where the config or a key wants them, in both forms, never beside a caller's own."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.calls.chat_exchange import ChatExchange
from functions.messages import MessagesExchange
from functions.responses import ResponsesExchange
from models_registry.backends import BACKENDS
from models_registry.backends.cache_points import EPHEMERAL, MAX_POINTS, USUAL_POINTS
from models_registry.dialects import Dialect
from models_registry.target import CachePoint, Target
from schema.errors.requests import InvalidRequest
from schema.messages import MessagesRequest
from schema.responses import ResponsesRequest
from schema.wire import decode_body
from tests.models_registry.backends.making import FACTS, WEATHER, chat, target

MARK = {"type": "ephemeral"}
CACHING = msgspec.structs.replace(FACTS, caches_prompts=True)
SYSTEM, USER = {"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}
ANSWER = {"role": "assistant", "content": "Hi."}
TOOL = {"name": "weather", "input_schema": {"type": "object"}}
_MESSAGES = msgspec.json.Decoder(MessagesRequest)


def claude(*points: CachePoint, dialect: Dialect = Dialect.ANTHROPIC, **params: object) -> Target:
    made = target(dialect, params=params, max_output_tokens=100)
    return msgspec.structs.replace(made, model="claude-sonnet-4-5", cache_points=points)


def at(**place: Any) -> CachePoint:
    return CachePoint(control=EPHEMERAL, **place)


def ask(**fields: object) -> MessagesRequest:
    body = {"model": "public", "max_tokens": 50, "messages": [USER]} | fields
    return decode_body(_MESSAGES, json.dumps(body).encode())


def sent(exchange: ChatExchange | MessagesExchange | ResponsesExchange) -> dict[str, Any]:
    body = json.loads(exchange.outgoing().body)
    assert isinstance(body, dict)
    return body


def marks(value: object) -> int:
    """How many marks a body has."""
    if isinstance(value, dict):
        own = ("cache_control" in value) + ("cachePoint" in value)
        return own + sum(marks(each) for each in value.values())
    return sum(marks(each) for each in value) if isinstance(value, list) else 0


def test_a_key_that_caches_has_tools_system_and_last_message_marked_at_claude() -> None:
    request = chat(messages=[SYSTEM, USER, ANSWER, USER], tools=[WEATHER])
    exchange = ChatExchange(request, claude(), CACHING)
    body = sent(exchange)
    assert body["system"][0]["cache_control"] == MARK
    assert body["messages"][-1]["content"][-1]["cache_control"] == MARK
    assert body["tools"][-1]["cache_control"] == MARK
    assert marks(body) == len(USUAL_POINTS)
    assert exchange.changed == ("cache_control",)


def test_the_same_key_marks_messages_in_anthropics_form() -> None:
    exchange = MessagesExchange(ask(system="Be brief.", tools=[TOOL]), claude(), CACHING)
    body = sent(exchange)
    assert body["system"] == [{"type": "text", "text": "Be brief.", "cache_control": MARK}]
    assert body["messages"][0]["content"] == [{"type": "text", "text": "Hello", "cache_control": MARK}]
    assert body["tools"] == [{**TOOL, "cache_control": MARK}]
    assert exchange.changed == ("cache_control",)


def test_bedrock_gets_points_behind_what_is_marked() -> None:
    to = claude(dialect=Dialect.BEDROCK)
    body = sent(ChatExchange(chat(messages=[SYSTEM, USER], tools=[WEATHER]), to, CACHING))
    point = {"cachePoint": {"type": "default"}}
    assert body["system"] == [{"text": "Be brief."}, point]
    assert body["messages"][0]["content"] == [{"text": "Hello"}, point]
    assert body["toolConfig"]["tools"][-1] == point
    over_messages = MessagesExchange(ask(system="Be brief."), to, CACHING)
    assert marks(sent(over_messages)) == 2


@pytest.mark.parametrize("to", [claude(), claude(dialect=Dialect.BEDROCK), claude(at(role="system"))])
@pytest.mark.parametrize(
    "fields",
    [
        {"system": [{"type": "text", "text": "Be brief.", "cache_control": MARK}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi", "cache_control": MARK}]}]},
        {"tools": [{**TOOL, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]},
    ],
)
def test_what_a_caller_marked_stays_as_it_is(to: Target, fields: dict[str, object]) -> None:
    asked = {"system": "Be brief."} | fields
    found = MessagesExchange(ask(**asked), to, CACHING)
    plain = MessagesExchange(ask(**asked), msgspec.structs.replace(to, cache_points=()), FACTS)
    assert found.outgoing().body == plain.outgoing().body


def test_a_caller_that_lets_anthropic_choose_gets_no_further_mark() -> None:
    assert marks(sent(MessagesExchange(ask(cache_control=MARK), claude(), CACHING))) == 1
    assert marks(sent(ChatExchange(chat(cache_control=MARK), claude(), CACHING))) == 1


def test_without_points_the_bytes_of_messages_stay_as_they_came() -> None:
    turns = b'[ {"role":"user","content":"\\u0048i"} ]'
    request = decode_body(_MESSAGES, b'{"model":"public", "max_tokens" : 5 , "messages":%s}' % turns)
    exchange = MessagesExchange(request, claude(), FACTS)
    assert exchange.request is request
    assert turns in exchange.outgoing().body


@pytest.mark.parametrize("dialect", [Dialect.OPENAI, Dialect.GEMINI, Dialect.OLLAMA])
def test_no_other_dialect_is_marked(dialect: Dialect) -> None:
    body = sent(ChatExchange(chat(), claude(dialect=dialect), CACHING))
    assert marks(body) == 0


def test_a_key_marks_no_other_model_than_claude() -> None:
    nova = msgspec.structs.replace(claude(dialect=Dialect.BEDROCK), model="amazon.nova-pro-v1:0")
    assert marks(sent(ChatExchange(chat(), nova, CACHING))) == 0


ASKED = {
    "cache_control_injection_points": [{"location": "message", "index": "-1"}, {"location": "tool_config"}]
}
_RESPONSES = msgspec.json.Decoder(ResponsesRequest)


def responses(**fields: object) -> ResponsesRequest:
    return decode_body(_RESPONSES, json.dumps({"model": "public", "input": "Hello"} | fields).encode())


def at_each_surface(
    to: Target, **fields: object
) -> list[ChatExchange | MessagesExchange | ResponsesExchange]:
    """A call with a tool at each surface that marks prompts."""
    tool = {"type": "function", "name": "weather", "parameters": {"type": "object"}}
    return [
        ChatExchange(chat(messages=[SYSTEM, USER], tools=[WEATHER], **fields), to, FACTS),
        MessagesExchange(ask(system="Be brief.", tools=[TOOL], **fields), to, FACTS),
        ResponsesExchange(responses(tools=[tool], **fields), to, FACTS),
    ]


@pytest.mark.parametrize("dialect", [Dialect.ANTHROPIC, Dialect.BEDROCK])
def test_points_of_a_request_count_before_those_of_the_config(dialect: Dialect) -> None:
    to = claude(at(role="system"), at(role="user"), at(role="assistant"), dialect=dialect)
    for exchange in at_each_surface(to, **ASKED):
        body = sent(exchange)
        assert marks(body) == 2
        assert marks(body["messages"][-1]) == 1
        assert marks(body.get("tools") or body["toolConfig"]) == 1
        assert "injection" not in json.dumps(body)
        assert "cache_control" in exchange.changed


@pytest.mark.parametrize("dialect", list(Dialect))
@pytest.mark.parametrize("points", [ASKED["cache_control_injection_points"], [], None])
def test_points_of_a_request_reach_no_provider_as_a_field(dialect: Dialect, points: object) -> None:
    for exchange in at_each_surface(claude(dialect=dialect), cache_control_injection_points=points):
        assert b"injection" not in exchange.outgoing().body


@pytest.mark.parametrize(
    ("points", "param"),
    [
        ("system", ""),
        ([{"role": "user", "s3cret": 1}], ""),
        ([{"location": "message"}], "[0]"),
        ([{"role": "user"}, {"location": "nowhere"}], "[1].location"),
        ([{"role": "user", "control": {"type": "ephemeral", "ttl": "1d"}}], "[0].control"),
        ([{"index": place} for place in range(5)], ""),
    ],
)
@pytest.mark.parametrize("dialect", [Dialect.ANTHROPIC, Dialect.OPENAI])
def test_wrong_points_of_a_request_are_refused_by_name(dialect: Dialect, points: object, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        ChatExchange(chat(cache_control_injection_points=points), claude(dialect=dialect), FACTS)
    assert caught.value.param == f"cache_control_injection_points{param}"


def test_a_deployment_that_marks_each_request_itself_gets_no_points() -> None:
    to = claude(at(role="user"), cache_control=MARK)
    body = sent(MessagesExchange(ask(), to, FACTS))
    assert (body["cache_control"], marks(body)) == (MARK, 1)
    body = sent(ChatExchange(chat(), to, FACTS))
    assert (body["cache_control"], marks(body)) == (MARK, 1)


@pytest.mark.parametrize(
    ("point", "marked"),
    [
        (at(role="user"), [1, 3]),
        (at(role="system"), [0]),
        (at(role="developer"), [0]),
        (at(role="tool"), []),
        (at(index=0), [0]),
        (at(index=2), [2]),
        (at(index=-1), [3]),
        (at(index=-4), [0]),
        (at(index=4), []),
        (at(index=-5), []),
        (at(tools=True), []),
    ],
)
def test_a_point_is_for_a_role_or_a_place_on_both_surfaces(point: CachePoint, marked: list[int]) -> None:
    turns = [USER, ANSWER, USER]
    in_chat = sent(ChatExchange(chat(messages=[SYSTEM, *turns]), claude(point), FACTS))
    in_messages = sent(MessagesExchange(ask(system="Be brief.", messages=turns), claude(point), FACTS))
    for body in (in_chat, in_messages):
        places = [{"content": body["system"]}, *body["messages"]]
        assert [place for place, each in enumerate(places) if marks(each)] == marked


def test_of_more_messages_than_can_be_marked_the_last_ones_are() -> None:
    turns = [USER, ANSWER] * 6 + [USER]
    to = claude(at(tools=True), at(role="user"))
    body = sent(MessagesExchange(ask(messages=turns, tools=[TOOL]), to, FACTS))
    assert [place for place, each in enumerate(body["messages"]) if marks(each)] == [8, 10, 12]
    assert marks(body) == MAX_POINTS


def test_thinking_and_blanks_are_not_marked() -> None:
    thinking = {"type": "thinking", "thinking": "Hm.", "signature": "sig"}
    turns = [{"role": "user", "content": " "}, {"role": "assistant", "content": [thinking]}]
    body = sent(MessagesExchange(ask(messages=turns, system=""), claude(at(index=0), at(index=1)), FACTS))
    assert (body["messages"], body["system"]) == (turns, "")


POINTS = st.lists(
    st.builds(at, tools=st.just(True))
    | st.builds(at, role=st.sampled_from(["system", "user", "assistant", "tool"]))
    | st.builds(at, index=st.integers(-9, 9)),
    min_size=1,
    max_size=6,
)
BLOCK = st.fixed_dictionaries({"type": st.just("text"), "text": st.text(min_size=1).filter(str.strip)})
TURN = st.fixed_dictionaries(
    {
        "role": st.sampled_from(["user", "assistant"]),
        "content": st.text() | st.lists(BLOCK, max_size=3),
    }
)


def unmarked(value: Any) -> Any:
    """A body without its marks, with texts as blocks."""
    if isinstance(value, dict):
        return {name: unmarked(each) for name, each in value.items() if name != "cache_control"}
    return [unmarked(each) for each in value] if isinstance(value, list) else value


def as_blocks(body: dict[str, Any]) -> dict[str, Any]:
    def blocks(content: object) -> object:
        return [{"type": "text", "text": content}] if isinstance(content, str) else content

    turns = [{**turn, "content": blocks(turn["content"])} for turn in body["messages"]]
    return {**body, "messages": turns, "system": blocks(body.get("system", ""))}


@given(st.lists(TURN, min_size=1, max_size=8), st.text() | st.lists(BLOCK, max_size=2), POINTS)
def test_marks_are_at_most_four_and_change_nothing_else(
    turns: list[dict[str, object]], system: object, points: list[CachePoint]
) -> None:
    request = ask(messages=turns, system=system, tools=[TOOL])
    body = sent(MessagesExchange(request, claude(*points), FACTS))
    plain = sent(MessagesExchange(request, claude(), FACTS))
    assert marks(body) <= MAX_POINTS
    assert as_blocks(unmarked(body)) == as_blocks(plain)


HOUR = {"type": "ephemeral", "ttl": "1h"}
CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
MARKED = [
    {"role": "system", "content": "Be brief.", "cache_control": HOUR},
    USER,
    {"role": "assistant", "content": "Hm", "tool_calls": [CALL], "cache_control": HOUR},
    {
        "role": "tool",
        "tool_call_id": "c1",
        "content": [{"type": "text", "text": "sunny", "cache_control": HOUR}],
    },
]


@pytest.mark.parametrize(
    ("model", "point", "places", "changed"),
    [
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", {"type": "default", "ttl": "1h"}, "SATF", ()),
        ("anthropic.claude-3-7-sonnet-20250219-v1:0", {"type": "default"}, "SATF", ("cache_control.ttl",)),
        ("us.amazon.nova-pro-v1:0", {"type": "default"}, "SA", ("cache_control.ttl", "cache_control")),
        ("meta.llama3-3-70b-instruct-v1:0", {}, "", ("cache_control",)),
        (
            "arn:aws:bedrock:us-east-1:1:application-inference-profile/x",
            {"type": "default", "ttl": "1h"},
            "SATF",
            (),
        ),
    ],
)
def test_bedrocks_marks_stand_where_the_model_takes_them(
    model: str, point: dict[str, str], places: str, changed: tuple[str, ...]
) -> None:
    """A result's mark stands behind the result (Portkey's gateway, issue 1762); Nova takes none at tools and
    results, and no hour (LibreChat, issue 13838; LiteLLM, issues 17479 and 34248)."""
    to = msgspec.structs.replace(target(Dialect.BEDROCK), model=model)
    tools = [{**WEATHER, "cache_control": HOUR}]
    request = BACKENDS[Dialect.BEDROCK].chat_request(chat(messages=MARKED, tools=tools), to, FACTS)
    body = json.loads(request.body)
    assert request.changed == changed
    mark = [{"cachePoint": point}]
    assert body["system"][1:] == (mark if "S" in places else [])
    assert body["messages"][1]["content"][2:] == (mark if "A" in places else [])
    assert body["messages"][2]["content"][1:] == (mark if "T" in places else [])
    assert body["messages"][2]["content"][0]["toolResult"]["content"] == [{"text": "sunny"}]
    assert body["toolConfig"]["tools"][1:] == (mark if "F" in places else [])
