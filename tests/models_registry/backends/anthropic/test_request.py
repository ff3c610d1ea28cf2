import json

import pytest

from models_registry.backends.anthropic.backend import Anthropic
from models_registry.dialects import Dialect
from models_registry.target import Target
from models_registry.turns.facts import CallFacts
from schema.chat import ChatRequest, Message
from schema.errors.requests import InvalidRequest, UnsupportedParameter
from tests.models_registry.backends.making import (
    FACTS,
    KEY,
    PIXEL,
    USER,
    WEATHER,
    body_of,
    chat,
    embeddings,
    target,
)

BACKEND = Anthropic()
TARGET = target(Dialect.ANTHROPIC)
DROPPING = target(Dialect.ANTHROPIC, drop_params=True)
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Rome"}'}}
SECOND = {"id": "call_2", "type": "function", "function": {"name": "weather", "arguments": ""}}


def sent(to: Target = TARGET, /, **fields: object) -> dict[str, object]:
    return body_of(BACKEND.chat_request(chat(**fields), to, FACTS))


def turns(*messages: object) -> object:
    return sent(messages=list(messages))["messages"]


def text(value: str) -> dict[str, object]:
    return {"type": "text", "text": value}


def test_the_smallest_request() -> None:
    request = BACKEND.chat_request(chat(), TARGET, FACTS)
    assert request.url == "http://upstream.test/v1/messages"
    assert body_of(request) == {
        "model": "native",
        "max_tokens": 4096,
        "messages": [{"role": "user", "content": [text("Hello")]}],
    }


def test_the_version_is_ours_and_beta_headers_pass_on() -> None:
    pass_on = {
        "anthropic-version": "2026-10-21",
        "anthropic-beta": "b",
        "openai-beta": "c",
        "traceparent": "t",
    }
    facts = CallFacts(request_id="r", created=1, pass_on=pass_on)
    assert BACKEND.chat_request(chat(), TARGET, facts).headers == {
        "content-type": "application/json",
        "x-api-key": KEY,
        "anthropic-version": "2023-06-01",
        "anthropic-beta": "b",
        "traceparent": "t",
    }


def test_a_request_built_in_code_is_translated_as_well() -> None:
    request = ChatRequest(model="public", messages=[Message(role="user", content="Hello")], temperature=0.5)
    assert body_of(BACKEND.chat_request(request, TARGET, FACTS))["temperature"] == 0.5


def test_parameters_have_their_counterparts() -> None:
    body = sent(
        max_tokens=5,
        max_completion_tokens=9,
        temperature=1,
        top_p=0.5,
        top_k=3,
        stop=["a", "b"],
        user="u-1",
        stream=True,
        reasoning_effort="minimal",
        thinking={"type": "adaptive"},
    )
    del body["messages"], body["model"]
    assert body == {
        "max_tokens": 9,
        "temperature": 1.0,
        "top_p": 0.5,
        "top_k": 3,
        "stop_sequences": ["a", "b"],
        "metadata": {"user_id": "u-1"},
        "stream": True,
        "output_config": {"effort": "low"},
        "thinking": {"type": "adaptive"},
    }
    assert sent(stop="x")["stop_sequences"] == ["x"]
    assert sent(reasoning_effort="none")["thinking"] == {"type": "disabled"}


def test_the_default_limit_is_the_models_maximum() -> None:
    assert sent(target(Dialect.ANTHROPIC, max_output_tokens=64000))["max_tokens"] == 64000
    assert sent(target(Dialect.ANTHROPIC, params={"max_tokens": 12}))["max_tokens"] == 12
    assert (
        sent(target(Dialect.ANTHROPIC, params={"max_tokens": 12}), max_completion_tokens=3)["max_tokens"] == 3
    )


def test_system_and_developer_messages_become_system_blocks() -> None:
    cached = text("b") | {"cache_control": {"type": "ephemeral"}}
    body = sent(
        messages=[
            {"role": "system", "content": "a"},
            USER,
            {"role": "developer", "content": [cached]},
        ]
    )
    assert body["system"] == [text("a"), cached]
    assert body["messages"] == [{"role": "user", "content": [text("Hello")]}]


def test_results_of_parallel_calls_stand_in_one_user_message_ahead_of_the_text() -> None:
    assert turns(
        USER,
        {"role": "assistant", "content": "", "tool_calls": [CALL, SECOND]},
        {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
        {
            "role": "tool",
            "tool_call_id": "call_2",
            "content": [text("rain"), {"type": "image_url", "image_url": PIXEL}],
        },
        {"role": "user", "content": "And now?"},
    ) == [
        {"role": "user", "content": [text("Hello")]},
        {
            "role": "assistant",
            "content": [
                {"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "Rome"}},
                {"type": "tool_use", "id": "call_2", "name": "weather", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "call_1", "content": "sunny"},
                {
                    "type": "tool_result",
                    "tool_use_id": "call_2",
                    "content": [text("rain"), image()],
                },
                text("And now?"),
            ],
        },
    ]


def image() -> dict[str, object]:
    data = PIXEL.partition(",")[2]
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}


def test_neighbours_of_one_role_are_merged_and_empty_assistant_turns_say_nothing() -> None:
    assert turns(USER, {"role": "assistant", "content": ""}, USER, {"role": "assistant", "content": "x"}) == [
        {"role": "user", "content": [text("Hello"), text("Hello")]},
        {"role": "assistant", "content": [text("x")]},
    ]


def test_images_and_documents_have_their_blocks() -> None:
    pdf = {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}}
    content = [
        {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        pdf,
    ]
    assert turns({"role": "user", "content": content}) == [
        {
            "role": "user",
            "content": [
                image(),
                {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
                {
                    "type": "document",
                    "source": {"type": "base64", "media_type": "application/pdf", "data": "AAAA"},
                },
            ],
        }
    ]


def test_tools_have_their_schema_or_an_empty_one() -> None:
    bare = {"type": "function", "function": {"name": "now", "strict": True}}
    assert sent(tools=[WEATHER, bare])["tools"] == [
        {
            "name": "weather",
            "description": "The weather of a city",
            "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
        },
        {"name": "now", "input_schema": {"type": "object", "properties": {}}, "strict": True},
    ]


@pytest.mark.parametrize(
    ("choice", "parallel", "expected"),
    [
        (None, None, None),
        (None, True, None),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        ("auto", None, {"type": "auto"}),
        ("none", False, {"type": "none"}),
        ("required", None, {"type": "any"}),
        ("required", False, {"type": "any", "disable_parallel_tool_use": True}),
        ({"type": "function", "function": {"name": "weather"}}, None, {"type": "tool", "name": "weather"}),
    ],
)
def test_tool_choice_has_its_counterpart(choice: object, parallel: bool | None, expected: object) -> None:
    body = sent(tools=[WEATHER], tool_choice=choice, parallel_tool_calls=parallel)
    assert body.get("tool_choice") == expected


def test_a_json_schema_becomes_an_output_format() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema, "strict": True}}
    assert sent(response_format=wanted, reasoning_effort="high")["output_config"] == {
        "effort": "high",
        "format": {"type": "json_schema", "schema": schema},
    }
    assert "output_config" not in sent(response_format={"type": "text"})


REFUSED = [
    ("n", 2),
    ("seed", 1),
    ("logprobs", True),
    ("top_logprobs", 2),
    ("logit_bias", {"1": 5}),
    ("frequency_penalty", 0.5),
    ("presence_penalty", -1),
    ("temperature", 1.5),
    ("stop", ["a", "  "]),
    ("reasoning_effort", "extreme"),
    ("functions", [{"name": "f"}]),
    ("function_call", "auto"),
    ("audio", {"voice": "x"}),
    ("modalities", ["text", "audio"]),
    ("web_search_options", {}),
    ("store", True),
    ("brand_new", 1),
]


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_what_cannot_be_honoured_is_refused_by_name_or_dropped_on_request(name: str, value: object) -> None:
    with pytest.raises(UnsupportedParameter, match=f"'{name}'") as caught:
        sent(**{name: value})
    assert caught.value.param == name
    for body in (sent(DROPPING, **{name: value}), sent(drop_params=True, **{name: value})):
        assert name not in body
        assert json.dumps(value) not in json.dumps(body)
    with pytest.raises(UnsupportedParameter):
        sent(DROPPING, drop_params=False, **{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n", 1),
        ("frequency_penalty", 0),
        ("presence_penalty", 0.0),
        ("logprobs", False),
        ("logit_bias", {}),
        ("stream_options", {"include_usage": True}),
        ("store", False),
        ("metadata", {"a": "b", "tags": ["c"], "user_id": "ada"}),
        ("service_tier", "auto"),
        ("modalities", ["text"]),
        ("seed", None),
        ("brand_new", None),
        ("parallel_tool_calls", False),
    ],
)
def test_what_changes_nothing_may_stand_there(name: str, value: object) -> None:
    assert sent(**{name: value}) == sent()


def test_the_gateways_fields_are_refused_even_when_dropping() -> None:
    with pytest.raises(UnsupportedParameter, match="'api_key'"):
        sent(DROPPING, api_key="x")


def test_a_parameter_of_the_config_that_cannot_be_honoured_says_where_it_stands() -> None:
    with pytest.raises(UnsupportedParameter, match="litellm_params"):
        sent(target(Dialect.ANTHROPIC, params={"seed": 1}))


@pytest.mark.parametrize(
    ("message", "param"),
    [
        (
            {"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]},
            "messages[0].content[0].input_audio",
        ),
        (
            {"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]},
            "messages[0].content[0].file",
        ),
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "ftp://x"}}]},
            "messages[0].content[0].image_url",
        ),
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png,x"}}]},
            "messages[0].content[0].image_url",
        ),
        ({"role": "user", "content": [{"type": "image_url"}]}, "messages[0].content[0].image_url"),
        (
            {"role": "system", "content": [{"type": "image_url", "image_url": PIXEL}]},
            "messages[0].content[0]",
        ),
        ({"role": "tool", "content": "x"}, "messages[0].tool_call_id"),
        ({"role": "function", "name": "f", "content": "x"}, "messages[0].role"),
        (
            {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}},
            "messages[0].function_call",
        ),
        ({"role": "assistant", "tool_calls": [{"id": "a", "type": "custom"}]}, "messages[0].tool_calls[0]"),
        ({"role": "assistant", "tool_calls": [CALL | {"id": None}]}, "messages[0].tool_calls[0].id"),
        ({"role": "assistant", "content": ""}, "messages"),
    ],
)
def test_a_message_that_cannot_be_sent_is_refused_by_its_place(message: object, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        turns(message)
    assert caught.value.param == param


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": [{"type": "custom", "custom": {}}]},
        {"tool_choice": "required"},
        {"tools": [WEATHER], "tool_choice": "sometimes"},
        {"tools": [WEATHER], "tool_choice": {"type": "allowed_tools"}},
        {"response_format": {"type": "json_schema"}},
        {"reasoning_effort": "none", "thinking": {"type": "adaptive"}},
    ],
)
def test_what_contradicts_itself_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest):
        sent(**fields)


def test_there_are_no_embeddings() -> None:
    with pytest.raises(UnsupportedParameter, match="embeddings"):
        BACKEND.embeddings_request(embeddings(), TARGET, FACTS)


def test_the_limit_that_anthropic_needs_is_larger_than_what_may_be_thought() -> None:
    thinking = {"type": "enabled", "budget_tokens": 10_000}
    assert sent(target(Dialect.ANTHROPIC), thinking=thinking)["max_tokens"] == 14_096
    configured = target(Dialect.ANTHROPIC, params={"thinking": thinking})
    assert sent(configured)["max_tokens"] == 14_096
    assert sent(target(Dialect.ANTHROPIC), thinking=thinking, max_tokens=12_000)["max_tokens"] == 12_000
    assert sent(target(Dialect.ANTHROPIC), thinking={"type": "adaptive"})["max_tokens"] == 4_096
    for odd in ("many", -5, 1.5):
        odd_budget = {"type": "enabled", "budget_tokens": odd}
        assert sent(target(Dialect.ANTHROPIC), thinking=odd_budget)["max_tokens"] == 4_096
