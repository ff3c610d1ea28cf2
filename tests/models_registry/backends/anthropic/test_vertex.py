"""Claude on Vertex AI: the recorded requests are what the byte path sends, and errors are Google's."""

import json
from typing import Any

import msgspec
import pytest

from functions.calls.chat_exchange import ChatExchange
from functions.messages import MessagesExchange
from models_registry.backends import BACKENDS
from models_registry.backends.addresses import wanted
from models_registry.backends.anthropic.native import count_request
from models_registry.backends.models_list import models_request
from models_registry.dialects import Dialect
from models_registry.signing import GoogleSigning
from models_registry.target import Target
from runtime.blueprint import check
from schema.messages import CountRequest, MessagesRequest
from schema.secret import Secret
from schema.wire import decode_body
from tests.models_registry.backends.making import FACTS, chat, target
from tests.models_registry.backends.recordings import enough, exchanges

BASE = "https://aiplatform.googleapis.com/v1/projects/PROJECT/locations/global/publishers/anthropic"
VERSION = "vertex-2023-10-16"
_MESSAGES = msgspec.json.Decoder(MessagesRequest)
_COUNTS = msgspec.json.Decoder(CountRequest)


def claude(model: str = "claude-sonnet-4-5@20250929", base: str = BASE) -> Target:
    return msgspec.structs.replace(
        target(Dialect.ANTHROPIC, max_output_tokens=100),
        provider="vertex_ai",
        model=model,
        api_base=base,
        api_key=None,
        signing=GoogleSigning(),
        key_header="x-goog-api-key",
        body_version=VERSION,
    )


def test_recorded_requests_are_what_the_byte_path_sends() -> None:
    checked = 0
    for exchange in exchanges("raw_predict"):
        recorded = json.loads(exchange.request.body)
        body = json.dumps({"model": "public"} | recorded).encode()
        assert exchange.request.url is not None
        base = exchange.request.url.partition("/models/")[0]
        to = claude(exchange.model or "", base)
        sent = MessagesExchange(decode_body(_MESSAGES, body), to, FACTS).outgoing()
        assert sent.url == exchange.request.url, exchange.id
        assert json.loads(sent.body) == recorded | {"anthropic_version": VERSION}, exchange.id
        assert sent.signing == to.signing
        checked += 1
    assert checked > enough(25)


@pytest.mark.parametrize(("stream", "method"), [(False, "rawPredict"), (True, "streamRawPredict")])
def test_a_chat_request_names_the_model_in_the_address_alone(stream: bool, method: str) -> None:
    sent = ChatExchange(chat(stream=stream), claude(), FACTS).outgoing()
    assert sent.url == f"{BASE}/models/claude-sonnet-4-5@20250929:{method}"
    body = json.loads(sent.body)
    assert body["anthropic_version"] == VERSION
    assert "model" not in body
    assert not {"x-api-key", "anthropic-version", "authorization"} & sent.headers.keys()


def test_anthropics_own_form_is_as_before() -> None:
    sent = ChatExchange(chat(), target(Dialect.ANTHROPIC), FACTS).outgoing()
    assert "anthropic_version" not in json.loads(sent.body)
    assert sent.headers["anthropic-version"] == "2023-06-01"


def test_a_key_goes_in_googles_header() -> None:
    to = msgspec.structs.replace(claude(), api_key=Secret("AIza-key"), signing=None)
    assert ChatExchange(chat(), to, FACTS).outgoing().headers["x-goog-api-key"] == "AIza-key"
    assert models_request(to, FACTS) is None


def test_tokens_are_counted_at_an_address_of_their_own() -> None:
    body: dict[str, Any] = {"model": "public", "messages": [{"role": "user", "content": "Hi"}]}
    sent = count_request(decode_body(_COUNTS, json.dumps(body).encode()), claude(), FACTS)
    assert sent.url == f"{BASE}/models/count-tokens:rawPredict"
    model = "claude-sonnet-4-5@20250929"
    assert json.loads(sent.body) == body | {"model": model, "anthropic_version": VERSION}
    assert sent.signing is not None


def test_pictures_by_address_are_fetched_here() -> None:
    part = {"type": "image_url", "image_url": {"url": "https://pictures.test/a.png"}}
    request = chat(messages=[{"role": "user", "content": [part]}])
    assert [each.url for each in wanted(request, claude(), FACTS)] == ["https://pictures.test/a.png"]
    assert not wanted(request, target(Dialect.ANTHROPIC), FACTS)


@pytest.mark.parametrize("wrap", [lambda told: told, lambda told: [told]])
def test_errors_of_google_are_known_as_the_providers(wrap: Any) -> None:
    told = {"error": {"code": 503, "message": "Overloaded.", "status": "UNAVAILABLE"}}
    body = json.dumps(wrap(told)).encode()
    error = BACKENDS[Dialect.ANTHROPIC].error(503, {}, body, claude())
    assert error.answer is not None
    assert error.answer.in_envelope
    assert "Overloaded." in f"{error.message} {error.said}"
    own = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    error = BACKENDS[Dialect.ANTHROPIC].error(529, {}, json.dumps(own).encode(), claude())
    assert error.answer is not None
    assert error.answer.in_envelope


@pytest.mark.parametrize(
    ("model", "info", "native"),
    [
        ("claude-sonnet-4-5@20250929", {}, False),
        ("claude-opus-4-6", {}, False),
        ("claude-opus-4-6", {"supports_native_structured_output": True}, True),
        ("claude-opus-5-5", {}, True),
    ],
)
def test_schemas_and_strict_tools_are_those_of_the_host(
    model: str, info: dict[str, Any], native: bool
) -> None:
    """Vertex AI says: output_config: Extra inputs are not permitted (LiteLLM, issues 17755 and 21407)."""
    params = {"model": f"vertex_ai/{model}", "vertex_project": "p", "vertex_location": "global"}
    document = {"model_list": [{"model_name": "m", "litellm_params": params, "model_info": info}]}
    to = check(document, {}).registry.target("m", allowed=(), roll=0.0)
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}
    wanted_form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    body = json.loads(ChatExchange(chat(response_format=wanted_form), to, FACTS).outgoing().body)
    assert ("format" in body.get("output_config", {})) is native
    assert (body.get("tool_choice") == {"type": "tool", "name": "json_answer"}) is not native
    tool = {"type": "function", "function": {"name": "f", "parameters": schema, "strict": True}}
    exchange = ChatExchange(chat(tools=[tool]), to, FACTS)
    assert json.loads(exchange.outgoing().body)["tools"][0].get("strict") is (True if native else None)
    assert exchange.changed == (() if native else ("tools",))
