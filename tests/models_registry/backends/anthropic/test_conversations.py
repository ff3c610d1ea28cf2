"""Conversations that began elsewhere, or whose client did not keep all of an answer."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.calls.chat_exchange import ChatExchange
from models_registry.target import Target
from schema.errors.requests import InvalidRequest
from tests.models_registry.backends import test_fitting_openai as openai
from tests.models_registry.backends.making import PIXEL, USER, WEATHER

Json = dict[str, Any]
BUDGETED, ADAPTIVE, OLD = "claude-sonnet-4-5", "claude-opus-4-7", "claude-3-haiku-20240307"
BUDGET = {"type": "enabled", "budget_tokens": 2048}
SIGNED = {"type": "thinking", "thinking": "hm", "signature": "c2ln"}
REDACTED = {"type": "redacted_thinking", "data": "ZGF0YQ=="}
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Rome"}'}}
USE = {"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "Rome"}}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "sunny"}
NO_FIELDS = {"type": "object", "properties": {}}
EPHEMERAL = {"type": "ephemeral"}


def target(model: str = BUDGETED, **params: Any) -> Target:
    return openai.target(f"anthropic/{model}", base="https://api.anthropic.com", **params)


def sent(*messages: Json, to: Target | None = None, **fields: Any) -> tuple[Json, tuple[str, ...]]:
    """The body that Anthropic gets, and the names of what was changed or left out. No count of what the model
    reads is above its bound."""
    made: ChatExchange = openai.exchange(to or target(), messages=list(messages), **fields)
    outgoing = made.outgoing()
    body: Json = json.loads(outgoing.body)
    assert made.bounds().prompt_tokens >= read_bytes(body) - 32 * len(body["messages"])
    return body, (*made.changed, *outgoing.changed)


def read_bytes(body: Json) -> int:
    """The bytes of everything in a request that the model reads, without the names of fields."""

    def texts(value: object) -> int:
        if isinstance(value, dict):
            inside = {
                k: v for k, v in value.items() if k not in ("type", "source", "signature", "media_type")
            }
            return sum(texts(each) for each in inside.values())
        if isinstance(value, list):
            return sum(texts(each) for each in value)
        return len(value.encode()) if isinstance(value, str) else 0

    return texts([body["messages"], body.get("system"), body.get("tools")])


def assistant(**fields: Any) -> Json:
    return {"role": "assistant", "content": None} | fields


def text(value: str) -> Json:
    return {"type": "text", "text": value}


# thinking


@pytest.mark.parametrize(
    ("blocks", "expected"),
    [
        ([SIGNED], [SIGNED]),
        ([SIGNED, REDACTED], [SIGNED, REDACTED]),
        ([REDACTED], [REDACTED]),
        ([SIGNED | {"thinking": ""}], [SIGNED | {"thinking": ""}]),
        (  # the pieces of a stream, collected one by one
            [
                {"type": "thinking", "thinking": "h", "signature": ""},
                {"type": "thinking", "thinking": "m"},
                {"type": "thinking", "thinking": "", "signature": "c2ln"},
            ],
            [SIGNED],
        ),
    ],
)
def test_thinking_goes_back_in_front_of_the_calls(blocks: list[Json], expected: list[Json]) -> None:
    answer = assistant(content="I look.", tool_calls=[CALL], thinking_blocks=blocks, reasoning_content="hm")
    body, changed = sent(USER, answer, RESULT, tools=[WEATHER], thinking=BUDGET)
    assert body["messages"][1]["content"] == [*expected, text("I look."), USE]
    assert (body["thinking"], changed) == (BUDGET, ())


def test_thinking_among_the_parts_stays_in_its_place() -> None:
    parts = [SIGNED, text("a"), REDACTED, text("b")]
    answer = assistant(content=parts, tool_calls=[CALL], thinking_blocks=[SIGNED, REDACTED])
    body, changed = sent(USER, answer, RESULT, tools=[WEATHER], thinking=BUDGET)
    assert (body["messages"][1]["content"], body["thinking"]) == ([*parts, USE], BUDGET)
    assert changed == ()


UNKEPT = [
    {},
    {"reasoning_content": "hm"},
    {"thinking_blocks": None},
    {"thinking_blocks": []},
    {"thinking_blocks": [{"type": "thinking", "thinking": "hm"}]},
    {"thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": ""}]},
    {"thinking_blocks": "hm"},
    {"thinking_blocks": [7]},
    {"content": [{"type": "thinking", "thinking": [text("hm")]}]},  # Mistral's
]


@pytest.mark.parametrize("kept", UNKEPT)
@pytest.mark.parametrize(
    ("asked", "name"), [({"thinking": BUDGET}, "thinking"), ({"reasoning_effort": "low"}, "reasoning_effort")]
)
def test_a_turn_whose_thinking_was_not_kept_goes_on_without_thinking(
    kept: Json, asked: Json, name: str
) -> None:
    messages = [USER, assistant(tool_calls=[CALL], **kept), RESULT]
    body, changed = sent(*messages, tools=[WEATHER], temperature=0.5, max_tokens=100, **asked)
    assert "thinking" not in body
    assert body["messages"][1]["content"] == [USE]
    assert name in changed
    assert (body["max_tokens"], body["temperature"]) == (100, 0.5), "nothing else is fitted to thinking"
    again, _ = sent(*messages, assistant(content="a"), USER, tools=[WEATHER], **asked)
    assert again["thinking"]["type"] == "enabled", "the next question is thought about"


@pytest.mark.parametrize(
    ("messages", "goes_on"),
    [
        ([USER], True),
        ([USER, assistant(content="a"), USER], True),
        ([USER, assistant(tool_calls=[CALL]), RESULT, assistant(content="a"), USER], True),
        ([USER, assistant(tool_calls=[CALL]), RESULT], False),
        ([USER, assistant(content="It is")], False),  # an answer that was begun
        (  # the loop began with thinking; its later calls had none
            [
                USER,
                assistant(tool_calls=[CALL], thinking_blocks=[SIGNED]),
                RESULT,
                assistant(tool_calls=[CALL | {"id": "call_2"}]),
                RESULT | {"tool_call_id": "call_2"},
            ],
            True,
        ),
        (  # an earlier loop does not count
            [
                USER,
                assistant(tool_calls=[CALL], thinking_blocks=[SIGNED]),
                RESULT,
                assistant(content="a"),
                USER,
                assistant(tool_calls=[CALL | {"id": "call_2"}]),
                RESULT | {"tool_call_id": "call_2"},
            ],
            False,
        ),
    ],
)
def test_only_the_turn_that_goes_on_needs_its_thinking(messages: list[Json], goes_on: bool) -> None:
    body, changed = sent(*messages, tools=[WEATHER], thinking=BUDGET)
    assert (body.get("thinking") == BUDGET, "thinking" not in changed) == (goes_on, goes_on)


def test_adaptive_thinking_needs_none_of_it() -> None:
    messages = [USER, assistant(tool_calls=[CALL]), RESULT]
    body, _ = sent(*messages, to=target(ADAPTIVE), tools=[WEATHER], reasoning_effort="high")
    assert body["thinking"] == {"type": "adaptive"}


# cache_control


def test_marks_for_the_cache_reach_anthropic_from_everywhere() -> None:
    tool = WEATHER | {"cache_control": EPHEMERAL}
    function: Json = {"name": "b", "parameters": NO_FIELDS, "cache_control": EPHEMERAL | {"ttl": "1h"}}
    inside = {"type": "function", "function": function}
    call = CALL | {"cache_control": EPHEMERAL}
    body, changed = sent(
        {"role": "system", "content": "be kind", "cache_control": EPHEMERAL},
        {"role": "user", "content": [text("a"), text("b")], "cache_control": EPHEMERAL},
        assistant(content="c", tool_calls=[call]),
        RESULT | {"cache_control": EPHEMERAL},
        assistant(content="d", cache_control=EPHEMERAL),
        {"role": "user", "content": "e", "cache_control": EPHEMERAL | {"ttl": "1h"}},
        tools=[tool, inside],
        cache_control=EPHEMERAL,
    )
    assert changed == ()
    assert body["cache_control"] == EPHEMERAL
    assert [each["cache_control"] for each in body["tools"]] == [EPHEMERAL, EPHEMERAL | {"ttl": "1h"}]
    assert body["system"] == [text("be kind") | {"cache_control": EPHEMERAL}]
    first, second, third, fourth, fifth = (each["content"] for each in body["messages"])
    assert first == [text("a"), text("b") | {"cache_control": EPHEMERAL}]
    assert second == [text("c"), USE | {"cache_control": EPHEMERAL}]
    assert third[0]["cache_control"] == EPHEMERAL
    assert fourth == [text("d") | {"cache_control": EPHEMERAL}]
    assert fifth == [text("e") | {"cache_control": EPHEMERAL | {"ttl": "1h"}}]


def test_null_marks_nothing_and_a_mark_without_a_block_is_named() -> None:
    plain = sent(USER, tools=[WEATHER])[0]
    nothing = {"cache_control": None}
    marked = sent(USER | nothing, tools=[WEATHER | nothing], **nothing)
    assert marked == (plain, ())
    parts = {"role": "user", "content": [text("a") | nothing]}
    assert "cache_control" not in sent(parts)[0]["messages"][0]["content"][0]
    blank = assistant(content="", thinking_blocks=[SIGNED], cache_control=EPHEMERAL)
    assert "messages.cache_control" in sent(USER, blank, USER)[1]


# a conversation that began elsewhere


@pytest.mark.parametrize(
    "id", ["call.1", "a:b", "call_1|fc_2", "a b", "é", "functions.weather:0", "x" * 300 + "|", "\n", "%2F"]
)
def test_an_id_of_another_provider_is_the_same_in_call_and_result(id: str) -> None:
    body, changed = sent(
        USER, assistant(tool_calls=[CALL | {"id": id}]), RESULT | {"tool_call_id": id}, tools=[WEATHER]
    )
    used = body["messages"][1]["content"][0]["id"]
    assert used == body["messages"][2]["content"][0]["tool_use_id"]
    assert used.replace("_", "").replace("-", "").isalnum()
    assert used.isascii()
    assert len(used) <= 64
    assert changed == ("messages.tool_calls.id",)


@given(st.lists(st.text(".:|_ a", min_size=1, max_size=5), min_size=2, max_size=6))
def test_every_call_has_an_id_of_its_own_and_its_own_result(ids: list[str]) -> None:
    """Also where two calls had one id, as with servers that count from 0 in each answer."""
    calls = [CALL | {"id": id} for id in ids]
    results = [RESULT | {"tool_call_id": id, "content": str(at)} for at, id in enumerate(ids)]
    body, _ = sent(USER, assistant(tool_calls=calls), *results, tools=[WEATHER])
    used = [block["id"] for block in body["messages"][1]["content"]]
    assert len(set(used)) == len(ids)
    assert [block["tool_use_id"] for block in body["messages"][2]["content"]] == used
    turns = [
        each
        for pair in zip(calls, results, strict=True)
        for each in (assistant(tool_calls=[pair[0]]), pair[1])
    ]
    later = sent(USER, *turns, tools=[WEATHER])[0]["messages"]
    used = [turn["content"][0]["id"] for turn in later[1::2]]
    assert len(set(used)) == len(ids)
    assert [turn["content"][0]["tool_use_id"] for turn in later[2::2]] == used


BLANKS = ["", " ", "\n\n", "\t \u00a0"]


@pytest.mark.parametrize("blank", BLANKS)
def test_no_text_of_blanks_is_sent(blank: str) -> None:
    body, changed = sent(
        {"role": "system", "content": blank},
        {"role": "user", "content": [text(blank), text("a")]},
        assistant(content=blank, tool_calls=[CALL]),
        RESULT | {"content": blank},
        assistant(content=blank),
        {"role": "user", "content": "b"},
        tools=[WEATHER],
    )
    assert "system" not in body
    assert [turn["content"] for turn in body["messages"]] == [
        [text("a")],
        [USE],
        [{"type": "tool_result", "tool_use_id": "call_1"}, text("b")],
    ]
    assert changed == (("messages.content",) if blank else ())
    parts = RESULT | {"content": [text(blank), text("x")]}
    body, _ = sent(USER, assistant(tool_calls=[CALL]), parts, tools=[WEATHER])
    assert body["messages"][2]["content"][0]["content"] == [text("x")]


@pytest.mark.parametrize("blank", [*BLANKS, None, []])
def test_an_empty_question_is_a_question(blank: Any) -> None:
    empty = {"role": "user", "content": blank}
    for messages in ([empty], [USER, assistant(content="a"), empty], [empty, assistant(content="a"), USER]):
        body, changed = sent(*messages)
        assert [turn["role"] for turn in body["messages"]] == [each["role"] for each in messages]
        assert {"role": "user", "content": [text(".")]} in body["messages"]
        assert changed == ("messages.content",)
    assert sent(empty, USER)[0] == sent(USER)[0]
    assert sent(USER, empty)[0] == sent(USER)[0]


@pytest.mark.parametrize("end", [" ", "\n", " \t\n", "\u00a0"])
def test_a_begun_answer_does_not_end_in_a_blank(end: str) -> None:
    for content in (f"It is{end}", [text("It is"), text(end)], [text(f"It is{end}"), text(end)]):
        body, changed = sent(USER, assistant(content=content))
        assert body["messages"][-1]["content"] == [text("It is")]
        assert changed == ("messages.content",)
    earlier, changed = sent(USER, assistant(content=f"It is{end}"), USER)
    assert (earlier["messages"][1]["content"], changed) == ([text(f"It is{end}")], ())
    nothing = sent(USER, assistant(content=end))[0]
    assert nothing["messages"] == sent(USER)[0]["messages"]


@pytest.mark.parametrize(
    "arguments", ['{"city": "Ro', "{", "[1]", "3", '"x"', "{}{}", "call me", '{"a": 1}]']
)
def test_arguments_that_were_cut_go_on_as_they_are(arguments: str) -> None:
    call = CALL | {"function": {"name": "weather", "arguments": arguments}}
    body, changed = sent(USER, assistant(tool_calls=[call]), RESULT, tools=[WEATHER])
    assert body["messages"][1]["content"][0]["input"] == {"arguments": arguments}
    assert changed == ("messages.tool_calls.function.arguments",)
    for none in ("", "  ", "null", None):
        call = CALL | {"function": {"name": "weather", "arguments": none}}
        assert sent(USER, assistant(tool_calls=[call]), RESULT, tools=[WEATHER])[0]["messages"][1][
            "content"
        ] == [USE | {"input": {}}]


JPEG, GIF, WEBP, PNG = "/9j/4AAQSkZJRg==", "R0lGODlhAQABAAAAACw=", "UklGRh4AAABXRUJQ", PIXEL.partition(",")[2]


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        (f"data:image/jpg;base64,{JPEG}", "image/jpeg"),
        (f"data:image/JPG;base64,{JPEG}", "image/jpeg"),
        ("data:image/jpg;base64,AAAA", "image/jpeg"),
        ("data:image/pjpeg;base64,AAAA", "image/jpeg"),
        ("data:image/x-png;base64,AAAA", "image/png"),
        (f"data:image/jpeg;base64,{PNG}", "image/png"),
        (f"data:;base64,{GIF}", "image/gif"),
        (f"data:image/png;base64,{WEBP}", "image/webp"),
        (f"data:application/octet-stream;base64,{JPEG}", "image/jpeg"),
        (f"data:image/jpeg;base64,{JPEG}", None),
        ("data:image/tiff;base64,AAAA", None),
    ],
)
def test_a_picture_has_its_own_type(url: str, kind: str | None) -> None:
    body, changed = sent({"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]})
    source = body["messages"][0]["content"][0]["source"]
    assert source["media_type"] == (kind or url[5:].partition(";")[0])
    assert changed == (("messages.content.image_url",) if kind else ())


@pytest.mark.parametrize("given_tools", [{}, {"tools": []}, {"tools": None}, {"tool_choice": "none"}])
def test_tools_of_the_history_are_declared_and_not_called(given_tools: Json) -> None:
    second = CALL | {"id": "call_2", "function": {"name": "clock", "arguments": "{}"}}
    later = RESULT | {"tool_call_id": "call_2"}
    body, changed = sent(USER, assistant(tool_calls=[CALL, second]), RESULT, later, USER, **given_tools)
    assert body["tools"] == [
        {"name": "weather", "input_schema": NO_FIELDS},
        {"name": "clock", "input_schema": NO_FIELDS},
    ]
    assert body["tool_choice"] == {"type": "none"}
    assert "tools" in changed
    own, changed = sent(USER, assistant(tool_calls=[CALL]), RESULT, tools=[WEATHER])
    assert ("tool_choice" in own, changed) == (False, ())
    with pytest.raises(InvalidRequest, match="without 'tools'"):
        sent(USER, assistant(tool_calls=[CALL]), RESULT, tool_choice="required")


def test_an_answer_through_a_tool_declares_it_alone() -> None:
    body, changed = sent(
        USER,
        assistant(tool_calls=[CALL]),
        RESULT,
        to=target(OLD),
        response_format={"type": "json_object"},
    )
    assert [tool["name"] for tool in body["tools"]] == ["json_answer"]
    assert "tools" not in changed


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "system", "content": "Say hello."}],
        [{"role": "developer", "content": "Say"}, {"role": "system", "content": "hello."}],
        [{"role": "system", "content": "Say hello."}, assistant(content="He")],
        [assistant(content="Welcome"), USER],
    ],
)
def test_a_conversation_without_a_first_question_has_one(messages: list[Json]) -> None:
    body, changed = sent(*messages)
    assert body["messages"][0] == {"role": "user", "content": [text(".")]}
    assert [block["text"] for block in body.get("system") or ()] == [
        each["content"] for each in messages if each["role"] in ("system", "developer")
    ]
    assert changed == ("messages",)


@pytest.mark.parametrize(
    "user",
    [
        "ada@example.com",
        "Ada <ada@example.co.uk>",
        "mailto:a@b.de",
        "+49 170 1234567",
        "(555) 123-4567",
        "00491701234567",
        "tel:+49-170-123-4567",
        "x" * 257,
        "  ",
    ],
)
def test_a_user_that_names_a_person_does_not_go_to_anthropic(user: str) -> None:
    body, changed = sent(USER, user=user)
    assert ("metadata" in body, changed) == (False, ("user",))


@pytest.mark.parametrize(
    "user", ["ada", "u-1", "550e8400-e29b-41d4-a716-446655440000", "a@b", "team 7", "v1.2.3"]
)
def test_any_other_user_does(user: str) -> None:
    body, changed = sent(USER, user=user)
    assert (body["metadata"], changed) == ({"user_id": user}, ())


def test_what_has_no_place_is_named() -> None:
    named: Json = USER | {"name": "ada", "weight": 1, "bad\r\nname": 1, "audio": None, "annotations": []}
    answer = assistant(content="a", annotations=[{"type": "x"}], provider_specific_fields={"a": 1})
    image = {"type": "image_url", "image_url": {"url": PIXEL, "detail": "high"}, "extra": 1}
    _, changed = sent(named, answer, {"role": "user", "content": [image]})
    assert set(changed) == {
        "messages",
        "messages.name",
        "messages.weight",
        "messages.annotations",
        "messages.provider_specific_fields",
        "messages.content.image_url.detail",
        "messages.content.extra",
    }
    assert "messages.reasoning_content" in sent(USER, assistant(content="a", reasoning_content="hm"), USER)[1]
    dropped = sent(
        USER, to=target(drop_params=True), seed=1, logit_bias={"1": 5}, temperature=1.5, stop=[" "]
    )
    assert set(dropped[1]) == {"seed", "logit_bias", "temperature", "stop"}
