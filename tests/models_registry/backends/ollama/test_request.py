import json

import pytest

from models_registry.backends.ollama.backend import Ollama
from models_registry.backends.ollama.options import BUCKETS
from models_registry.bounds.chat import ChatBounds
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

BACKEND = Ollama()
TARGET = target(Dialect.OLLAMA)
DROPPING = target(Dialect.OLLAMA, drop_params=True)
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Rome"}'}}
NOW = {"type": "function", "function": {"name": "now"}}


def sent(to: Target = TARGET, /, **fields: object) -> dict[str, object]:
    return body_of(BACKEND.chat_request(chat(**fields), to, FACTS))


def options(to: Target = TARGET, /, **fields: object) -> dict[str, object]:
    found = sent(to, **fields)["options"]
    assert isinstance(found, dict)
    return found


def messages(*given: object) -> object:
    return sent(messages=list(given))["messages"]


def test_the_smallest_request_says_all_that_the_server_would_guess() -> None:
    request = BACKEND.chat_request(chat(), TARGET, FACTS)
    assert request.url == "http://upstream.test/api/chat"
    assert body_of(request) == {
        "model": "native",
        "messages": [{"role": "user", "content": "Hello"}],
        "stream": False,
        "truncate": False,
        "shift": False,
        "options": {"num_ctx": 4096},
    }


def test_a_request_built_in_code_is_translated_as_well() -> None:
    request = ChatRequest(model="public", messages=[Message(role="user", content="Hello")], seed=3)
    assert body_of(BACKEND.chat_request(request, TARGET, FACTS))["options"] == {"seed": 3, "num_ctx": 4096}


def test_headers_of_other_providers_stay_here() -> None:
    pass_on = {"anthropic-beta": "b", "openai-beta": "c", "traceparent": "t"}
    headers = BACKEND.chat_request(
        chat(), TARGET, CallFacts(request_id="r", created=1, pass_on=pass_on)
    ).headers
    assert headers == {
        "content-type": "application/json",
        "authorization": f"Bearer {KEY}",
        "traceparent": "t",
    }


def test_sampling_goes_to_the_options() -> None:
    assert options(
        temperature=0,
        top_p=0.5,
        seed=7,
        stop="END",
        frequency_penalty=0.1,
        presence_penalty=0.2,
        top_k=5,
        min_p=0.05,
        max_tokens=100,
    ) == {
        "temperature": 0.0,
        "top_p": 0.5,
        "seed": 7,
        "stop": ["END"],
        "frequency_penalty": 0.1,
        "presence_penalty": 0.2,
        "top_k": 5,
        "min_p": 0.05,
        "num_predict": 100,
        "num_ctx": 4096,
    }
    assert options(max_tokens=1, max_completion_tokens=9)["num_predict"] == 9


def test_the_context_is_chosen_in_buckets_from_prompt_and_answer() -> None:
    def size(text: str, limit: int | None = None) -> object:
        return options(messages=[{"role": "user", "content": text}], max_tokens=limit)["num_ctx"]

    assert size("x" * 2000) == 4096
    assert size("x" * 4000) == 8192
    assert size("", 4096) == 8192
    assert size("x" * 50_000) == 32768
    assert size("x" * 10_000_000) == BUCKETS[-1]
    assert (
        options(tools=[{"type": "function", "function": {"name": "f", "description": "x" * 9000}}])["num_ctx"]
        == 8192
    )


def test_images_make_room_by_a_ceiling_and_not_by_their_bytes() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 400_000}}
    assert options(messages=[{"role": "user", "content": [picture]}])["num_ctx"] == 8192


def test_ollamas_own_options_pass_the_callers_before_the_configs() -> None:
    params = {
        "num_ctx": 2048,
        "keep_alive": "30m",
        "num_gpu": 0,
        "top_k": 9,
        "options": {"seed": 1, "top_k": 1},
    }
    configured = target(Dialect.OLLAMA, params=params)
    body = sent(configured)
    assert body["options"] == {"num_ctx": 2048, "num_gpu": 0, "top_k": 9, "seed": 1}
    assert body["keep_alive"] == "30m"
    body = sent(configured, num_ctx=8192, keep_alive=0, options={"num_gpu": 3, "stop": ["a"], "new_one": 1})
    assert body["options"] == {
        "num_ctx": 8192,
        "num_gpu": 3,
        "top_k": 9,
        "seed": 1,
        "stop": ["a"],
        "new_one": 1,
    }
    assert body["keep_alive"] == 0
    assert options(options={"num_ctx": 1000, "temperature": 0.1}, num_ctx=2000, temperature=0.2) == {
        "num_ctx": 2000,
        "temperature": 0.2,
    }
    assert sent(configured, options=None, num_ctx=None, keep_alive=None) == sent(configured)
    with pytest.raises(InvalidRequest, match="'options'"):
        sent(options=[1])


def test_a_limit_in_the_options_is_a_limit_and_none_leaves_the_gateways() -> None:
    assert options(options={"num_predict": 10_000})["num_ctx"] == 16384
    assert options(options={"num_predict": 5}, max_tokens=7)["num_predict"] == 7
    capped = target(Dialect.OLLAMA, params={"max_tokens": 64})
    for endless in (-1, -2, 0, "x", 1.5):
        assert options(capped, options={"num_predict": endless})["num_predict"] == 64
        assert "num_predict" not in options(options={"num_predict": endless})


@pytest.mark.parametrize("stream", [False, True])
def test_a_limit_in_the_options_is_held_for(stream: bool) -> None:
    def bounds(**fields: object) -> ChatBounds:
        return ChatBounds(chat(stream=stream, **fields), TARGET)

    assert bounds(options={"num_predict": 10}).output_tokens == 10
    assert bounds(options={"num_predict": 10}, max_tokens=20).output_tokens == 20
    assert (
        bounds(options={"num_ctx": 10, "num_thread": 2}, keep_alive=1, think=False).unbounded_field() is None
    )
    for endless in ({"num_predict": -1}, {"num_predict": "x"}):
        assert bounds(options=endless).unbounded_field() is not None
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    assert bounds(format=schema).prompt_tokens > bounds().prompt_tokens + 50


@pytest.mark.parametrize(
    ("params", "fields", "think"),
    [
        ({}, {"think": True}, True),
        ({}, {"think": "low"}, "low"),
        ({}, {"think": False, "reasoning_effort": "high"}, False),
        ({"think": False}, {}, False),
        ({"think": False}, {"reasoning_effort": "high"}, "high"),
        ({"reasoning_effort": "low"}, {"think": True}, True),
        ({"reasoning_effort": "low"}, {}, "low"),
        ({}, {"think": None}, None),
    ],
)
def test_thinking_is_as_the_caller_says_else_as_the_config_says(
    params: dict[str, object], fields: dict[str, object], think: object
) -> None:
    assert sent(target(Dialect.OLLAMA, params=params), **fields).get("think") == think


def test_a_format_of_ollamas_own_passes() -> None:
    schema = {"type": "object"}
    assert sent(format="json")["format"] == "json"
    assert sent(format=schema)["format"] == schema
    assert sent(target(Dialect.OLLAMA, params={"format": "json"}))["format"] == "json"
    request = BACKEND.chat_request(chat(format="json", response_format={"type": "text"}), TARGET, FACTS)
    assert ("format" in body_of(request), request.changed) == (False, ("format",))
    with pytest.raises(InvalidRequest, match="'think'"):
        sent(think=7)


def test_embeddings_are_cut_unless_asked_not_to() -> None:
    def embedded(to: Target = TARGET, **fields: object) -> dict[str, object]:
        return body_of(BACKEND.embeddings_request(embeddings(**fields), to, FACTS))

    assert embedded()["truncate"] is True
    assert embedded(truncate=False)["truncate"] is False
    assert embedded(truncate=None)["truncate"] is True
    strict = target(Dialect.OLLAMA, params={"truncate": False, "options": {"num_ctx": 5}})
    assert (embedded(strict)["truncate"], embedded(strict, truncate=True)["truncate"]) == (False, True)
    body = embedded(strict, keep_alive="1m", num_gpu=0, options={"num_thread": 2})
    assert (body["keep_alive"], body["options"]) == ("1m", {"num_ctx": 5, "num_gpu": 0, "num_thread": 2})


def test_text_parts_are_joined_and_images_are_bare_base64() -> None:
    content = [
        {"type": "text", "text": "a"},
        {"type": "image_url", "image_url": PIXEL},
        {"type": "text", "text": "b"},
    ]
    assert messages({"role": "user", "content": content}) == [
        {"role": "user", "content": "a\nb", "images": [PIXEL.partition(",")[2]]}
    ]


def test_a_developer_speaks_as_system_and_reasoning_goes_back_as_thinking() -> None:
    assert messages(
        {"role": "developer", "content": "a"},
        {"role": "assistant", "content": "b", "reasoning_content": "hm"},
    ) == [{"role": "system", "content": "a"}, {"role": "assistant", "content": "b", "thinking": "hm"}]


def test_calls_have_arguments_as_objects_and_results_the_name_of_their_function() -> None:
    assert messages(
        USER,
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
        {"role": "tool", "tool_call_id": "call_9", "content": "?"},
    ) == [
        {"role": "user", "content": "Hello"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"id": "call_1", "function": {"name": "weather", "arguments": {"city": "Rome"}}}],
        },
        {"role": "tool", "content": "sunny", "tool_name": "weather", "tool_call_id": "call_1"},
        {"role": "tool", "content": "?", "tool_call_id": "call_9"},
    ]


@pytest.mark.parametrize(
    ("choice", "names"),
    [
        (None, ["weather", "now"]),
        ("auto", ["weather", "now"]),
        ("none", None),
    ],
)
def test_tool_choice_is_said_by_the_tools_sent(choice: object, names: list[str] | None) -> None:
    tools = sent(tools=[WEATHER, NOW], tool_choice=choice).get("tools")
    assert (names is None) == (tools is None)
    if isinstance(tools, list):
        assert [tool["function"]["name"] for tool in tools] == names
        assert all(tool["type"] == "function" for tool in tools)


def test_structured_output_is_a_mode_or_the_schema_itself() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    assert sent(response_format={"type": "json_object"})["format"] == "json"
    assert sent(response_format=wanted)["format"] == schema
    assert "format" not in sent(response_format={"type": "text"})


@pytest.mark.parametrize(
    ("effort", "think"),
    [("none", False), ("minimal", "low"), ("low", "low"), ("high", "high"), ("max", "max"), ("xhigh", "max")],
)
def test_reasoning_effort_is_thinking(effort: str, think: object) -> None:
    assert sent(reasoning_effort=effort)["think"] == think


def test_a_strict_tool_is_named_where_its_call_is_not_held_to_its_schema() -> None:
    tool = {"type": "function", "function": {"name": "f", "strict": True}}
    free = Ollama().chat_request(chat(tools=[tool]), TARGET, FACTS)
    forced = Ollama().chat_request(chat(tools=[tool], tool_choice="required"), TARGET, FACTS)
    assert (free.changed, forced.changed) == (("tools.function.strict",), ())


def test_logprobs_are_asked_for() -> None:
    body = sent(logprobs=True, top_logprobs=3)
    assert (body["logprobs"], body["top_logprobs"]) == (True, 3)


REFUSED = [
    ("n", 2),
    ("logit_bias", {"1": 5}),
    ("response_format", {"type": "grammar"}),
    ("reasoning_effort", "extreme"),
    ("functions", [{"name": "f"}]),
    ("audio", {"voice": "x"}),
    ("verbosity", "low"),
    ("brand_new", 1),
]


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_what_cannot_be_honoured_is_refused_by_name_or_dropped_on_request(name: str, value: object) -> None:
    with pytest.raises(UnsupportedParameter, match=f"'{name}'") as caught:
        sent(**{name: value})
    assert caught.value.param == name
    for body in (sent(DROPPING, **{name: value}), sent(drop_params=True, **{name: value})):
        assert body == sent()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n", 1),
        ("user", "u"),
        ("logprobs", False),
        ("top_logprobs", 0),
        ("parallel_tool_calls", True),
        ("parallel_tool_calls", False),  # the gateway sees to it
        ("tool_choice", "required"),  # without a tool
        ("metadata", {}),
        ("store", False),
        ("stream_options", {"include_usage": True}),
        ("brand_new", None),
    ],
)
def test_what_changes_nothing_may_stand_there(name: str, value: object) -> None:
    assert sent(**{name: value}) == sent()


@pytest.mark.parametrize(
    ("message", "param"),
    [
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x/a.png"}}]},
            "messages[0].content[0].image_url",
        ),
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png,x"}}]},
            "messages[0].content[0].image_url",
        ),
        (
            {"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]},
            "messages[0].content[0].input_audio",
        ),
        ({"role": "narrator", "content": "x"}, "messages[0].role"),
        ({"role": "assistant", "function_call": {"name": "f"}}, "messages[0].function_call"),
    ],
)
def test_a_message_that_cannot_be_sent_is_refused_by_its_place(message: object, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        messages(message)
    assert caught.value.param == param


def test_no_message_would_only_load_the_model() -> None:
    with pytest.raises(InvalidRequest, match="empty"):
        messages()


def test_a_tool_that_is_not_there_cannot_be_chosen() -> None:
    with pytest.raises(InvalidRequest, match="'gone'"):
        sent(tools=[WEATHER], tool_choice={"type": "function", "function": {"name": "gone"}})


def test_an_embeddings_request_has_a_list_of_texts() -> None:
    request = BACKEND.embeddings_request(embeddings(dimensions=8, user="u"), TARGET, FACTS)
    assert request.url == "http://upstream.test/api/embed"
    assert body_of(request) == {"model": "native", "input": ["Hello"], "truncate": True, "dimensions": 8}
    configured = target(Dialect.OLLAMA, params={"num_ctx": 512, "keep_alive": 60})
    body = body_of(BACKEND.embeddings_request(embeddings(input=["a", "b"]), configured, FACTS))
    assert (body["input"], body["options"], body["keep_alive"]) == (["a", "b"], {"num_ctx": 512}, 60)


@pytest.mark.parametrize(
    "fields", [{"input": [1, 2]}, {"input": [[1], [2]]}, {"input": []}, {"encoding_format": "hex"}, {"x": 1}]
)
def test_an_embeddings_request_that_cannot_be_sent_is_refused_by_name(fields: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        BACKEND.embeddings_request(embeddings(**fields), TARGET, FACTS)
    assert caught.value.param == next(iter(fields))


def test_unicode_and_quotes_survive() -> None:
    text = 'Grüße "\\\n\u2028😀'
    assert json.loads(
        BACKEND.chat_request(chat(messages=[{"role": "user", "content": text}]), TARGET, FACTS).body
    )["messages"] == [{"role": "user", "content": text}]


@pytest.mark.parametrize("arguments", ["[", '{"city": "Ro', "3", "call me"])
def test_arguments_that_were_cut_go_on_as_they_are(arguments: str) -> None:
    message = {
        "role": "assistant",
        "tool_calls": [CALL | {"function": {"name": "f", "arguments": arguments}}],
    }
    request = BACKEND.chat_request(chat(messages=[USER, message, USER]), TARGET, FACTS)
    call = body_of(request)["messages"][1]["tool_calls"][0]
    assert call["function"]["arguments"] == {"arguments": arguments}
    assert request.changed == ("messages.tool_calls.function.arguments",)


def test_signed_thinking_is_thinking_and_what_has_no_place_is_named() -> None:
    blocks = [
        {"type": "thinking", "thinking": "h", "signature": "s"},
        {"type": "redacted_thinking", "data": "x"},
    ]
    answer = {
        "role": "assistant",
        "content": "a",
        "thinking_blocks": blocks,
        "cache_control": {"type": "ephemeral"},
    }
    part = {"type": "text", "text": "b", "cache_control": {"type": "ephemeral"}}
    named = {"role": "user", "content": [part], "name": "ada"}
    request = BACKEND.chat_request(chat(messages=[USER, answer, named]), TARGET, FACTS)
    assert body_of(request)["messages"][1] == {"role": "assistant", "content": "a", "thinking": "h"}
    assert set(request.changed) == {
        "messages.cache_control",
        "messages.content.cache_control",
        "messages.name",
    }
    told = {"role": "assistant", "content": "a", "thinking_blocks": blocks, "reasoning_content": "told"}
    request = BACKEND.chat_request(chat(messages=[USER, told, USER]), TARGET, FACTS)
    assert (body_of(request)["messages"][1]["thinking"], request.changed) == ("told", ())


REFERRING = {
    "type": "function",
    "function": {
        "name": "pay",
        "parameters": {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {}}},
    },
}


def test_several_tools_of_which_one_must_be_called_have_no_references() -> None:
    with pytest.raises(UnsupportedParameter, match="references") as caught:
        sent(tools=[WEATHER, REFERRING], tool_choice="required")
    assert caught.value.param == "tool_choice"
    assert sent(tools=[REFERRING], tool_choice="required")["format"] == REFERRING["function"]["parameters"]  # type: ignore[index]


def test_what_drop_params_drops_is_named() -> None:
    dropping = target(Dialect.OLLAMA, drop_params=True)
    fields = {
        "logit_bias": {"1": 1},
        "tools": [WEATHER, REFERRING],
        "tool_choice": "required",
        "reasoning_effort": "huge",
    }
    request = BACKEND.chat_request(chat(**fields), dropping, FACTS)
    assert set(request.changed) == {"logit_bias", "tool_choice", "reasoning_effort"}
