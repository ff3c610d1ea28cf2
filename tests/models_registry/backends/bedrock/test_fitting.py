"""Requests of one shape to models on Bedrock."""

import json
from typing import Any  # JSON as Bedrock reads it, without types

import pytest

from models_registry.target import Target
from runtime.blueprint import check
from tests.models_registry.backends import test_fitting_openai as openai

SONNET = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
OPUS = "us.anthropic.claude-opus-4-7"
LLAMA = "us.meta.llama3-3-70b-instruct-v1:0"
UNION = {"anyOf": [{"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}]}
LEAST = {"type": "object", "properties": {"a": {"type": "integer", "minimum": 3}}}


def target(model: str, **params: Any) -> Target:
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "aws_region_name": "us-east-1"}
    entry = {"model_name": "m", "litellm_params": {"model": f"bedrock/{model}", **keys, **params}}
    return check({"model_list": [entry]}, {}).registry.target("m", allowed=(), roll=0.0)


def sent(to: Target, **fields: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    made = openai.exchange(to, **fields)
    body: dict[str, Any] = json.loads(made.outgoing().body)
    del body["messages"]
    return body, made.changed


def tool(parameters: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    return [{"type": "function", "function": {"name": "f", "parameters": parameters, **more}}]


@pytest.mark.parametrize("model", [SONNET, OPUS, LLAMA, "amazon.nova-pro-v1:0"])
@pytest.mark.parametrize(
    "parameters", [{}, {"properties": {"a": {}}}, UNION, {"$ref": "#/$defs/x", "$defs": {"x": {}}}]
)
def test_the_parameters_of_a_tool_have_an_object_at_their_root(
    model: str, parameters: dict[str, Any]
) -> None:
    body, changed = sent(target(model), tools=tool(parameters))
    schema = body["toolConfig"]["tools"][0]["toolSpec"]["inputSchema"]["json"]
    assert schema["type"] == "object"
    assert not {"anyOf", "$ref"} & schema.keys()
    assert changed == ("tools",)
    whole = {"type": "object", "properties": {"a": {"type": "string"}}}
    body, changed = sent(target(model), tools=tool(whole))
    assert (body["toolConfig"]["tools"][0]["toolSpec"]["inputSchema"]["json"], changed) == (whole, ())


def test_a_schema_for_claude_is_in_the_part_that_it_takes() -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "l", "schema": LEAST}}
    body, changed = sent(target(SONNET), response_format=wanted)
    schema = json.loads(body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]["schema"])
    assert schema["additionalProperties"] is False
    assert "minimum" not in schema["properties"]["a"]
    assert "3" in schema["properties"]["a"]["description"]
    assert changed == ("response_format",)


def test_a_tool_is_strict_where_its_schema_fits() -> None:
    closed = {"type": "object", "properties": {}, "additionalProperties": False}
    body, _ = sent(target(SONNET), tools=tool(closed, strict=True))
    assert body["toolConfig"]["tools"][0]["toolSpec"]["strict"] is True
    body, changed = sent(target(SONNET), tools=tool(LEAST, strict=True))
    assert "strict" not in body["toolConfig"]["tools"][0]["toolSpec"]
    assert changed == ("tools",)


def test_limits_efforts_and_sampling_are_those_of_the_model() -> None:
    assert sent(target(SONNET))[0]["inferenceConfig"] == {"maxTokens": 64_000}
    body, _ = sent(target(SONNET), reasoning_effort="high")
    assert body["additionalModelRequestFields"]["thinking"] == {"type": "enabled", "budget_tokens": 4096}
    body, _ = sent(target(OPUS), reasoning_effort="high")
    assert body["additionalModelRequestFields"] == {
        "thinking": {"type": "adaptive"},
        "output_config": {"effort": "high"},
    }
    assert sent(target(OPUS), temperature=0.3)[1] == ("temperature",)
    body, changed = sent(target(SONNET), max_tokens=1000, thinking={"type": "enabled", "budget_tokens": 2000})
    assert (body["inferenceConfig"]["maxTokens"], changed) == (3000, ("max_tokens",))


MARK = {"cache_control": {"type": "ephemeral"}}
POINT = {"cachePoint": {"type": "default"}}


def test_marks_for_the_cache_become_points_behind_what_they_mark() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [
        {"role": "system", "content": "Be brief.", **MARK},
        {"role": "user", "content": [{"type": "text", "text": "a", **MARK}, {"type": "text", "text": "b"}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "r", **MARK},
        {"role": "user", "content": "Well?", **MARK},
    ]
    made = openai.exchange(target(SONNET), messages=messages, tools=[{**tool({"type": "object"})[0], **MARK}])
    body = json.loads(made.outgoing().body)
    assert body["system"] == [{"text": "Be brief."}, POINT]
    assert body["toolConfig"]["tools"][1:] == [POINT]
    first, _, last = body["messages"]
    assert first["content"] == [{"text": "a"}, POINT, {"text": "b"}]
    assert [block for block in last["content"] if "toolResult" not in block] == [
        POINT,
        {"text": "Well?"},
        POINT,
    ]
