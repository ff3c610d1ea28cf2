"""The official OpenAI SDK, with nothing changed but its base_url and key."""

import asyncio
import base64
import json
import struct
import uuid
from decimal import Decimal

import openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionMessageParam, ChatCompletionToolParam

from runtime.local.model import Address
from schema.secret import key_hash_of
from tests.e2e.conftest import INPUT_USD, OUTPUT_USD
from tests.e2e.gateway import Gateway, Row
from tests.fakes.answers import COMPLETION_TOKENS, PROMPT_TOKENS, TEXT
from tests.fakes.hostile_upstream import HostileUpstream
from tests.fakes.tool_answers import CALLS

ASK: list[ChatCompletionMessageParam] = [{"role": "user", "content": "What carries the load?"}]
COST = PROMPT_TOKENS * Decimal(str(INPUT_USD)) + COMPLETION_TOKENS * Decimal(str(OUTPUT_USD))
DIALECTS = ("hostile", "anthropic", "ollama")
VECTOR = [0.25, -0.5, 0.125]
WEATHER: ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}


def client_of(gateway: Gateway, key: str, *, prefix: str = "/v1") -> openai.OpenAI:
    return openai.OpenAI(base_url=gateway.url + prefix, api_key=key, max_retries=0, timeout=60)


def named() -> tuple[str, dict[str, str]]:
    """An id for a call, and the header that puts it into its row."""
    call_id = f"e2e-{uuid.uuid4().hex}"
    return call_id, {"x-litellm-call-id": call_id}


def check_paid_row(row: Row, key: str, *, group: str, streamed: bool) -> None:
    assert (row.outcome, row.status, row.http_status) == ("ok", "success", 200)
    assert (row.api_key, row.key_alias) == (key_hash_of(key), "laptop")
    assert (row.call_type, row.model_group, row.streamed) == ("acompletion", group, streamed)
    assert (row.prompt_tokens, row.completion_tokens, row.estimated) == (
        PROMPT_TOKENS,
        COMPLETION_TOKENS,
        False,
    )
    assert Decimal(row.spend) == (0 if group.startswith("ollama/") else COST)
    assert 0 <= row.request_duration_ms < 60_000
    if streamed:
        assert row.ttft_ms is not None
        assert 0 <= row.ttft_ms <= row.request_duration_ms


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_plain_chat_call_is_answered_and_booked(gateway: Gateway, virtual_key: str, dialect: str) -> None:
    call_id, headers = named()
    answer = client_of(gateway, virtual_key).chat.completions.create(
        model=f"{dialect}/happy", messages=ASK, extra_headers=headers
    )
    assert answer.choices[0].message.content == "".join(TEXT)
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (PROMPT_TOKENS, COMPLETION_TOKENS)
    check_paid_row(gateway.row(call_id), virtual_key, group=f"{dialect}/happy", streamed=False)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("asked", [True, False])
def test_a_stream_ends_with_usage_where_that_was_asked_for(
    gateway: Gateway, virtual_key: str, dialect: str, asked: bool
) -> None:
    call_id, headers = named()
    stream = client_of(gateway, virtual_key).chat.completions.create(
        model=f"{dialect}/happy",
        messages=ASK,
        stream=True,
        extra_headers=headers,
        stream_options={"include_usage": True} if asked else openai.omit,
    )
    chunks = list(stream)
    text = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(text) == "".join(TEXT)
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    usages = [chunk.usage for chunk in chunks if chunk.usage is not None]
    assert [usage.completion_tokens for usage in usages] == ([COMPLETION_TOKENS] if asked else [])
    assert len({chunk.id for chunk in chunks}) == 1
    check_paid_row(gateway.row(call_id), virtual_key, group=f"{dialect}/happy", streamed=True)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_parallel_tool_calls_arrive_whole(gateway: Gateway, virtual_key: str, dialect: str) -> None:
    answer = client_of(gateway, virtual_key).chat.completions.create(
        model=f"{dialect}/parallel_tools", messages=ASK, tools=[WEATHER]
    )
    assert answer.choices[0].finish_reason == "tool_calls"
    check_calls(answer)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_parallel_tool_calls_of_a_stream_are_put_together_by_the_sdk(
    gateway: Gateway, virtual_key: str, dialect: str
) -> None:
    with client_of(gateway, virtual_key).chat.completions.stream(
        model=f"{dialect}/parallel_tools", messages=ASK, tools=[WEATHER]
    ) as stream:
        answer = stream.get_final_completion()
    assert answer.choices[0].finish_reason == "tool_calls"
    check_calls(answer)


def check_calls(answer: ChatCompletion) -> None:
    calls = answer.choices[0].message.tool_calls or []
    found = []
    for call in calls:
        assert call.type == "function"
        assert call.id
        found.append((call.function.name, json.loads(call.function.arguments)))
    assert found == [(name, arguments) for _, name, arguments in CALLS]
    assert len({call.id for call in calls}) == len(calls)


def test_the_tool_round_trip_reaches_each_dialect(
    gateway: Gateway, virtual_key: str, upstream: HostileUpstream
) -> None:
    """The assistant's two calls and their results go back; the answer to them comes."""
    call_ids = [id_ for id_, _, _ in CALLS]
    conversation: list[ChatCompletionMessageParam] = [
        *ASK,
        {
            "role": "assistant",
            "tool_calls": [
                {
                    "id": id_,
                    "type": "function",
                    "function": {"name": name, "arguments": json.dumps(arguments)},
                }
                for id_, name, arguments in CALLS
            ],
        },
        *({"role": "tool", "tool_call_id": id_, "content": f"result of {id_}"} for id_ in call_ids),  # type: ignore[list-item]
    ]
    for dialect in DIALECTS:
        answer = client_of(gateway, virtual_key).chat.completions.create(
            model=f"{dialect}/happy", messages=conversation, tools=[WEATHER]
        )
        assert answer.choices[0].message.content == "".join(TEXT)
        sent = upstream.requests[-1].body.decode()
        assert all(f"result of {id_}" in sent for id_ in call_ids)


def test_the_async_sdk_works_alike(gateway: Gateway, virtual_key: str) -> None:
    async def run() -> tuple[str | None, str]:
        client = openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=virtual_key, max_retries=0)
        async with client:
            answer = await client.chat.completions.create(model="hostile/happy", messages=ASK)
            stream = await client.chat.completions.create(model="hostile/happy", messages=ASK, stream=True)
            text = [chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]
            return answer.choices[0].message.content, "".join(text)

    assert asyncio.run(run()) == ("".join(TEXT), "".join(TEXT))


@pytest.mark.parametrize("prefix", ["/v1", ""])
def test_every_model_path_works_with_and_without_v1(gateway: Gateway, virtual_key: str, prefix: str) -> None:
    client = client_of(gateway, virtual_key, prefix=prefix)
    assert client.chat.completions.create(model="hostile/happy", messages=ASK).choices
    assert client.embeddings.create(model="hostile/happy", input="x").data
    assert "hostile/*" in {model.id for model in client.models.list()}
    assert client.models.retrieve("down").id == "down"


@pytest.mark.parametrize("dialect", ["hostile", "ollama"])
def test_embeddings_are_right_as_base64_and_as_floats(
    gateway: Gateway, virtual_key: str, dialect: str
) -> None:
    """The SDK asks for base64 by default and decodes it; a raw look sees what was on the wire."""
    client, model = client_of(gateway, virtual_key), f"{dialect}/happy"
    assert client.embeddings.create(model=model, input="x").data[0].embedding == VECTOR
    floats = client.embeddings.create(model=model, input=["x"], encoding_format="float")
    assert floats.data[0].embedding == VECTOR
    raw = gateway.post("/v1/embeddings", key=virtual_key, model=model, input="x", encoding_format="base64")
    packed = base64.b64decode(raw.json()["data"][0]["embedding"])
    assert list(struct.unpack("<3f", packed)) == VECTOR


def test_an_embedding_is_booked(gateway: Gateway, virtual_key: str) -> None:
    call_id, headers = named()
    client_of(gateway, virtual_key).embeddings.create(model="hostile/happy", input="x", extra_headers=headers)
    row = gateway.row(call_id)
    assert (row.call_type, row.outcome, row.prompt_tokens, row.completion_tokens) == (
        "aembedding",
        "ok",
        3,
        0,
    )
    assert Decimal(row.spend) == 3 * Decimal(str(INPUT_USD))


def test_a_key_sees_the_models_it_may_use_alone(gateway: Gateway) -> None:
    client = client_of(gateway, gateway.virtual_key("narrow", models=["down"]))
    assert [model.id for model in client.models.list()] == ["down"]
    assert client.models.retrieve("down").object == "model"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("hostile/*")


def test_the_answers_headers_tell_the_call_and_its_cost(gateway: Gateway, virtual_key: str) -> None:
    answer = client_of(gateway, virtual_key).chat.completions.with_raw_response.create(
        model="hostile/happy", messages=ASK
    )
    assert Decimal(answer.headers["x-litellm-response-cost"]) == COST
    assert answer.headers["x-litellm-model-group"] == "hostile/happy"
    assert uuid.UUID(answer.headers["x-litellm-call-id"]).version == 7


def test_the_callers_key_never_reaches_the_provider(
    gateway: Gateway, virtual_key: str, upstream: HostileUpstream
) -> None:
    client_of(gateway, virtual_key).chat.completions.create(model="hostile/happy", messages=ASK)
    seen = upstream.requests[-1]
    assert virtual_key not in str(seen.headers) + seen.body.decode()
    assert "cookie" not in seen.headers


def test_a_real_model_completes_and_its_call_is_free(
    gateway: Gateway, virtual_key: str, model: Address
) -> None:
    call_id, headers = named()
    answer = client_of(gateway, virtual_key).chat.completions.create(
        model="smollm2-local", messages=ASK, max_tokens=6, extra_headers=headers
    )
    assert answer.choices[0].message.content
    assert answer.usage is not None
    row = gateway.row(call_id)
    assert (row.prompt_tokens, row.completion_tokens) == (
        answer.usage.prompt_tokens,
        answer.usage.completion_tokens,
    )
    assert (row.outcome, Decimal(row.spend), row.estimated) == ("ok", Decimal(0), False)


def test_a_real_model_streams(gateway: Gateway, virtual_key: str, model: Address) -> None:
    call_id, headers = named()
    stream = client_of(gateway, virtual_key).chat.completions.create(
        model="smollm2-local", messages=ASK, max_tokens=6, stream=True, extra_headers=headers
    )
    chunks = list(stream)
    assert any(chunk.choices[0].delta.content for chunk in chunks if chunk.choices)
    assert all(chunk.usage is None for chunk in chunks)
    row = gateway.row(call_id)
    assert row.outcome == "ok"
    assert 0 < row.completion_tokens <= 6


def test_a_real_model_calls_a_tool(gateway: Gateway, virtual_key: str, model: Address) -> None:
    answer = client_of(gateway, virtual_key).chat.completions.create(
        model="smollm2-local",
        messages=[{"role": "user", "content": "What is the weather in Paris?"}],
        tools=[WEATHER],
        max_tokens=64,
        temperature=0,
    )
    (call,) = answer.choices[0].message.tool_calls or []
    assert call.type == "function"
    assert call.function.name == "get_weather"
    assert set(json.loads(call.function.arguments)) == {"city"}


def test_a_real_model_embeds(gateway: Gateway, virtual_key: str, model: Address) -> None:
    vectors = client_of(gateway, virtual_key).embeddings.create(model="smollm2-local", input=["one", "two"])
    assert [len(item.embedding) for item in vectors.data] == [576, 576]
    assert vectors.data[0].embedding != vectors.data[1].embedding


@pytest.mark.parametrize("name", ["ok", "with/a/slash"])
def test_azures_sdk_finds_the_model_in_its_path(gateway: Gateway, virtual_key: str, name: str) -> None:
    """Azure's client names the model in the path, and sends the key in a header of its own."""
    client = openai.AzureOpenAI(
        azure_endpoint=gateway.url, api_key=virtual_key, api_version="2024-10-21", max_retries=0
    )
    model = f"hostile/{name}"
    answer = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Hi"}])
    assert answer.choices[0].message.content
    streamed = client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": "Hi"}], stream=True
    )
    assert list(streamed)
    vectors = client.embeddings.create(model=model, input="Hi")
    assert vectors.data[0].embedding


def test_openais_sdk_works_at_azures_newer_address(gateway: Gateway, virtual_key: str) -> None:
    client = openai.OpenAI(base_url=f"{gateway.url}/openai/v1/", api_key=virtual_key, max_retries=0)
    answer = client.chat.completions.create(model="hostile/ok", messages=[{"role": "user", "content": "Hi"}])
    assert answer.choices[0].message.content
    assert client.embeddings.create(model="hostile/ok", input="Hi").data
    assert "down" in [model.id for model in client.models.list()]
    assert client.models.retrieve("down").id == "down"


@pytest.mark.parametrize("prefix", ["/openai/deployments/", "/engines/"])
@pytest.mark.parametrize("body", [{}, {"model": "another"}])
def test_the_model_in_the_path_counts_before_the_bodys(
    gateway: Gateway, virtual_key: str, prefix: str, body: dict[str, str]
) -> None:
    path = f"{prefix}hostile/ok/chat/completions?api-version=2024-10-21"
    messages = [{"role": "user", "content": "Hi"}]
    reply = gateway.post(path, key=virtual_key, messages=messages, **body)
    assert reply.status_code == 200, reply.text
    row = gateway.row(reply.headers["x-litellm-call-id"])
    assert (row.model_group, row.model) == ("hostile/ok", "ok")


def test_a_query_names_no_model(gateway: Gateway, virtual_key: str) -> None:
    messages = [{"role": "user", "content": "Hi"}]
    path = "/v1/chat/completions?model=down"
    reply = gateway.post(path, key=virtual_key, model="hostile/ok", messages=messages)
    assert reply.status_code == 200
