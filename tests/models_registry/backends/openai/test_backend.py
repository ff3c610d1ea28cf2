import base64
import json
import struct

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_registry.backends import BACKENDS
from models_registry.backends.openai.backend import OpenAI
from models_registry.backends.parameters import GATEWAY_FIELDS, STRIPPED, with_defaults
from models_registry.config.providers import PROVIDERS
from models_registry.dialects import Dialect
from models_registry.target import Target
from models_registry.turns.facts import CallFacts
from schema.chat import ChatRequest, Message
from schema.embeddings import EmbeddingsRequest
from schema.errors.base import GatewayError
from schema.errors.requests import InvalidRequest, UnsupportedParameter
from schema.errors.upstream import ProviderError, UpstreamMalformed
from schema.usage import RareMeters, Usage
from tests.models_registry.backends.chatting import chat_answer
from tests.models_registry.backends.making import FACTS, KEY, USER, body_of, chat, embeddings, target

BACKEND = OpenAI()
TARGET = target(Dialect.OPENAI)
ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "native-2026",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
    "x_new_field": {"kept": [1, 2.50]},
}


def sent(**fields: object) -> dict[str, object]:
    return body_of(BACKEND.chat_request(chat(**fields), TARGET, FACTS))


def answer(**changes: object) -> bytes:
    return json.dumps(ANSWER | changes).encode()


def respond(body: bytes) -> Usage | None:
    return chat_answer(body, chat(), TARGET, FACTS)[1]


def test_a_request_goes_out_with_the_providers_model_and_all_other_fields_untouched() -> None:
    raw = (
        b'{"temperature":0.30,"model":"public",'
        b'"messages":[{"role":"user","content":"\\u00e9","x":1}],"z":[1.0]}'
    )
    request = msgspec.json.decode(raw, type=ChatRequest)
    request.with_raw(msgspec.json.decode(raw, type=dict[str, msgspec.Raw]))
    out = BACKEND.chat_request(request, TARGET, FACTS)
    assert out.url == "http://upstream.test/chat/completions"
    assert out.body == raw.replace(b'"public"', b'"native"')


def test_a_request_built_in_code_goes_out_with_what_was_set() -> None:
    request = ChatRequest(model="public", messages=[Message(role="user", content="Hello")], max_tokens=5)
    body = body_of(BACKEND.chat_request(request, TARGET, FACTS))
    assert body == {"model": "native", "messages": [USER], "max_tokens": 5}


def test_only_the_deployments_credential_and_the_allowed_headers_go_out() -> None:
    facts = CallFacts(
        request_id="r", created=1, pass_on={"openai-beta": "x", "anthropic-beta": "y", "traceparent": "z"}
    )
    headers = BACKEND.chat_request(chat(), TARGET, facts).headers
    assert headers == {
        "content-type": "application/json",
        "authorization": f"Bearer {KEY}",
        "openai-beta": "x",
        "traceparent": "z",
    }


def test_the_configs_headers_win() -> None:
    configured = msgspec.structs.replace(TARGET, headers={"Authorization": "Basic abc", "X-Team": "a"})
    headers = BACKEND.chat_request(chat(), configured, FACTS).headers
    assert (headers["authorization"], headers["x-team"]) == ("Basic abc", "a")


def test_the_credential_is_not_in_what_a_log_would_show() -> None:
    assert KEY not in repr(BACKEND.chat_request(chat(), TARGET, FACTS))


def test_the_deployments_parameters_fill_what_the_caller_left_open() -> None:
    configured = target(Dialect.OPENAI, params={"temperature": 0.5, "max_tokens": 100, "top_k": 3})
    body = body_of(BACKEND.chat_request(chat(temperature=None, max_completion_tokens=7), configured, FACTS))
    assert (body["temperature"], body["top_k"]) == (0.5, 3)
    assert body["max_completion_tokens"] == 7
    assert "max_tokens" not in body
    assert body_of(BACKEND.chat_request(chat(temperature=0), configured, FACTS))["temperature"] == 0


@pytest.mark.parametrize("name", sorted(GATEWAY_FIELDS))
def test_a_field_of_the_gateway_is_refused_by_name_and_never_forwarded(name: str) -> None:
    with pytest.raises(UnsupportedParameter, match=f"'{name}'") as caught:
        sent(**{name: {"x": 1}})
    assert caught.value.param == name
    with pytest.raises(UnsupportedParameter):
        BACKEND.embeddings_request(embeddings(**{name: "x"}), TARGET, FACTS)
    asking_for_nothing: tuple[object, ...] = (None, [], {}, 0, False, "")
    for nothing in asking_for_nothing:
        assert name not in sent(**{name: nothing})


@pytest.mark.parametrize(
    "name",
    [
        *sorted(STRIPPED),
        "input_cost_per_token",
        "output_cost_per_token",
        "cache_read_input_token_cost",
        "input_cost_per_token_above_200k_tokens",
        "litellm_trace_id",
        "timeout",
        "max_retries",
        "request_timeout",
        "stream_timeout",
        "context_window_fallback_dict",
        "litellm_disabled_callbacks",
        "litellm_agent_id",
        "_litellm_tpm_reserved_tokens",
        "_agentic_loop_depth",
        "user_api_key_dict",
    ],
)
def test_a_field_of_litellms_own_never_reaches_a_provider(name: str) -> None:
    for value in ({"a": "b"}, ["x"], 7, True, "x", None):
        assert sent(**{name: value}) == sent()
        request = BACKEND.embeddings_request(embeddings(**{name: value}), TARGET, FACTS)
        assert body_of(request) == body_of(BACKEND.embeddings_request(embeddings(), TARGET, FACTS))


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize(
    "name", ["langfuse_secret_key", "langsmith_api_key", "dd_api_key", "azure_password", "vertex_project"]
)
def test_a_credential_for_another_service_never_reaches_a_provider(name: str, dialect: Dialect) -> None:
    with pytest.raises(UnsupportedParameter, match=f"'{name}'"):
        BACKENDS[dialect].chat_request(chat(**{name: "s3cret", "drop_params": True}), target(dialect), FACTS)


def test_a_name_that_litellm_and_the_server_both_know_is_the_providers() -> None:
    vllm = msgspec.structs.replace(TARGET, own_fields=frozenset({"priority"}))
    fields = {"priority": 5, "rpm": 3}
    assert body_of(BACKEND.chat_request(chat(**fields), vllm, FACTS))["priority"] == 5
    assert "rpm" not in body_of(BACKEND.chat_request(chat(**fields), vllm, FACTS))
    assert PROVIDERS["hosted_vllm"].own_fields == ("priority",)
    assert PROVIDERS["openai"].own_fields == ()


def test_names_that_only_look_alike_are_sent_on() -> None:
    fields = {"costume": 1, "prioritys": 2, "rpm_": 3, "reasoning_effort": "low", "request_id": "r"}
    assert fields.items() <= sent(**fields).items()


@pytest.mark.parametrize(
    "cache",
    [
        {"no-cache": True},
        {"no-store": True},
        {"use-cache": True},
        {"s-maxage": 600},
        {"ttl": 60, "namespace": "mine"},
        {"use-cache": False},
        {},
        None,
        False,
    ],
)
def test_what_any_cache_would_grant_is_no_reason_to_refuse(cache: object) -> None:
    assert sent(cache=cache) == sent()


@pytest.mark.parametrize(
    ("cache", "param"),
    [
        ({"type": "redis"}, "cache.type"),
        (True, "cache"),
        ("x", "cache"),
    ],
)
def test_a_cache_that_is_not_there_is_refused_by_name(cache: object, param: str) -> None:
    with pytest.raises(UnsupportedParameter) as caught:
        sent(cache=cache)
    assert caught.value.param == param


def test_fields_that_openai_has_too_are_forwarded() -> None:
    fields = {"user": "u", "store": True, "brand_new": 1, "max_completion_tokens": 3}
    assert fields.items() <= sent(**fields).items()
    assert "drop_params" not in sent(drop_params=True)


def test_labels_are_the_ledgers_and_go_no_further() -> None:
    assert sent(tags=["a"], litellm_session_id="s", litellm_metadata={"tags": ["b"]}) == sent()
    for kept_here in ({"tags": ["b"], "spend_logs_metadata": {}}, {"trace_name": "x"}, {"a": [1]}, "x", 5):
        assert sent(litellm_metadata=kept_here) == sent()
        request = BACKEND.embeddings_request(embeddings(litellm_metadata=kept_here), TARGET, FACTS)
        assert "litellm_metadata" not in body_of(request)


OPENAI_ITSELF = msgspec.structs.replace(TARGET, takes_metadata=True)
LABELS = {"trace_id": "t", "trace_user_id": "ada", "tags": ["a"], "nested": {"a": 1}, "count": 3}


@pytest.mark.parametrize("store", [..., False, None, "true", 1])
def test_metadata_stays_here_where_nothing_is_stored(store: object) -> None:
    fields = {"metadata": LABELS} | ({} if store is ... else {"store": store})
    for to in (TARGET, OPENAI_ITSELF):
        assert "metadata" not in body_of(BACKEND.chat_request(chat(**fields), to, FACTS))


def test_the_texts_of_metadata_go_to_openai_with_an_answer_to_store() -> None:
    def metadata(to: Target, **fields: object) -> object:
        return body_of(BACKEND.chat_request(chat(**fields), to, FACTS)).get("metadata")

    assert metadata(OPENAI_ITSELF, metadata=LABELS, store=True) == {"trace_id": "t", "trace_user_id": "ada"}
    assert metadata(OPENAI_ITSELF, metadata={"tags": ["a"]}, store=True) is None
    assert metadata(TARGET, metadata=LABELS, store=True) is None, "another server of the dialect"
    storing = msgspec.structs.replace(OPENAI_ITSELF, params={"store": msgspec.Raw(b"true")})
    assert metadata(storing, metadata=LABELS) == {"trace_id": "t", "trace_user_id": "ada"}
    labelled = msgspec.structs.replace(OPENAI_ITSELF, params={"metadata": msgspec.Raw(b'{"team":"red"}')})
    assert metadata(labelled) is None


def test_metadata_of_embeddings_stays_here() -> None:
    for fields in ({"metadata": LABELS}, {"metadata": LABELS, "store": True}):
        request = BACKEND.embeddings_request(embeddings(**fields), OPENAI_ITSELF, FACTS)
        assert "metadata" not in body_of(request)


def test_a_stream_is_asked_for_its_usage() -> None:
    assert sent(stream=True)["stream_options"] == {"include_usage": True}
    options = {"include_usage": False, "include_obfuscation": False}
    assert sent(stream=True, stream_options=options)["stream_options"] == options | {"include_usage": True}
    assert "stream_options" not in sent()


def test_an_answer_keeps_the_bytes_of_its_fields() -> None:
    completion, usage = chat_answer(answer(), chat(), TARGET, FACTS)
    assert completion.choices[0].message.content == "Hi"
    assert usage == Usage(prompt_tokens=5, completion_tokens=2)
    out = msgspec.json.encode(completion.fields())
    assert out.endswith(b'"x_new_field":{"kept": [1, 2.5]}}')
    assert list(completion.fields()) == list(ANSWER)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (None, None),
        ({}, None),
        ([1], None),
        ({"prompt_tokens": None, "completion_tokens": 3}, Usage(completion_tokens=3, estimated=True)),
        (
            {"prompt_tokens": 3, "completion_tokens": -1},
            Usage(prompt_tokens=3, estimated=True, input_reported=True),
        ),
        ({"prompt_tokens": 3.5}, Usage(prompt_tokens=4, estimated=True, input_reported=True)),
        ({"prompt_tokens": 3, "completion_tokens": 9.0}, Usage(prompt_tokens=3, completion_tokens=9)),
        ({"prompt_tokens": "3", "completion_tokens": "9"}, Usage(prompt_tokens=3, completion_tokens=9)),
        ({"prompt_tokens": 3, "total_tokens": 12}, Usage(prompt_tokens=3, completion_tokens=9)),
        ({"completion_tokens": 9, "total_tokens": 12}, Usage(prompt_tokens=3, completion_tokens=9)),
        ({"total_tokens": 12}, Usage(completion_tokens=12, estimated=True)),
        (
            {
                "prompt_tokens": 100,
                "completion_tokens": 50,
                "prompt_tokens_details": [],
                "completion_tokens_details": {"reasoning_tokens": "40", "audio_tokens": -2},
            },
            Usage(prompt_tokens=100, completion_tokens=50, reasoning_tokens=40),
        ),
        (
            {
                "prompt_tokens": 100,
                "completion_tokens": 50,
                "prompt_tokens_details": {"cached_tokens": 60, "audio_tokens": "none"},
                "completion_tokens_details": "n/a",
                "num_cached_tokens": {},
            },
            Usage(prompt_tokens=100, completion_tokens=50, cached_tokens=60),
        ),
        (
            {
                "prompt_tokens": 100,
                "completion_tokens": 50,
                "total_tokens": 150,
                "prompt_tokens_details": {"cached_tokens": 60, "audio_tokens": None},
                "completion_tokens_details": {"reasoning_tokens": 40},
            },
            Usage(prompt_tokens=100, completion_tokens=50, cached_tokens=60, reasoning_tokens=40),
        ),
        (  # xAI counts reasoning beside the completion
            {
                "prompt_tokens": 32,
                "completion_tokens": 31,
                "total_tokens": 493,
                "completion_tokens_details": {"reasoning_tokens": 430},
            },
            Usage(prompt_tokens=32, completion_tokens=461, reasoning_tokens=430),
        ),
        (  # Mistral counts audio beside the prompt
            {
                "prompt_tokens": 11,
                "completion_tokens": 15,
                "total_tokens": 401,
                "prompt_tokens_details": {"audio_tokens": 375},
            },
            Usage(prompt_tokens=386, completion_tokens=15, rare=RareMeters(audio_input_tokens=375)),
        ),
    ],
)
def test_usage_is_read_as_the_provider_means_it(usage: object, expected: Usage | None) -> None:
    assert respond(answer(usage=usage)) == expected


@pytest.mark.parametrize("spelling", ["NaN", "Infinity", "-Infinity", "1e999", r'"\ud800"'])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_what_clients_read_all_the_same_costs_no_answer_and_goes_on_untouched(
    spelling: str, mark: bytes
) -> None:
    body = mark + answer().replace(b'"kept"', b'"odd": %s, "kept"' % spelling.encode())
    completion, usage = chat_answer(body, chat(), TARGET, FACTS)
    assert completion.wire == body
    assert usage == Usage(prompt_tokens=5, completion_tokens=2)


def test_an_odd_usage_costs_no_service_tier() -> None:
    odd = {"prompt_tokens": 5, "completion_tokens": 2.0, "prompt_tokens_details": []}
    found = respond(answer(usage=odd, service_tier="priority"))
    assert found == Usage(prompt_tokens=5, completion_tokens=2, service_tier="priority")


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [("{}", 0), ('{"total_tokens":7}', 7), ('{"prompt_tokens":"7","total_tokens":7}', 7), ("[]", 0)],
)
@pytest.mark.parametrize("number", ["1.5", "NaN"])
def test_embeddings_with_an_odd_usage_or_nan_are_embeddings(usage: str, tokens: int, number: str) -> None:
    body = f'{{"data":[{{"index":0,"embedding":[0.5,{number}]}}],"model":"m","usage":{usage}}}'.encode()
    found, counted = BACKEND.embeddings_response(body, embeddings(), TARGET, FACTS)
    assert found.wire == body
    assert (counted.prompt_tokens if counted else 0) == tokens


@pytest.mark.parametrize("half", [r"\ud800", r"\uDFFF", r"a\udbffb"])
@pytest.mark.parametrize(
    "form",
    [
        '{{"data":[{{"index":0,"embedding":[0.5]}}],"model":"{half}","usage":{{"prompt_tokens":3}}}}',
        '{{"data":[{{"index":0,"embedding":[0.5]}}],"model":"m","usage":{{"prompt_tokens":3,"x":"{half}"}}}}',
        '{{"data":[{{"index":0,"embedding":[NaN],"x":"{half}"}}],"usage":{{"{half}":1,"prompt_tokens":3}}}}',
    ],
)
def test_embeddings_with_half_a_surrogate_pair_are_embeddings(form: str, half: str) -> None:
    body = form.format(half=half).encode()
    found, counted = BACKEND.embeddings_response(body, embeddings(), TARGET, FACTS)
    assert found.wire == body
    assert counted == Usage(prompt_tokens=3)
    msgspec.json.encode(found)


def test_an_error_with_nan_keeps_the_providers_words() -> None:
    body = b'\xef\xbb\xbf{"error":{"message":"too long","score":NaN}}'
    assert "too long" in BACKEND.error(400, {}, body, TARGET).message


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"<html>",
        b'{"choices":[]}',
        b'{"choices":{}}',
        b'{"a":',
        b"NaN",
        b"\xef\xbb\xbf",
        b"\xff",
        b"[" * 9999,
    ],
)
def test_what_is_no_completion_is_malformed(body: bytes) -> None:
    with pytest.raises(UpstreamMalformed):
        respond(body)


def test_an_error_in_a_200_is_that_error() -> None:
    with pytest.raises(ProviderError, match="slow down") as caught:
        respond(b'{"error":{"message":"slow down","code":429}}')
    assert caught.value.http_status == 429
    assert respond(answer(error=None)) is not None


@pytest.mark.parametrize("content", [[{"type": "text", "text": "Hi"}], {"title": "x"}, 5])
def test_a_message_of_another_shape_is_passed_on_all_the_same(content: object) -> None:
    message = {"role": "assistant", "content": content}
    body = answer(choices=[{"index": 0, "message": message, "finish_reason": "stop"}])
    completion, usage = chat_answer(body, chat(), TARGET, FACTS)
    assert json.loads(completion.choices[0].message.content or "") == content
    assert usage is not None
    assert json.loads(msgspec.json.encode(completion.fields())) == json.loads(body)


@given(st.binary(max_size=80))
def test_arbitrary_answers_end_in_an_error_of_ours(body: bytes) -> None:
    with pytest.raises(UpstreamMalformed):
        respond(body)
    with pytest.raises(UpstreamMalformed):
        BACKEND.embeddings_response(body, embeddings(), TARGET, FACTS)


VECTOR = [0.5, -1.25, 3.0]
PACKED = base64.b64encode(struct.pack("<3f", *VECTOR)).decode()


def vectors(embedding: object, **changes: object) -> bytes:
    data = [{"object": "embedding", "index": 0, "embedding": embedding}]
    usage = {"prompt_tokens": 3, "total_tokens": 3}
    return json.dumps({"object": "list", "data": data, "model": "m", "usage": usage} | changes).encode()


@pytest.mark.parametrize("asked", [None, "float", "base64"])
@pytest.mark.parametrize("given_as", [VECTOR, PACKED])
def test_embeddings_come_in_the_format_asked_for(asked: str | None, given_as: object) -> None:
    request = embeddings(encoding_format=asked)
    found, usage = BACKEND.embeddings_response(vectors(given_as), request, TARGET, FACTS)
    expected = {"float": VECTOR, "base64": PACKED, None: given_as}[asked]
    assert found.data[0].embedding == expected
    assert json.loads(msgspec.json.encode(found.fields()))["data"][0]["embedding"] == expected
    assert usage == Usage(prompt_tokens=3)


def test_an_embeddings_request_is_forwarded_with_the_providers_model() -> None:
    request = BACKEND.embeddings_request(embeddings(input=[[1, 2], [3]], dimensions=8, x=1), TARGET, FACTS)
    assert request.url == "http://upstream.test/embeddings"
    assert body_of(request) == {"model": "native", "input": [[1, 2], [3]], "dimensions": 8, "x": 1}
    built = EmbeddingsRequest(model="public", input="a")
    assert body_of(BACKEND.embeddings_request(built, TARGET, FACTS)) == {"model": "native", "input": "a"}


@pytest.mark.parametrize(
    "bad", ["!!", "AAAA", "AA==", base64.b64encode(struct.pack("<f", float("nan"))).decode()]
)
def test_base64_that_is_no_vector_is_malformed(bad: str) -> None:
    with pytest.raises(UpstreamMalformed):
        BACKEND.embeddings_response(vectors(bad), embeddings(encoding_format="float"), TARGET, FACTS)


def test_a_number_beyond_32_bits_is_malformed() -> None:
    with pytest.raises(UpstreamMalformed):
        BACKEND.embeddings_response(vectors([1e300]), embeddings(encoding_format="base64"), TARGET, FACTS)


def test_stream_options_that_are_no_object_are_refused() -> None:
    request = chat(stream=True)
    request.with_raw({**request.raw, "stream_options": msgspec.Raw(b"3")})
    with pytest.raises(InvalidRequest):
        BACKEND.chat_request(request, TARGET, FACTS)


def test_a_wrong_parameter_of_the_config_is_not_the_callers_fault() -> None:
    with pytest.raises(GatewayError, match="deployment-1") as caught:
        with_defaults(chat(), target(Dialect.OLLAMA, params={"temperature": "warm"}))
    assert caught.value.http_status == 500
