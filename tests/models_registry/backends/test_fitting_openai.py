"""Requests of one shape to models that take different things: gpt-5 and o-series, gpt-4o, and strangers."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.calls.chat_exchange import ChatExchange
from models_registry.backends.dropping import left
from models_registry.backends.fitting import nearest
from models_registry.bounds.chat import ChatBounds
from models_registry.facts.table import EFFORTS
from models_registry.target import Target
from models_registry.turns.facts import CallFacts
from runtime.blueprint import check
from schema.chat import ChatRequest
from schema.errors.requests import InvalidRequest
from schema.wire import decode_body

FACTS = CallFacts(request_id="r", created=1)
DECODER = msgspec.json.Decoder(ChatRequest)
MESSAGES = [{"role": "user", "content": "hi"}]


def target(model: str, *, base: str = "https://api.openai.com/v1", **params: Any) -> Target:
    entry = {
        "model_name": "m",
        "litellm_params": {"model": model, "api_key": "sk-x", "api_base": base, **params},
    }
    checked = check({"model_list": [entry]}, {})
    assert checked.errors == checked.skipped == ()
    return checked.registry.target("m", allowed=(), roll=0.0)


def exchange(to: Target, **fields: Any) -> ChatExchange:
    body = json.dumps({"model": "m", "messages": MESSAGES, **fields}).encode()
    return ChatExchange(decode_body(DECODER, body), to, FACTS)


def sent(to: Target, **fields: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The body that the provider gets, without model and messages, and the names of what was changed."""
    made = exchange(to, **fields)
    body: dict[str, Any] = json.loads(made.outgoing().body)
    del body["model"]
    if body["messages"] == MESSAGES:
        del body["messages"]
    return body, made.changed


REASONING = ["openai/gpt-5", "openai/o3", "openai/gpt-5-mini", "openai/o4-mini", "openai/gpt-5-2025-08-07"]


@pytest.mark.parametrize("model", REASONING)
@pytest.mark.parametrize("drop", [True, False])
def test_the_limit_has_the_name_that_reasoning_models_know(model: str, drop: bool) -> None:
    to = target(model, drop_params=drop)
    assert sent(to, max_tokens=100) == ({"max_completion_tokens": 100}, ("max_tokens",))
    assert sent(to, max_completion_tokens=100) == ({"max_completion_tokens": 100}, ())
    assert sent(to, max_tokens=None)[1] == ()


@pytest.mark.parametrize("model", REASONING)
def test_of_two_limits_the_newer_name_is_sent_as_it_came(model: str) -> None:
    body, changed = sent(target(model), max_tokens=50, max_completion_tokens=100)
    assert (body, changed) == ({"max_completion_tokens": 100}, ("max_tokens",))


@pytest.mark.parametrize("model", ["openai/gpt-4o", "openai/gpt-4.1", "custom_openai/my-model"])
def test_other_models_get_the_limit_as_it_came(model: str) -> None:
    base = "https://models.example.com/v1" if model.startswith("custom") else "https://api.openai.com/v1"
    assert sent(target(model, base=base, drop_params=True), max_tokens=100) == ({"max_tokens": 100}, ())


@pytest.mark.parametrize("model", REASONING)
@pytest.mark.parametrize(
    "refused",
    [
        {"temperature": 0.2},
        {"top_p": 0.5},
        {"presence_penalty": 1, "frequency_penalty": -1},
        {"logprobs": True, "top_logprobs": 3},
        {"logit_bias": {"50256": -100}},
        {"stop": ["\n"]},
        {"thinking": {"type": "enabled", "budget_tokens": 2000}},
        {"top_k": 40},
    ],
)
def test_what_the_model_refuses_is_left_out_under_drop_params(model: str, refused: dict[str, Any]) -> None:
    assert sent(target(model, drop_params=True), **refused) == ({}, tuple(sorted(refused)))
    assert sent(target(model), drop_params=True, **refused) == ({}, tuple(sorted(refused)))
    assert sent(target(model), **refused) == (refused, ()), "the provider's own 400 is told"
    assert sent(target(model, drop_params=True), drop_params=False, **refused) == (refused, ())


AZURE = "https://x.openai.azure.com"


@pytest.mark.parametrize(
    ("model", "base", "limit"),
    [
        ("azure/gpt-5", AZURE, "max_completion_tokens"),
        ("azure/o4-mini", AZURE, "max_completion_tokens"),
        ("openrouter/openai/gpt-5", "https://openrouter.ai/api/v1", "max_tokens"),
        ("openrouter/openai/o3", "https://openrouter.ai/api/v1", "max_tokens"),
    ],
)
def test_rows_of_other_hosts_of_the_same_models_are_fitted_too(model: str, base: str, limit: str) -> None:
    sampled = {"temperature": 0.2, "top_p": 0.5, "stop": ["x"], "logprobs": True}
    body, changed = sent(target(model, base=base, drop_params=True), max_tokens=50, **sampled)
    assert body == {limit: 50}
    assert set(sampled) <= set(changed)
    body, _ = sent(target(model, base=base), max_tokens=50, **sampled)
    assert body == {limit: 50, **sampled}, "the provider's own 400 is told"


@pytest.mark.parametrize("base_model", ["gpt-5", "azure/gpt-5", "o3", "openai/o4-mini"])
def test_a_deployment_of_any_name_is_fitted_as_its_base_model(base_model: str) -> None:
    """Deployments of Azure's have the names that people gave them."""

    def deployed(base_model: str) -> Target:
        params = {"model": "azure/my-deployment", "api_key": "sk-x", "api_base": AZURE, "drop_params": True}
        entry = {"model_name": "m", "litellm_params": params, "model_info": {"base_model": base_model}}
        return check({"model_list": [entry]}, {}).registry.target("m", allowed=(), roll=0.0)

    asked = {"max_tokens": 50, "temperature": 0.2}
    assert sent(deployed(base_model), **asked)[0] == {"max_completion_tokens": 50}
    assert sent(deployed("gpt-4o"), **asked)[0] == asked


@pytest.mark.parametrize(
    "model", ["azure/gpt-4o", "azure/gpt-5", "azure/o3", "azure_text/gpt-35-turbo-instruct"]
)
@pytest.mark.parametrize("foreign", [{"thinking": {"type": "enabled", "budget_tokens": 2000}}, {"top_k": 5}])
def test_azure_is_not_sent_what_only_others_know(model: str, foreign: dict[str, Any]) -> None:
    assert sent(target(model, base=AZURE, drop_params=True), **foreign) == ({}, tuple(foreign))
    assert sent(target(model, base=AZURE), **foreign) == (foreign, ())


@pytest.mark.parametrize("model", REASONING)
def test_values_that_ask_for_what_the_model_does_anyway_stay(model: str) -> None:
    plain = {"temperature": 1, "top_p": 1.0, "presence_penalty": 0, "logprobs": False, "logit_bias": {}}
    assert sent(target(model, drop_params=True), **plain) == (plain, ())


def test_parameters_of_the_deployment_are_left_out_too() -> None:
    to = target("openai/o3", drop_params=True, temperature=0.3, max_tokens=9, seed=7)
    assert sent(to) == ({"max_completion_tokens": 9, "seed": 7}, ("max_tokens", "temperature"))


def test_a_plain_model_keeps_its_sampling_and_loses_what_it_has_no_use_for() -> None:
    to = target("openai/gpt-4o", drop_params=True)
    body, changed = sent(to, temperature=0.2, stop="x", reasoning_effort="low", thinking={"type": "enabled"})
    assert body == {"temperature": 0.2, "stop": "x"}
    assert changed == ("reasoning_effort", "thinking")


@pytest.mark.parametrize(
    ("model", "asked", "got"),
    [
        ("openai/o3", "minimal", "low"),
        ("openai/o3", "none", "low"),
        ("openai/gpt-5", "xhigh", "high"),
        ("openai/gpt-5", "none", "minimal"),
        ("openai/gpt-5.2", "minimal", "none"),
    ],
)
def test_a_level_that_the_model_lacks_becomes_the_nearest(model: str, asked: str, got: str) -> None:
    assert sent(target(model, drop_params=True), reasoning_effort=asked) == (
        {"reasoning_effort": got},
        ("reasoning_effort",),
    )
    assert sent(target(model), reasoning_effort=asked) == ({"reasoning_effort": asked}, ())


def test_a_model_that_does_not_reason_at_this_call_takes_sampling() -> None:
    to = target("openai/gpt-5.2", drop_params=True)
    assert sent(to, temperature=0.2) == ({"temperature": 0.2}, ())
    body, changed = sent(to, temperature=0.2, reasoning_effort="high")
    assert (body, changed) == ({"reasoning_effort": "high"}, ("temperature",))


def test_cache_control_is_taken_out_wherever_it_stands() -> None:
    ephemeral = {"cache_control": {"type": "ephemeral"}}
    fields = {
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": "long", **ephemeral}]},
            {"role": "user", "content": "hi", **ephemeral},
        ],
        "tools": [
            {"type": "function", "function": {"name": "f", "parameters": {"minimum": 1e400}}, **ephemeral},
            {"type": "function", "function": {"name": "g", **ephemeral}},
        ],
    }
    text = json.dumps(fields).replace("Infinity", "1e400")
    to = target("openai/gpt-4o", drop_params=True)
    made = ChatExchange(decode_body(DECODER, b'{"model":"m",' + text.encode()[1:]), to, FACTS)
    body = made.outgoing().body
    assert b"cache_control" not in body
    assert b"1e400" in body, "a number keeps its spelling"
    assert made.changed == ("cache_control",)
    kept = sent(target("openai/gpt-4o"), **{"messages": fields["messages"]})
    assert (b"cache_control" in json.dumps(kept[0]).encode(), kept[1]) == (True, ())


def test_what_is_held_for_is_what_is_sent() -> None:
    made = exchange(target("openai/gpt-5", drop_params=True), max_tokens=100, temperature=0.1)
    assert made.bounds().output_tokens == 100
    as_sent = decode_body(DECODER, made.outgoing().body)
    assert made.bounds().output_tokens == ChatBounds(as_sent, made.target).output_tokens


def test_a_server_of_ones_own_gets_what_only_it_may_know() -> None:
    to = target("openai/my-tune", base="http://10.0.0.7:8000/v1", drop_params=True)
    fields = {"top_k": 40, "thinking": {"type": "enabled"}, "temperature": 0.2}
    assert sent(to, **fields) == (fields, ())


@given(st.sampled_from(EFFORTS), st.sets(st.sampled_from(EFFORTS)))
def test_the_nearest_level_is_one_that_the_model_has(effort: str, levels: set[str]) -> None:
    found = nearest(effort, levels)
    assert (found in levels) if levels else found is None
    if effort in levels:
        assert found == effort


@pytest.mark.parametrize("effort", ["", "huge", "LOW", "x" * 1000])
def test_what_is_no_level_is_left_for_the_provider_to_refuse(effort: str) -> None:
    assert sent(target("openai/o3", drop_params=True), reasoning_effort=effort) == (
        {"reasoning_effort": effort},
        (),
    )


@pytest.mark.parametrize("model", ["openai/gpt-4o", "openai/gpt-5"])
def test_a_request_names_fields_that_are_not_to_be_sent(model: str) -> None:
    fields = {"temperature": 1, "seed": 7, "additional_drop_params": ["temperature", "user", "messages"]}
    body = json.dumps({"model": "m", "messages": MESSAGES, **fields}).encode()
    request, names = left(decode_body(DECODER, body), ())
    assert names == ("temperature",)
    made = ChatExchange(request, target(model), FACTS)
    found = json.loads(made.outgoing().body)
    assert (found["messages"], found["seed"]) == (MESSAGES, 7)
    assert not {"temperature", "additional_drop_params"} & found.keys()


def test_a_request_may_name_a_field_within_another() -> None:
    tool = {"type": "function", "function": {"name": "f", "strict": True}}
    names_of = {"additional_drop_params": ["tools[*].function.strict"]}
    body = {"model": "m", "messages": MESSAGES, "tools": [tool, tool], **names_of}
    request, names = left(decode_body(DECODER, json.dumps(body).encode()), ())
    assert names == ("tools",)
    assert json.loads(bytes(request.raw["tools"])) == [{"type": "function", "function": {"name": "f"}}] * 2


@pytest.mark.parametrize("wrong", ["temperature", [7], ["a..b"], ["["], ["x"] * 101, {}])
def test_what_are_no_names_of_fields_is_refused(wrong: object) -> None:
    body = json.dumps({"model": "m", "messages": MESSAGES, "additional_drop_params": wrong}).encode()
    with pytest.raises(InvalidRequest, match="additional_drop_params"):
        left(decode_body(DECODER, body), ())


@pytest.mark.parametrize("model", REASONING)
def test_a_limit_is_never_lost_to_a_null_beside_it(model: str) -> None:
    """SDKs that write every field send nulls."""
    names = ("max_tokens", "max_completion_tokens")
    for fields in (dict(zip(names, values, strict=True)) for values in ((100, None), (None, 100))):
        made = exchange(target(model), **fields)
        assert json.loads(made.outgoing().body)["max_completion_tokens"] == 100
        assert made.bounds().output_tokens == 100
    configured = exchange(target(model, max_tokens=7), max_tokens=None, max_completion_tokens=None)
    assert json.loads(configured.outgoing().body)["max_completion_tokens"] == 7


@pytest.mark.parametrize("model", REASONING)
def test_the_callers_limit_beside_the_configs_other_name(model: str) -> None:
    body, _ = sent(target(model, max_tokens=1000), max_completion_tokens=50)
    assert body == {"max_completion_tokens": 50}


def test_many_paths_go_through_a_field_once() -> None:
    tools = [{"type": "function", "function": {"name": f"f{n}", "strict": True, "x": n}} for n in range(50)]
    paths = [f"tools[*].function.{name}" for name in ("strict", "x")]
    body = {"model": "m", "messages": MESSAGES, "tools": tools, "additional_drop_params": paths}
    request, names = left(decode_body(DECODER, json.dumps(body).encode()), ())
    assert names == ("tools",)
    assert all(tool["function"].keys() == {"name"} for tool in json.loads(bytes(request.raw["tools"])))
    body["additional_drop_params"] = [f"tools[{n}].x" for n in range(11)]
    with pytest.raises(InvalidRequest, match="paths inside"):
        left(decode_body(DECODER, json.dumps(body).encode()), ())


@pytest.mark.parametrize("odd", [b"1e999", b"[1e999]", b'"\xff"', b'{"a":1e999}'])
@pytest.mark.parametrize("name", ["policies", "api_key", "cache", "extra_body", "meta"])
def test_bytes_that_no_reader_takes_are_refused_by_name(odd: bytes, name: str) -> None:
    start = b'{"model":"m","messages":[{"role":"user","content":"hi"}],'
    body = start + b'"%b":%b,"additional_drop_params":["meta.x"]}'
    try:
        request = decode_body(DECODER, body % (name.encode(), odd))
    except InvalidRequest:
        return  # the body as a whole is no JSON
    with pytest.raises(InvalidRequest, match=name):
        ChatExchange(left(request, ())[0], target("openai/gpt-4o"), FACTS).outgoing()
