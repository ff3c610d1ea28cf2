"""Each parameter in `litellm_params` has its effect, or a warning that is true, or the deployment is in
error: with none of them does every call fail."""

import asyncio
import json
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from functions.chat import chat
from functions.embeddings import embeddings
from models_registry.backends import BACKENDS
from models_registry.backends.dropping import field_path, leave_out, without
from models_registry.bounds.chat import ChatBounds
from models_registry.bounds.reasoning import may_reason
from models_registry.target import Target
from models_registry.turns.facts import CallFacts
from runtime.blueprint import Checked, check
from schema.chat import ChatRequest
from schema.embeddings import EmbeddingsRequest
from schema.errors.requests import InvalidRequest
from schema.wire import decode_body
from tests.fakes.upstream import Answer, FakeUpstream
from tests.functions.contexts import model_ctx

FACTS = CallFacts(request_id="r", created=0)
PATH = "model_list[0].litellm_params."
OPENAI = {"model": "openai/gpt-4o", "api_key": "sk-x"}
GROQ = {"model": "openai/llama", "api_key": "sk-x", "api_base": "https://api.groq.com/openai/v1"}
CLAUDE = {"model": "anthropic/claude-sonnet-4-5", "api_key": "sk-x"}
OLLAMA = {"model": "ollama_chat/llama3.1"}
VLLM = {"model": "hosted_vllm/qwen", "api_base": "http://gpu-1:8000/v1"}
EVERY = (OPENAI, GROQ, CLAUDE, OLLAMA, VLLM)
_CHAT = msgspec.json.Decoder(ChatRequest)
_EMBEDDINGS = msgspec.json.Decoder(EmbeddingsRequest)


def document(params: dict[str, Any], **settings: Any) -> dict[str, Any]:
    free = {"input_cost_per_token": 0, "output_cost_per_token": 0}
    return {"model_list": [{"model_name": "m", "litellm_params": {**free, **params}}], **settings}


def checked(params: dict[str, Any], env: dict[str, str] | None = None, **settings: Any) -> Checked:
    found = check(document(params, **settings), env or {})
    assert found.errors == ()
    return found


def target_of(found: Checked) -> Target:
    assert found.skipped == ()
    (target,) = found.registry.targets("m", allowed=())
    return target


def asked(**fields: Any) -> ChatRequest:
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], **fields}
    return decode_body(_CHAT, json.dumps(body).encode())


def sent(target: Target, **fields: Any) -> dict[str, Any]:
    body = BACKENDS[target.dialect].chat_request(asked(**fields), target, FACTS).body
    found: dict[str, Any] = json.loads(body)
    return found


def effect(params: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """What is sent by a deployment of which nobody is warned."""
    found = checked(params)
    assert found.warnings == ()
    return sent(target_of(found), **fields)


def without_effect(params: dict[str, Any], name: str) -> str:
    """The warning about a parameter that is not sent, and with which calls go on."""
    found = checked(params)
    target = target_of(found)
    assert name not in target.params
    for fields in ({}, {"stream": True}, {"tools": [{"type": "function", "function": {"name": "f"}}]}):
        assert name not in sent(target, **fields) or name in fields
    (warning,) = found.warnings
    return warning.removeprefix(PATH)


OLLAMA_PARAMS = [
    ({"think": True}, {"think": True}),
    ({"think": "high"}, {"think": "high"}),
    ({"think": False}, {"think": False}),
    ({"format": "json"}, {"format": "json"}),
    ({"format": {"type": "object"}}, {"format": {"type": "object"}}),
    ({"keep_alive": -1}, {"keep_alive": -1}),
    ({"keep_alive": "30m"}, {"keep_alive": "30m"}),
    ({"keep_alive": "300"}, {"keep_alive": 300}),
    ({"num_ctx": 8192}, {"options": {"num_ctx": 8192}}),
    ({"num_ctx": "8192"}, {"options": {"num_ctx": 8192}}),
    ({"num_predict": 50}, {"options": {"num_ctx": 4096, "num_predict": 50}}),
    (
        {"options": {"num_ctx": 16384, "temperature": 0.1, "num_predict": 7, "top_k": 3}},
        {"options": {"num_ctx": 16384, "temperature": 0.1, "num_predict": 7, "top_k": 3}},
    ),
    (
        {"options": {"temperature": 0.1, "num_ctx": 1024}, "temperature": 0.9},
        {"options": {"temperature": 0.9, "num_ctx": 1024}},
    ),
]


@pytest.mark.parametrize(("params", "wire"), OLLAMA_PARAMS, ids=str)
def test_ollamas_words_reach_ollama(params: dict[str, Any], wire: dict[str, Any]) -> None:
    assert effect(OLLAMA | params).items() >= wire.items()


def test_a_caller_says_what_counts_before_the_config_of_ollama() -> None:
    params = {"think": True, "format": "json", "options": {"temperature": 0.1, "num_predict": 5}}
    body = effect(
        OLLAMA | params,
        reasoning_effort="none",
        response_format={"type": "text"},
        temperature=0.5,
        max_tokens=9,
    )
    assert (body["think"], "format" in body) == (False, False)
    assert (body["options"]["temperature"], body["options"]["num_predict"]) == (0.5, 9)


def test_a_limit_in_ollamas_options_bounds_a_call() -> None:
    target = target_of(checked(OLLAMA | {"options": {"num_predict": 5}}))
    assert bytes(target.params["max_tokens"]) == b"5"


def test_a_model_that_the_config_makes_think_may_reason() -> None:
    for think, thinks in ((True, True), ("low", True), (False, False)):
        assert may_reason(asked().fields(), target_of(checked(OLLAMA | {"think": think}))) is thinks


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"think": "maybe"}, "think: expected true, false, low, medium, high or max"),
        ({"format": "xml"}, "format: expected json, or a JSON schema"),
        ({"format": 7}, "format: expected json, or a JSON schema"),
        ({"options": [1]}, "options: expected a mapping of Ollama's options"),
        ({"options": {"num_ctx": "large"}}, "num_ctx: Expected `int | null`, got `str`"),
        ({"num_ctx": 0}, "num_ctx: Expected `int` >= 1"),
        ({"keep_alive": "soon"}, "keep_alive: expected a number of seconds, or a duration such as 5m or 24h"),
        ({"num_gpu": "all"}, "num_gpu: Expected `int | null`, got `str`"),
        ({"use_mmap": 7}, "use_mmap: Expected `bool | null`, got `int`"),
    ],
)
def test_what_ollama_would_refuse_at_every_call_is_an_error_at_start(
    params: dict[str, Any], error: str
) -> None:
    (reason,) = checked(OLLAMA | params).skipped
    assert reason == f"{PATH}{error}"


@pytest.mark.parametrize("params", [OPENAI, CLAUDE])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("think", True),
        ("format", "json"),
        ("options", {"num_ctx": 8192}),
        ("keep_alive", "5m"),
        ("num_ctx", 8192),
        ("num_gpu", 1),
        ("top_k_sampling", 3),
        ("base_prompt", "x"),
    ],
)
def test_a_word_that_a_provider_does_not_have_is_left_out_with_a_warning(
    params: dict[str, Any], name: str, value: Any
) -> None:
    warning = without_effect(params | {name: value}, name)
    assert warning.startswith(f"{name}: {params['model'].partition('/')[0]} has no word for it")
    assert warning.endswith("; it is left out")


@pytest.mark.parametrize("name", ["web_search_options", "logit_bias", "num_gqa", "verbosity"])
def test_ollama_is_not_sent_what_it_has_no_word_for(name: str) -> None:
    assert "it is left out" in without_effect(OLLAMA | {name: {"a": 1}}, name)


def test_an_option_that_ollama_does_not_have_is_left_out() -> None:
    found = checked(OLLAMA | {"options": {"num_gqa": 8, "num_ctx": 2048}})
    assert found.warnings == (f"{PATH}options.num_gqa: is none of Ollama's options; it is left out",)
    assert sent(target_of(found))["options"] == {"num_ctx": 2048}


@pytest.mark.parametrize(
    ("params", "name"),
    [
        (CLAUDE | {"temperature": 1.5}, "temperature"),
        (CLAUDE | {"reasoning_effort": "hardly"}, "reasoning_effort"),
        (OLLAMA | {"reasoning_effort": "hardly"}, "reasoning_effort"),
        (CLAUDE | {"seed": 1}, "seed"),
        (CLAUDE | {"seed": 1, "drop_params": True}, "seed"),
    ],
)
def test_a_value_that_a_translation_refuses_at_every_call_is_left_out(
    params: dict[str, Any], name: str
) -> None:
    assert "has no word for it, or not for this value; it is left out" in without_effect(params, name)


@pytest.mark.parametrize("params", [GROQ, VLLM])
@pytest.mark.parametrize("name", ["num_ctx", "think", "api_bsae"])
def test_a_compatible_server_is_sent_what_nobody_knows_with_a_warning(
    params: dict[str, Any], name: str
) -> None:
    found = checked(params | {name: 1})
    (warning,) = found.warnings
    assert warning.startswith(f"{PATH}{name}: unknown key, sent to the provider with every request")
    assert sent(target_of(found))[name] == 1


@pytest.mark.parametrize("params", EVERY)
@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("temperature", "hot", "temperature: Expected `float | null`, got `str`"),
        ("max_tokens", "many", "max_tokens: expected a whole number of 1 or more"),
        ("stop", 5, "stop: Expected `str | array | null`, got `int`"),
        ("n", 0, "n: Expected `int` >= 1"),
        ("response_format", "json", "response_format: Expected `object | null`, got `str`"),
        ("extra_body", {"seed": "one"}, "extra_body.seed: Expected `int | null`, got `str`"),
    ],
)
def test_a_parameter_of_the_wrong_type_is_an_error_at_start(
    params: dict[str, Any], name: str, value: Any, error: str
) -> None:
    (reason,) = checked(params | {name: value}).skipped
    assert reason == f"{PATH}{error}"


def test_numbers_of_the_environment_are_sent_as_numbers() -> None:
    env = {"HEAT": "0.2", "MOST": "100", "PICK": "True"}
    params = {"temperature": "os.environ/HEAT", "max_tokens": "os.environ/MOST"}
    for each in EVERY:
        found = checked(each | params, env)
        target = target_of(found)
        assert (bytes(target.params["temperature"]), bytes(target.params["max_tokens"])) == (b"0.2", b"100")


@pytest.mark.parametrize("params", EVERY)
@pytest.mark.parametrize("where", ["", "extra_body"])
@pytest.mark.parametrize("name", ["stream", "messages", "prompt"])
def test_what_a_request_says_itself_is_ignored_with_a_warning(
    params: dict[str, Any], where: str, name: str
) -> None:
    own: dict[str, Any] = {name: True if name == "stream" else []}
    found = checked(params | ({where: own} if where else own))
    target = target_of(found)
    assert found.warnings == (f"{PATH}{name}: each request says that itself; it is ignored",)
    plain = BACKENDS[target.dialect].chat_request(asked(), target, FACTS).body
    assert not json.loads(plain).get("stream")
    assert len(json.loads(plain)["messages"]) == 1


@pytest.mark.parametrize("params", EVERY)
def test_a_stream_of_false_is_what_a_request_says_by_default(params: dict[str, Any]) -> None:
    assert checked(params | {"stream": False}).warnings == ()


@pytest.mark.parametrize("params", EVERY)
@pytest.mark.parametrize("value", [{"include_usage": True}, {"include_obfuscation": False}])
def test_stream_options_of_the_config_break_no_plain_call(
    params: dict[str, Any], value: dict[str, bool]
) -> None:
    found = checked(params | {"stream_options": value})
    assert "stream_options" not in sent(target_of(found))
    assert len(found.warnings) == ("include_usage" not in value)


@pytest.mark.parametrize("params", EVERY)
@pytest.mark.parametrize(
    "name", ["extra_body", "temperature", "extra_headers", "headers", "metadata", "stop"]
)
def test_null_is_nothing(params: dict[str, Any], name: str) -> None:
    plain = sent(target_of(checked(params)))
    found = checked(params | {name: None})
    assert found.warnings == ()
    assert sent(target_of(found)) == plain
    unset = checked(params | {name: "os.environ/GONE"})
    assert sent(target_of(unset)) == plain
    assert len(unset.warnings) == 1


@pytest.mark.parametrize("params", EVERY)
@pytest.mark.parametrize("name", ["headers", "extra_headers"])
def test_headers_of_the_config_are_sent_under_both_names(params: dict[str, Any], name: str) -> None:
    given = {"X-Team": "red", "X-Version": 2, "X-Flag": True, "X-None": None, "X-Gone": "os.environ/GONE"}
    target = target_of(checked(params | {name: given}))
    headers = BACKENDS[target.dialect].chat_request(asked(), target, FACTS).headers
    assert (headers["x-team"], headers["x-version"], headers["x-flag"]) == ("red", "2", "true")
    assert not {"x-none", "x-gone"} & headers.keys()


def test_extra_headers_count_before_headers() -> None:
    target = target_of(checked(VLLM | {"headers": {"x-a": "1", "X-B": "2"}, "extra_headers": {"X-a": "3"}}))
    assert target.headers == {"x-a": "3", "x-b": "2"}


def test_a_date_in_a_header_is_its_text() -> None:
    text = "{model: hosted_vllm/x, api_base: http://gpu/v1, headers: {anthropic-version: 2023-06-01}}"
    assert target_of(checked(yaml.safe_load(text))).headers == {"anthropic-version": "2023-06-01"}


@pytest.mark.parametrize("name", ["headers", "extra_headers"])
@pytest.mark.parametrize("value", [["s3cret"], {"s3cret": 1}])
def test_a_header_of_many_values_is_refused_unshown(name: str, value: Any) -> None:
    (reason,) = checked(VLLM | {name: {"X-A": value}}).skipped
    assert reason == f"{PATH}{name}.x-a: expected a text"


def test_a_header_that_holds_a_key_goes_to_no_provider_that_nobody_named() -> None:
    (reason,) = checked({"model": "*", "headers": {"Authorization": "Bearer s3cret"}}).skipped
    assert reason.startswith(f"{PATH}headers: it would go to every provider")


@pytest.mark.parametrize(
    ("params", "retries"),
    [({"max_retries": 5}, 5), ({"max_retries": 5, "num_retries": 1}, 1), ({"max_retries": 0}, 0), ({}, None)],
)
def test_max_retries_are_the_retries_of_a_deployment(params: dict[str, int], retries: int | None) -> None:
    found = checked(OPENAI | params)
    assert (found.warnings, target_of(found).retries) == ((), retries)


async def _called(params: dict[str, Any], answer: bytes, **fields: Any) -> dict[str, Any]:
    upstream = FakeUpstream(Answer(body=answer))
    found = checked(params)
    ctx = model_ctx(upstream, config=document(params))
    assert found.warnings == ()
    if "input" in fields:
        body = json.dumps({"model": "m", **fields}).encode()
        await embeddings(decode_body(_EMBEDDINGS, body), ctx)
    else:
        await chat(asked(**fields), ctx)
    (request,) = upstream.requests
    sent_body: dict[str, Any] = json.loads(request.body)
    return sent_body


CHAT_ANSWER = (
    b'{"id":"1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"finish_reason":'
    b'"stop","message":{"role":"assistant","content":"Hi"}}],"usage":{"prompt_tokens":1,"completion_tokens":1}}'
)
CLAUDE_ANSWER = (
    b'{"id":"1","type":"message","role":"assistant","model":"m","stop_reason":"end_turn","content":[{"type":'
    b'"text","text":"Hi"}],"usage":{"input_tokens":1,"output_tokens":1}}'
)
OLLAMA_ANSWER = (
    b'{"model":"m","message":{"role":"assistant","content":"Hi"},"done":true,"done_reason":"stop",'
    b'"prompt_eval_count":1,"eval_count":1}'
)
VECTORS = b'{"object":"list","model":"m","data":[{"index":0,"embedding":[0.1]}],"usage":{"prompt_tokens":1}}'
ANSWERS = ((OPENAI, CHAT_ANSWER), (VLLM, CHAT_ANSWER), (CLAUDE, CLAUDE_ANSWER), (OLLAMA, OLLAMA_ANSWER))


@pytest.mark.parametrize(("params", "answer"), ANSWERS, ids=["openai", "vllm", "anthropic", "ollama"])
@pytest.mark.parametrize("key", ["drop_params", "additional_drop_params"])
def test_named_fields_are_not_sent(params: dict[str, Any], answer: bytes, key: str) -> None:
    names = ["temperature", "stop", "response_format.json_schema.strict", "tools[*].function.description"]
    function = {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {}}}
    tools = [{"type": "function", "function": function}, {"type": "function", "function": function}]
    body = asyncio.run(
        _called(params | {key: names}, answer, temperature=0.3, stop=["x"], top_p=0.5, tools=tools)
    )
    text = json.dumps(body)
    assert '"temperature"' not in text
    assert '"description"' not in text
    assert '"top_p"' in text
    assert text.count('"f"') == 2
    assert not {"stop", "stop_sequences"} & body.keys()


def test_a_named_field_of_the_configs_own_is_not_sent_either() -> None:
    target = target_of(checked(OPENAI | {"temperature": 0.2, "additional_drop_params": ["temperature"]}))
    assert target.params == {}


def test_a_limit_that_is_not_sent_bounds_nothing() -> None:
    target = target_of(checked(OPENAI | {"additional_drop_params": ["max_tokens"]}))
    request = asked(max_tokens=7, user="ada")
    assert ChatBounds(request, target).limited
    assert not ChatBounds(without(request, target.dropped), target).limited


def test_embeddings_are_sent_without_named_fields_too() -> None:
    params = OPENAI | {"drop_params": ["dimensions"]}
    body = asyncio.run(_called(params, VECTORS, input="x", dimensions=3, user="ada"))
    assert body == {"model": "gpt-4o", "input": "x", "user": "ada"}


def test_a_list_for_all_deployments_is_a_default() -> None:
    settings: dict[str, Any] = {"litellm_settings": {"drop_params": ["user"]}}
    assert target_of(checked(OPENAI, **settings)).dropped == (("user",),)
    own = OPENAI | {"drop_params": ["seed"], "additional_drop_params": ["stop"]}
    assert target_of(checked(own, **settings)).dropped == (("seed",), ("stop",))
    both = target_of(checked(OPENAI | {"drop_params": True}, **settings))
    assert (both.drop_params, both.dropped) == (True, (("user",),))


@pytest.mark.parametrize("name", ["model", "messages", "stream"])
def test_a_field_that_every_request_needs_is_not_dropped(name: str) -> None:
    found = checked(OPENAI | {"additional_drop_params": [name, "user"]})
    assert found.warnings == (
        f"{PATH}additional_drop_params: {name} can't be dropped, since every request needs it",
    )
    assert target_of(found).dropped == (("user",),)


@pytest.mark.parametrize("name", ["", ".", "a..b", "tools[x].y", "tools[*", "[*]"])
def test_what_names_no_field_is_an_error_at_start(name: str) -> None:
    (reason,) = checked(OPENAI | {"additional_drop_params": [name]}).skipped
    assert reason.startswith(f"{PATH}additional_drop_params: expected names of fields")
    (reason,) = checked(OPENAI | {"drop_params": [name]}).skipped
    assert reason.startswith(f"{PATH}drop_params: expected names of fields")


@given(
    st.lists(st.sampled_from(["a", "tools[*].a", "tools[0]", "a.b", "*", "a[*][*].b"]), max_size=4), st.data()
)
def test_taking_fields_out_never_fails_on_any_json(names: list[str], data: st.DataObject) -> None:
    values = st.recursive(
        st.none() | st.integers() | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
        max_leaves=8,
    )
    body = data.draw(st.fixed_dictionaries({"a": values, "tools": values}))
    fields = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in body.items()}
    paths = [path for name in names if (path := field_path(name)) is not None]
    changed = leave_out(fields, paths)
    after = {name: msgspec.json.decode(raw) for name, raw in fields.items()}
    assert changed == (after != body)


KNOWN = [
    *("temperature", "top_p", "max_tokens", "stop", "seed", "n", "tools", "tool_choice", "response_format"),
    *("reasoning_effort", "thinking", "think", "format", "options", "keep_alive", "num_ctx", "num_predict"),
    *("stream", "stream_options", "extra_body", "user", "logprobs", "colour", "parallel_tool_calls"),
    *("service_tier", "messages"),
]
PLAIN: st.SearchStrategy[Any] = st.none() | st.booleans() | st.integers(-2, 9)
TEXTS = st.sampled_from(["json", "low", "auto", "x", "5m", ""])
VALUES = (PLAIN | TEXTS) | st.lists(PLAIN | TEXTS, max_size=2)
VALUES = VALUES | st.dictionaries(st.sampled_from(KNOWN), VALUES, max_size=2)


@given(st.sampled_from(EVERY), st.dictionaries(st.sampled_from(KNOWN), VALUES, max_size=4))
def test_a_deployment_that_is_accepted_takes_a_call(params: dict[str, Any], more: dict[str, Any]) -> None:
    found = checked(params | more)
    if found.skipped:
        return
    target = target_of(found)
    tool = {"type": "function", "function": {"name": "f"}}
    refused = []
    for fields in ({}, {"stream": True}, {"tools": [tool]}):
        try:
            sent(target, **fields)
        except InvalidRequest as error:
            refused.append(error)
    assert len(refused) < 3
