"""Requests in OpenAI's dialect as Google's, judged by the types of Google's own SDK."""

import json
from typing import Any  # JSON as Google reads it, without types

import msgspec
import pytest
from google.genai import types

from models_registry.backends import BACKENDS
from models_registry.dialects import Dialect
from models_registry.facts.table import ModelFacts
from models_registry.target import Target
from schema.chat import ChatRequest
from schema.errors.requests import InvalidRequest, UnsupportedParameter
from tests.models_registry.backends.making import FACTS, PIXEL, WEATHER, chat, embeddings, target

GEMINI = BACKENDS[Dialect.GEMINI]
Json = dict[str, Any]


def to(model: str = "gemini-2.5-flash", *, facts: Json | None = None, **more: Any) -> Target:
    known = ModelFacts(provider="gemini", model=model, **facts) if facts is not None else None
    return msgspec.structs.replace(
        target(Dialect.GEMINI, **more), model=model, facts=known, key_header="x-goog-api-key"
    )


def sent(request: ChatRequest, deployment: Target | None = None) -> Json:
    """The body, once Google's SDK has found nothing wrong with it."""
    made = GEMINI.chat_request(request, deployment or to(), FACTS)
    body: Json = json.loads(made.body)
    for turn in body["contents"]:
        types.Content.model_validate(turn)
    if "systemInstruction" in body:
        types.Content.model_validate(body["systemInstruction"])
    for tool in body.get("tools", []):
        types.Tool.model_validate(tool)
    if "toolConfig" in body:
        types.ToolConfig.model_validate(body["toolConfig"])
    if "generationConfig" in body:
        types.GenerationConfig.model_validate(body["generationConfig"])
    known = {"contents", "systemInstruction", "tools", "toolConfig", "generationConfig"}
    assert set(body) <= known | {"safetySettings", "labels", "cachedContent"}
    return body


def user(*content: object) -> Json:
    return {
        "role": "user",
        "content": list(content) if len(content) > 1 or isinstance(content[0], dict) else content[0],
    }


def call(id: str, name: str = "weather", arguments: str = '{"city":"Rome"}') -> Json:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def test_a_call_goes_to_the_models_own_address_with_the_key_in_a_header() -> None:
    made = GEMINI.chat_request(chat(), to(), FACTS)
    assert made.url == "http://upstream.test/v1beta/models/gemini-2.5-flash:generateContent"
    assert made.headers["x-goog-api-key"].startswith("sk-")
    assert "key" not in made.url
    streamed = GEMINI.chat_request(chat(stream=True), to(), FACTS)
    assert streamed.url.endswith(":streamGenerateContent?alt=sse")


@pytest.mark.parametrize(
    ("base", "model", "url"),
    [
        ("https://g.test/v1", "gemini-2.5-pro", "https://g.test/v1/models/gemini-2.5-pro:"),
        ("https://g.test", "models/gemini-2.5-pro", "https://g.test/v1beta/models/gemini-2.5-pro:"),
        ("https://g.test", "tunedModels/mine-1", "https://g.test/v1beta/tunedModels/mine-1:"),
        ("https://g.test", "../../files/x?y#z", "https://g.test/v1beta/models/..%2F..%2Ffiles%2Fx%3Fy%23z:"),
    ],
)
def test_a_models_name_stays_one_step_of_the_path(base: str, model: str, url: str) -> None:
    deployment = msgspec.structs.replace(to(model), api_base=base)
    assert GEMINI.chat_request(chat(), deployment, FACTS).url.startswith(url)


def test_parameters_have_googles_names() -> None:
    request = chat(
        temperature=0.3,
        top_p=0.9,
        top_k=40,
        max_completion_tokens=100,
        stop=["END"],
        seed=7,
        presence_penalty=0.1,
        frequency_penalty=0.2,
        logprobs=True,
        top_logprobs=3,
        safety_settings=[{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
    )
    body = sent(request)
    assert body["generationConfig"] == {
        "temperature": 0.3,
        "topP": 0.9,
        "topK": 40,
        "maxOutputTokens": 100,
        "stopSequences": ["END"],
        "seed": 7,
        "presencePenalty": 0.1,
        "frequencyPenalty": 0.2,
        "responseLogprobs": True,
        "logprobs": 3,
    }
    assert body["safetySettings"][0]["threshold"] == "BLOCK_NONE"
    assert sent(chat()) == {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}


@pytest.mark.parametrize(
    "fields",
    [
        {"n": 2},
        {"logit_bias": {"1": 2}},
        {"stop": list("abcdef")},
        {"modalities": ["text", "audio"]},
        {"audio": {"voice": "x"}},
        {"web_search_options": {}},
        {"reasoning_effort": "enormous"},
        {"response_format": {"type": "grammar"}},
        {"prediction": {"type": "content", "content": "x"}},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_what_google_has_no_field_for_is_refused_by_name_or_dropped(fields: Json) -> None:
    name = next(iter(fields))
    with pytest.raises(UnsupportedParameter) as caught:
        GEMINI.chat_request(chat(**fields), to(), FACTS)
    assert caught.value.param == name
    if name == "modalities":
        return
    made = GEMINI.chat_request(chat(**fields, drop_params=True), to(), FACTS)
    assert name in made.changed


def test_system_texts_stand_apart() -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
        user("Hello"),
    ]
    body = sent(chat(messages=messages))
    assert body["systemInstruction"] == {"parts": [{"text": "Be brief."}, {"text": "Be kind."}]}
    assert body["contents"] == [{"role": "user", "parts": [{"text": "Hello"}]}]
    without = sent(chat(messages=messages), to("gemma-3-27b-it", facts={"system": False}))
    assert without["contents"][0]["parts"] == [{"text": "Be brief."}, {"text": "Be kind."}, {"text": "Hello"}]
    assert "systemInstruction" not in without
    alone = sent(chat(messages=messages[:1]))
    assert alone["contents"] == [{"role": "user", "parts": [{"text": "."}]}]


def test_tools_and_their_results_go_by_name() -> None:
    messages = [
        user("Weather?"),
        {
            "role": "assistant",
            "content": "I look.",
            "tool_calls": [call("call_1__thought__QUJD"), call("call_2", "time", "")],
        },
        {"role": "tool", "tool_call_id": "call_1__thought__QUJD", "content": '{"degrees": 21}'},
        {"role": "tool", "tool_call_id": "call_2", "content": "noon"},
    ]
    body = sent(chat(messages=messages, tools=[WEATHER]))
    assert body["tools"][0]["functionDeclarations"][0]["parametersJsonSchema"]["type"] == "object"
    assert body["contents"][1:] == [
        {
            "role": "model",
            "parts": [
                {"text": "I look."},
                {"functionCall": {"name": "weather", "args": {"city": "Rome"}}, "thoughtSignature": "QUJD"},
                {"functionCall": {"name": "time", "args": {}}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"name": "weather", "response": {"degrees": 21}}},
                {"functionResponse": {"name": "time", "response": {"result": "noon"}}},
            ],
        },
    ]


@pytest.mark.parametrize(
    ("model", "signature"),
    [
        ("gemini-3-pro-preview", "skip_thought_signature_validator"),
        ("gemini-3.5-flash", "skip_thought_signature_validator"),
        ("gemini-2.5-flash", None),
        ("gemma-4-26b-a4b-it", None),
    ],
)
def test_a_call_of_another_provider_goes_on_where_signatures_are_demanded(
    model: str, signature: str | None
) -> None:
    messages = [
        user("Weather?"),
        {"role": "assistant", "content": None, "tool_calls": [call("toolu_1"), call("toolu_2")]},
        {"role": "tool", "tool_call_id": "toolu_1", "content": "x"},
        {"role": "tool", "tool_call_id": "toolu_2", "content": "y"},
    ]
    parts = sent(chat(messages=messages, tools=[WEATHER]), to(model))["contents"][1]["parts"]
    assert [part.get("thoughtSignature") for part in parts] == [signature, None]


def test_a_texts_signature_goes_back_with_it_and_another_providers_does_not() -> None:
    def answer(signature: str) -> Json:
        blocks = [{"type": "thinking", "thinking": "hm", "signature": signature}]
        messages = [
            user("a"),
            {"role": "assistant", "content": "b", "reasoning_content": "hm", "thinking_blocks": blocks},
            user("c"),
        ]
        request = chat(messages=messages)
        made = GEMINI.chat_request(request, to("gemini-3-pro-preview"), FACTS)
        assert ("messages.thinking_blocks" in made.changed) == (signature == "EqAnthropic")
        part: Json = sent(request)["contents"][1]["parts"][0]
        return part

    assert answer("google:QUJD") == {"text": "b", "thoughtSignature": "QUJD"}
    assert answer("EqAnthropic") == {"text": "b"}


@pytest.mark.parametrize("text", ['{"schema": {"$ref": "#/components/x"}}', '{"$defs": {}}'])
def test_a_result_that_speaks_of_schemas_is_a_text(text: str) -> None:
    """Google refuses a result with a reference that leads nowhere."""
    messages = [
        user("a"),
        {"role": "assistant", "tool_calls": [call("c1")]},
        {"role": "tool", "tool_call_id": "c1", "content": text},
    ]
    (part,) = sent(chat(messages=messages, tools=[WEATHER]))["contents"][2]["parts"]
    assert part["functionResponse"]["response"] == {"result": text}


@pytest.mark.parametrize("schema", [{}, {"properties": {}}, {"properties": {"a": {"type": "string"}}}])
def test_a_tools_parameters_are_an_object(schema: Json) -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
    (found,) = sent(chat(tools=[tool]))["tools"][0]["functionDeclarations"]
    assert found["parametersJsonSchema"] == {"properties": {}, **schema, "type": "object"} or (
        found["parametersJsonSchema"] == {**schema, "type": "object"}
    )


def test_a_result_without_its_call_is_refused() -> None:
    messages = [user("a"), {"role": "tool", "tool_call_id": "lost", "content": "x"}]
    with pytest.raises(InvalidRequest, match=r"messages\[1\]\.tool_call_id"):
        GEMINI.chat_request(chat(messages=messages), to(), FACTS)


def test_pictures_documents_and_sound() -> None:
    pdf = {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0="}}
    parts = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": PIXEL.replace("image/png", "image/jpg")}},
        {"type": "image_url", "image_url": "https://example.com/cat.webp?size=2"},
        {"type": "image_url", "image_url": "https://example.com/cat"},
        pdf,
        {"type": "file", "file": {"file_id": "gs://bucket/film.mp4"}},
        {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
    ]
    found = sent(chat(messages=[user(*parts)]))["contents"][0]["parts"]
    assert found[1]["inlineData"]["mimeType"] == "image/png"
    assert found[2] == {
        "fileData": {"mimeType": "image/webp", "fileUri": "https://example.com/cat.webp?size=2"}
    }
    assert found[3] == {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://example.com/cat"}}
    assert found[4] == {"inlineData": {"mimeType": "application/pdf", "data": "JVBERi0="}}
    assert found[5] == {"fileData": {"mimeType": "video/mp4", "fileUri": "gs://bucket/film.mp4"}}
    assert found[6] == {"inlineData": {"mimeType": "audio/wav", "data": "UklGRg=="}}


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/film.mp4",
        "https://youtu.be/abc",
        "https://www.youtube.com/watch?v=abc",
        "file:///etc/passwd",
        "data:video/mp4;base64,AAAA",
        "ftp://example.com/cat.png",
        "http://[::1",
        "https://[bad]/cat.png",
    ],
)
def test_a_picture_is_a_picture(url: str) -> None:
    """A film as a picture would cost what no hold covers."""
    part = {"type": "image_url", "image_url": {"url": url}}
    with pytest.raises((UnsupportedParameter, InvalidRequest)) as caught:
        GEMINI.chat_request(chat(messages=[user({"type": "text", "text": "x"}, part)]), to(), FACTS)
    assert caught.value.param == "messages[0].content[1].image_url"


@pytest.mark.parametrize(
    ("choice", "config"),
    [
        ("auto", {"mode": "AUTO"}),
        ("none", {"mode": "NONE"}),
        ("required", {"mode": "ANY"}),
        (
            {"type": "function", "function": {"name": "weather"}},
            {"mode": "ANY", "allowedFunctionNames": ["weather"]},
        ),
    ],
)
def test_tool_choice(choice: object, config: Json) -> None:
    body = sent(chat(tools=[WEATHER], tool_choice=choice))
    assert body["toolConfig"] == {"functionCallingConfig": config}


@pytest.mark.parametrize(
    ("model", "choice", "config", "changed"),
    [
        ("gemini-2.5-flash", None, {"mode": "VALIDATED"}, ()),
        ("gemini-3-pro-preview", "auto", {"mode": "VALIDATED"}, ()),
        ("gemini-2.5-flash", "required", {"mode": "ANY"}, ()),
        ("gemini-2.5-flash", "none", {"mode": "NONE"}, ()),
        ("gemini-2.0-flash", "auto", {"mode": "AUTO"}, ("tools.function.strict",)),
    ],
)
def test_a_strict_tool_holds_calls_to_their_schemas(
    model: str, choice: str | None, config: Json, changed: tuple[str, ...]
) -> None:
    strict = {"type": "function", "function": {"name": "now", "strict": True}}
    request = chat(tools=[strict, WEATHER], tool_choice=choice)
    assert sent(request, to(model))["toolConfig"] == {"functionCallingConfig": config}
    assert GEMINI.chat_request(request, to(model), FACTS).changed == changed


def test_structured_output() -> None:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {"$ref": {"type": "string"}, "one": {"$ref": "#/$defs/One", "description": "x"}},
        "$defs": {"One": {"type": ["string", "null"], "const": "a"}},
        "additionalProperties": False,
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema, "strict": True}}
    config = sent(chat(response_format=wanted))["generationConfig"]
    assert config["responseMimeType"] == "application/json"
    assert config["responseJsonSchema"] == {
        "type": "object",
        "properties": {"$ref": {"type": "string"}, "one": {"$ref": "#/$defs/One"}},
        "$defs": {"One": {"type": ["string", "null"], "const": "a"}},
        "additionalProperties": False,
    }
    assert sent(chat(response_format={"type": "json_object"}))["generationConfig"] == {
        "responseMimeType": "application/json"
    }
    assert "generationConfig" not in sent(chat(response_format={"type": "text"}))


BUDGETED: Json = {"budgeted": True}
TWO: Json = {"budgeted": False, "efforts": ("low", "high")}
FOUR: Json = {"budgeted": False, "efforts": ("minimal", "low", "medium", "high")}
ENABLED = {"thinking": {"type": "enabled", "budget_tokens": 3000}}
DISABLED = {"thinking": {"type": "disabled"}}


def budget(tokens: int, *, shown: bool = True) -> Json:
    return {"includeThoughts": shown, "thinkingBudget": tokens}


def level(word: str, *, shown: bool = True) -> Json:
    return {"includeThoughts": shown, "thinkingLevel": word}


@pytest.mark.parametrize(
    ("model", "facts", "fields", "config"),
    [
        ("gemini-2.5-flash", BUDGETED, {"reasoning_effort": "low"}, budget(1024)),
        ("gemini-2.5-flash", BUDGETED, {"reasoning_effort": "none"}, budget(0, shown=False)),
        ("gemini-2.5-pro", BUDGETED, {"reasoning_effort": "none"}, budget(128)),
        ("gemini-2.5-pro", BUDGETED, DISABLED, {"thinkingBudget": 128}),
        ("gemini-3-pro-preview", TWO, {"reasoning_effort": "minimal"}, level("low")),
        ("gemini-3-pro-preview", TWO, {"reasoning_effort": "none"}, level("low", shown=False)),
        ("gemini-3-pro-preview", TWO, {"reasoning_effort": "xhigh"}, level("high")),
        ("gemini-9-unheard-of", None, {"reasoning_effort": "medium"}, level("medium")),
        ("gemini-2.5-flash", BUDGETED, ENABLED, budget(3000)),
        ("gemini-2.5-flash", BUDGETED, {"thinking": {"type": "adaptive"}}, budget(-1)),
        ("gemini-2.5-flash", BUDGETED, DISABLED, {"thinkingBudget": 0}),
        ("gemini-3.5-flash", FOUR, ENABLED, level("medium")),
        ("gemini-3.5-flash", FOUR, DISABLED, {"thinkingLevel": "minimal"}),
    ],
)
def test_reasoning_by_model(model: str, facts: Json | None, fields: Json, config: Json) -> None:
    assert sent(chat(**fields), to(model, facts=facts))["generationConfig"]["thinkingConfig"] == config


def test_a_model_without_reasoning_refuses_a_level_or_drops_it() -> None:
    plain = to("gemini-2.0-flash", facts={"reasoning": False})
    with pytest.raises(UnsupportedParameter):
        GEMINI.chat_request(chat(reasoning_effort="low"), plain, FACTS)
    assert "generationConfig" not in sent(chat(reasoning_effort="low", drop_params=True), plain)
    assert "generationConfig" not in sent(chat(reasoning_effort="none"), plain)


def test_what_a_model_refuses_is_left_out_under_drop_params() -> None:
    deployment = msgspec.structs.replace(
        to("gemini-3.6-flash", drop_params=True), refuses=frozenset({"temperature", "top_p"})
    )
    fitted = GEMINI.fitted(chat(temperature=0.2, top_p=1, seed=1), deployment)
    assert fitted is not None
    assert fitted.changed == ("temperature",)
    assert sent(fitted.request, fitted.target)["generationConfig"] == {"topP": 1.0, "seed": 1}


def test_embeddings_are_one_batch() -> None:
    request = embeddings(input=["a", "b"], dimensions=256)
    made = GEMINI.embeddings_request(request, to("gemini-embedding-001"), FACTS)
    assert made.url == "http://upstream.test/v1beta/models/gemini-embedding-001:batchEmbedContents"
    body = json.loads(made.body)
    assert [each["model"] for each in body["requests"]] == ["models/gemini-embedding-001"] * 2
    assert body["requests"][1] == {
        "model": "models/gemini-embedding-001",
        "content": {"parts": [{"text": "b"}]},
        "outputDimensionality": 256,
    }
    found, usage = GEMINI.embeddings_response(
        b'{"embeddings": [{"values": [0.5, 1]}, {"values": [0, 2]}]}',
        request,
        to("gemini-embedding-001"),
        FACTS,
    )
    assert [each.embedding for each in found.data] == [[0.5, 1.0], [0.0, 2.0]]
    assert usage is None
