"""Requests of one shape to Claude models of several years."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_registry.backends.anthropic.request import ANSWER_TOOL
from models_registry.backends.claude_schemas import fit_schema, with_object_root
from models_registry.target import Target
from runtime.blueprint import check
from schema.chat import ChatRequest
from schema.errors.requests import UnsupportedParameter
from tests.models_registry.backends import test_fitting_openai as openai
from tests.models_registry.backends.chatting import chat_stream

LITTLE = {"type": "enabled", "budget_tokens": 1024}
LIST = {"type": "json_schema", "json_schema": {"name": "l", "schema": {"type": "array"}}}
OLD, BUDGETED, ADAPTIVE = "claude-3-haiku-20240307", "claude-sonnet-4-5", "claude-opus-4-7"
DECODER = msgspec.json.Decoder(ChatRequest)


def target(model: str, **params: Any) -> Target:
    return openai.target(f"anthropic/{model}", base="https://api.anthropic.com", **params)


def sent(to: Target, **fields: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The body that Anthropic gets, without model and messages, and the names of what was changed."""
    made = openai.exchange(to, **fields)
    body: dict[str, Any] = json.loads(made.outgoing().body)
    del body["model"], body["messages"]
    return body, made.changed


@pytest.mark.parametrize(
    ("model", "most"), [(BUDGETED, 64_000), (ADAPTIVE, 128_000), ("claude-haiku-4-5-20251001", 64_000)]
)
def test_without_a_limit_the_models_own_maximum_is_sent_and_held_for(model: str, most: int) -> None:
    to = target(model)
    assert sent(to) == ({"max_tokens": most}, ())
    assert openai.exchange(to).bounds().output_tokens == most
    assert sent(to, max_tokens=5)[0]["max_tokens"] == 5


def test_the_config_may_say_another_maximum() -> None:
    entry = {
        "model_name": "m",
        "litellm_params": {"model": f"anthropic/{BUDGETED}", "api_key": "sk-x"},
        "model_info": {"max_output_tokens": 1000},
    }
    found = check({"model_list": [entry]}, {}).registry.target("m", allowed=(), roll=0.0)
    assert sent(found)[0] == {"max_tokens": 1000}


@pytest.mark.parametrize(
    ("effort", "budget"), [("minimal", 1024), ("low", 1024), ("medium", 2048), ("high", 4096)]
)
def test_an_effort_is_a_budget_where_the_model_takes_budgets(effort: str, budget: int) -> None:
    body, changed = sent(target(BUDGETED), reasoning_effort=effort)
    assert body["thinking"] == {"type": "enabled", "budget_tokens": budget}
    assert "output_config" not in body
    assert changed == ()


@pytest.mark.parametrize("effort", ["low", "medium", "high", "xhigh", "max"])
def test_an_effort_is_adaptive_thinking_where_the_model_has_that(effort: str) -> None:
    body, changed = sent(target(ADAPTIVE), reasoning_effort=effort)
    assert (body["thinking"], body["output_config"], changed) == (
        {"type": "adaptive"},
        {"effort": effort},
        (),
    )


@pytest.mark.parametrize(
    ("model", "effort", "got"),
    [
        (BUDGETED, "max", {"type": "enabled", "budget_tokens": 4096}),
        (BUDGETED, "xhigh", {"type": "enabled", "budget_tokens": 4096}),
        (OLD, "high", None),
        (OLD, "low", None),
    ],
)
def test_an_effort_that_the_model_lacks_is_the_nearest_or_refused_by_name(
    model: str, effort: str, got: dict[str, Any] | None
) -> None:
    body, changed = sent(target(model, drop_params=True), reasoning_effort=effort)
    assert (body.get("thinking"), "reasoning_effort" in changed) == (got, True)
    with pytest.raises(UnsupportedParameter, match="'reasoning_effort'"):
        openai.exchange(target(model), reasoning_effort=effort)


@pytest.mark.parametrize("model", [OLD, BUDGETED, ADAPTIVE])
def test_no_effort_at_all_is_taken_everywhere(model: str) -> None:
    body, changed = sent(target(model), reasoning_effort="none")
    assert (body.get("thinking"), changed) == ({"type": "disabled"}, ())


@pytest.mark.parametrize(("limit", "expected"), [(1000, 3048), (2048, 4096), (2049, 2049), (63_000, 63_000)])
@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_a_budget_of_thinking_gets_room_within_the_limit(limit: int, expected: int, name: str) -> None:
    thinking = {"type": "enabled", "budget_tokens": 2048}
    body, changed = sent(target(BUDGETED), thinking=thinking, **{name: limit})
    assert (body["max_tokens"], body["thinking"]) == (expected, thinking)
    assert changed == ((name,) if limit != expected else ())
    made = openai.exchange(target(BUDGETED), thinking=thinking, **{name: limit})
    assert made.bounds().output_tokens == expected


def test_room_ends_at_the_models_maximum() -> None:
    thinking = {"type": "enabled", "budget_tokens": 60_000}
    assert sent(target(BUDGETED), thinking=thinking, max_tokens=10_000)[0]["max_tokens"] == 64_000


@pytest.mark.parametrize(
    ("model", "thinking", "got"),
    [
        (ADAPTIVE, {"type": "enabled", "budget_tokens": 2048}, {"type": "adaptive"}),
        (BUDGETED, {"type": "adaptive"}, {"type": "enabled", "budget_tokens": 4096}),
        (OLD, {"type": "enabled", "budget_tokens": 2048}, None),
    ],
)
def test_thinking_has_the_form_that_the_model_takes(
    model: str, thinking: dict[str, Any], got: dict[str, Any] | None
) -> None:
    body, changed = sent(target(model, drop_params=True), thinking=thinking)
    assert (body.get("thinking"), changed) == (got, ("thinking",))
    assert sent(target(model), thinking=thinking)[0]["thinking"] == thinking, "the provider's own 400 is told"


@pytest.mark.parametrize("sampling", [{"temperature": 0.2}, {"top_p": 0.5}, {"top_k": 5}])
def test_sampling_does_not_go_to_a_model_that_refuses_it(sampling: dict[str, Any]) -> None:
    body, changed = sent(target(ADAPTIVE), **sampling)
    assert not sampling.keys() & body.keys()
    assert changed == tuple(sampling)
    assert sent(target(BUDGETED), **sampling)[0].items() >= sampling.items()


@pytest.mark.parametrize(
    ("sampling", "kept"),
    [
        ({"temperature": 0.2}, {}),
        ({"temperature": 1}, {"temperature": 1}),
        ({"top_k": 5}, {}),
        ({"top_p": 0.5}, {}),
        ({"top_p": 0.97}, {"top_p": 0.97}),
    ],
)
@pytest.mark.parametrize(
    "how", [{"reasoning_effort": "low"}, {"thinking": {"type": "enabled", "budget_tokens": 1024}}]
)
def test_what_is_refused_beside_thinking_is_left_out(
    sampling: dict[str, Any], kept: dict[str, Any], how: dict[str, Any]
) -> None:
    body, changed = sent(target(BUDGETED), **sampling, **how)
    assert {name: body[name] for name in sampling if name in body} == kept
    assert changed == (() if kept else tuple(sampling))


@pytest.mark.parametrize(
    ("model", "both"),
    [
        ("claude-opus-4-1", False),
        (BUDGETED, False),
        ("claude-haiku-4-5", False),
        ("claude-sonnet-4-20250514", True),
        ("claude-opus-4-20250514", True),
        (OLD, True),
    ],
)
def test_temperature_and_top_p_go_together_where_they_may(model: str, both: bool) -> None:
    body, changed = sent(target(model), temperature=0.5, top_p=0.9)
    assert body["temperature"] == 0.5
    assert ("top_p" in body, changed) == (both, () if both else ("top_p",))


SCHEMA = {
    "type": "object",
    "properties": {
        "age": {"type": "integer", "minimum": 0},
        "kind": {"oneOf": [{"type": "string"}, {"type": "null"}]},
    },
    "required": ["age"],
}
FORMAT = {"type": "json_schema", "json_schema": {"name": "person", "schema": SCHEMA, "strict": True}}


def test_a_schema_goes_to_structured_output_in_the_part_that_it_takes() -> None:
    body, changed = sent(target(BUDGETED), response_format=FORMAT)
    schema = body["output_config"]["format"]["schema"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["age"] == {"type": "integer", "description": "(minimum: 0)"}
    assert schema["properties"]["kind"] == {"anyOf": [{"type": "string"}, {"type": "null"}]}
    assert changed == ("response_format",)


@pytest.mark.parametrize("wanted", [FORMAT, {"type": "json_object"}])
def test_a_model_from_before_structured_output_answers_through_a_tool(wanted: dict[str, Any]) -> None:
    body, _ = sent(target(OLD), response_format=wanted)
    (tool,) = body["tools"]
    assert (tool["name"], tool["input_schema"]["type"]) == (ANSWER_TOOL, "object")
    assert body["tool_choice"] == {"type": "tool", "name": ANSWER_TOOL}
    assert "output_config" not in body


def test_a_json_object_is_asked_of_every_model() -> None:
    for model in (OLD, BUDGETED):
        assert (
            sent(target(model), response_format={"type": "json_object"})[0]["tools"][0]["name"] == ANSWER_TOOL
        )


TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}


@pytest.mark.parametrize(
    "beside",
    [
        {"tools": [TOOL]},
        {"thinking": {"type": "enabled", "budget_tokens": 1024}},
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "l", "schema": {"type": "array"}},
            }
        },
    ],
)
def test_where_no_tool_can_be_forced_the_model_is_told_in_words(beside: dict[str, Any]) -> None:
    body, _ = sent(
        target("claude-3-7-sonnet-20250219"), **{"response_format": {"type": "json_object"}, **beside}
    )
    assert body["system"][-1]["text"].startswith("Answer with one JSON object and nothing else")
    assert all(tool["name"] != ANSWER_TOOL for tool in body.get("tools", ()))


def answer_of(to: Target, message: dict[str, Any], **fields: Any) -> dict[str, Any]:
    made = openai.exchange(to, **fields)
    completion, _ = made.answer(json.dumps(message).encode(), made.bounds())
    found: dict[str, Any] = json.loads(msgspec.json.encode(completion))["choices"][0]
    return found


def test_the_tools_arguments_are_the_answers_text() -> None:
    block = {"type": "tool_use", "id": "t", "name": ANSWER_TOOL, "input": {"age": 7}}
    message = {
        "id": "m",
        "content": [block],
        "stop_reason": "tool_use",
        "usage": {"input_tokens": 1, "output_tokens": 2},
    }
    choice = answer_of(target(OLD), message, response_format=FORMAT)
    assert (choice["message"]["content"], choice["finish_reason"]) == ('{"age": 7}', "stop")
    assert "tool_calls" not in choice["message"]


@pytest.mark.parametrize("at_once", [True, False])
def test_the_tools_arguments_are_the_streams_text(at_once: bool) -> None:
    parser = openai.exchange(target(OLD), response_format=FORMAT, stream=True)
    stream = chat_stream(parser.request, parser.target, parser.facts)
    block = {"type": "tool_use", "id": "t", "name": ANSWER_TOOL, "input": {"age": 7} if at_once else {}}
    pieces = [] if at_once else ['{"age"', ": 7}"]
    events = [
        {"type": "message_start", "message": {"id": "m", "content": [], "usage": {"input_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": block},
        *(
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "input_json_delta", "partial_json": piece},
            }
            for piece in pieces
        ),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 5}},
        {"type": "message_stop"},
    ]
    out = stream.feed(b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events))
    assert isinstance(out, bytes)
    chunks = [json.loads(line[6:]) for line in out.decode().splitlines() if line.startswith("data: {")]
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks if chunk["choices"]]
    assert "".join(delta.get("content") or "" for delta in deltas) == '{"age": 7}'
    assert not any("tool_calls" in delta for delta in deltas)
    assert [c["choices"][0]["finish_reason"] for c in chunks if c["choices"]][-1] == "stop"


def test_a_tools_whole_input_at_its_start_is_kept_in_a_stream() -> None:
    made = openai.exchange(target(BUDGETED), tools=[TOOL], stream=True)
    stream = chat_stream(made.request, made.target, made.facts)
    events = [
        {"type": "message_start", "message": {"id": "m", "content": [], "usage": {"input_tokens": 1}}},
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "tool_use", "id": "t", "name": "f", "input": {"city": "Oslo"}},
        },
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 5}},
        {"type": "message_stop"},
    ]
    out = stream.feed(b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events))
    assert isinstance(out, bytes)
    assert '{\\"city\\": \\"Oslo\\"}' in out.decode()


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({}, {"type": "object", "properties": {}}),
        ({"properties": {"a": {}}}, {"properties": {"a": {}}, "type": "object"}),
        ({"type": "array"}, {"type": "object", "properties": {}}),
        (
            {
                "allOf": [
                    {"properties": {"a": {}}, "required": ["a"]},
                    {"properties": {"b": {}}, "required": ["b"]},
                ]
            },
            {"type": "object", "properties": {"a": {}, "b": {}}, "required": ["a", "b"]},
        ),
        (
            {
                "anyOf": [
                    {"properties": {"a": {}}, "required": ["a"]},
                    {"properties": {"b": {}}, "required": ["b"]},
                ]
            },
            {
                "type": "object",
                "properties": {"a": {}, "b": {}},
                "description": '(one of these sets of fields is needed: [["a"],["b"]])',
            },
        ),
    ],
)
def test_the_parameters_of_a_tool_have_an_object_at_their_root(
    schema: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert with_object_root(schema) == expected
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
    assert sent(target(BUDGETED), tools=[tool])[0]["tools"][0]["input_schema"] == expected


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        ({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}, True),
        ({"type": "object", "properties": {"a": {"type": "string", "maxLength": 5}}}, None),
        ({"type": "object", "properties": {}}, None),
    ],
)
def test_strict_is_left_out_where_its_limits_do_not_fit(schema: dict[str, Any], strict: bool | None) -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": schema, "strict": True}}
    body, changed = sent(target(BUDGETED), tools=[tool])
    assert (body["tools"][0].get("strict"), body["tools"][0]["input_schema"]) == (strict, schema)
    assert changed == (() if strict else ("tools",))


@pytest.mark.parametrize(
    ("model", "strict"),
    [
        ("claude-3-7-sonnet-20250219", None),
        ("claude-sonnet-4-20250514", None),
        ("claude-opus-4-0", None),
        ("us.anthropic.claude-sonnet-4-20250514-v1:0", None),
        ("claude-sonnet-4@20250514", None),
        ("claude-opus-4-1-20250805", True),
        ("claude-sonnet-4-5", True),
        ("claude-haiku-4-5@20251001", True),
        ("claude-opus-5", True),
    ],
)
def test_strict_is_left_out_for_claude_models_from_before_it(model: str, strict: bool | None) -> None:
    schema = {"type": "object", "properties": {}, "additionalProperties": False}
    tool = {"type": "function", "function": {"name": "f", "parameters": schema, "strict": True}}
    body, changed = sent(target(model), tools=[tool])
    assert body["tools"][0].get("strict") is strict
    assert changed == (() if strict else ("tools",))


def test_a_strict_tool_without_parameters_is_not_strict() -> None:
    body, changed = sent(
        target(BUDGETED), tools=[{"type": "function", "function": {"name": "f", "strict": True}}]
    )
    assert "strict" not in body["tools"][0]
    assert changed == ("tools",)


SCHEMAS = st.recursive(
    st.fixed_dictionaries({"type": st.sampled_from(["string", "integer", "object", "array"])})
    | st.dictionaries(st.sampled_from(["minimum", "maxLength", "format", "minItems"]), st.integers(0, 3)),
    lambda inner: st.dictionaries(
        st.sampled_from(["properties", "items", "anyOf", "oneOf", "$defs"]),
        inner | st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    ),
    max_leaves=8,
)


@given(SCHEMAS)
def test_a_fitted_schema_is_fit(schema: dict[str, Any]) -> None:
    once = fit_schema(schema)
    assert fit_schema(once) == once
    assert with_object_root(with_object_root(schema)) == with_object_root(schema)


def test_a_very_deep_schema_is_no_danger() -> None:
    schema: dict[str, Any] = {"type": "string", "minLength": 1}
    for _ in range(120):
        schema = {"type": "object", "properties": {"a": schema}}
    tool = {"type": "function", "function": {"name": "f", "parameters": schema, "strict": True}}
    body, _ = sent(target(BUDGETED), tools=[tool])
    assert body["tools"][0]["name"] == "f"


def test_a_fallback_between_providers_survives_all_of_it() -> None:
    fields = {
        "max_tokens": 100,
        "temperature": 0.2,
        "top_p": 0.9,
        "reasoning_effort": "minimal",
        "thinking": {"type": "enabled", "budget_tokens": 2048},
        "response_format": FORMAT,
        "drop_params": True,
    }
    for model in (OLD, BUDGETED, ADAPTIVE, "claude-of-tomorrow"):
        body, _ = sent(target(model), **fields)
        assert body["max_tokens"] >= 100
    for model in ("openai/gpt-5", "openai/gpt-4o", "openai/o3"):
        body, _ = openai.sent(openai.target(model), **fields)
        assert "thinking" not in body


def test_what_is_dropped_is_named_and_not_held_for() -> None:
    to = target(BUDGETED, drop_params=True)
    dropped = {"frequency_penalty": 0.5, "seed": 7, "logprobs": True, "n": 3, "temperature": 1.7}
    body, changed = sent(to, max_tokens=1000, **dropped)
    assert body == {"max_tokens": 1000}
    assert set(changed) == set(dropped)
    assert openai.exchange(to, max_tokens=1000, n=8).bounds().output_tokens == 1000


def test_an_effort_beside_the_callers_own_thinking_is_named() -> None:
    body, changed = sent(target(BUDGETED), thinking=LITTLE, reasoning_effort="high")
    assert (body["thinking"], changed) == (LITTLE, ("reasoning_effort",))


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "f"}}])
def test_a_forced_tool_goes_before_an_effort(choice: object) -> None:
    body, changed = sent(target(BUDGETED), reasoning_effort="high", tools=[TOOL], tool_choice=choice)
    assert ("thinking" in body, changed) == (False, ("reasoning_effort",))


def test_json_that_the_config_asks_for_is_the_answers_text() -> None:
    to = target(OLD, response_format={"type": "json_object"})
    block = {"type": "tool_use", "id": "t", "name": ANSWER_TOOL, "input": {"a": 1}}
    usage = {"input_tokens": 1, "output_tokens": 2}
    message = {"id": "m", "content": [block], "stop_reason": "tool_use", "usage": usage}
    choice = answer_of(to, message)
    assert (choice["message"]["content"], choice["finish_reason"]) == ('{"a": 1}', "stop")


@pytest.mark.parametrize("budget", [10**12, 2**31, -5, 0])
def test_a_budget_beyond_all_counts_is_the_providers_to_refuse(budget: int) -> None:
    thinking = {"type": "enabled", "budget_tokens": budget}
    for model in (BUDGETED, "claude-of-tomorrow"):
        assert sent(target(model), thinking=thinking, max_tokens=5)[0]["thinking"] == thinking


def test_of_two_samplers_the_one_that_means_something_stays() -> None:
    body, changed = sent(target(BUDGETED), temperature=1, top_p=0.3)
    assert (body["top_p"], "temperature" in body, changed) == (0.3, False, ("temperature",))


def test_an_empty_answer_through_the_tool_is_an_empty_object_in_a_stream_too() -> None:
    made = openai.exchange(target(OLD), response_format=FORMAT, stream=True)
    stream = chat_stream(made.request, made.target, made.facts)
    block = {"type": "tool_use", "id": "t", "name": ANSWER_TOOL, "input": {}}
    events = [
        {"type": "message_start", "message": {"id": "m", "content": [], "usage": {"input_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 5}},
        {"type": "message_stop"},
    ]
    out = stream.feed(b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events))
    assert isinstance(out, bytes)
    assert b'"content":"{}"' in out


def test_branches_that_differ_keep_their_differences() -> None:
    schema = {
        "anyOf": [
            {"properties": {"kind": {"const": "a"}, "v": {"type": "string"}}, "required": ["kind"]},
            {"$ref": "#/$defs/B"},
        ],
        "allOf": [{"required": ["r"], "properties": {"r": {}}}],
        "$defs": {
            "B": {"properties": {"kind": {"const": "b"}, "v": {"type": "integer"}}, "required": ["kind"]}
        },
    }
    found = with_object_root(schema)
    assert found["properties"]["v"] == {"anyOf": [{"type": "string"}, {"type": "integer"}]}
    assert found["properties"]["kind"] == {"anyOf": [{"const": "a"}, {"const": "b"}]}
    assert found["required"] == ["kind", "r"]
    by_reference = {"$ref": "#/$defs/X", "$defs": {"X": {"properties": {"q": {}}}}}
    assert with_object_root(by_reference)["properties"] == {"q": {}}
    assert with_object_root({"$ref": "#/$defs/X", "$defs": {"X": {"$ref": "#/$defs/X"}}})["type"] == "object"
