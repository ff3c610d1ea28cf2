"""The official Anthropic SDK, with nothing changed but its base_url and key, on three dialects."""

import json
import uuid
from decimal import Decimal
from typing import Any

import anthropic
import httpx
import pytest
from anthropic import beta_tool
from anthropic.types import Message, MessageParam, ToolParam

from runtime.local.model import Address
from schema.secret import key_hash_of
from tests.e2e.conftest import INPUT_USD, MAX_BODY_MB, OUTPUT_USD
from tests.e2e.gateway import Gateway, early_in_a_minute
from tests.fakes.answers import COMPLETION_TOKENS, PROMPT_TOKENS, TEXT
from tests.fakes.hostile_upstream import HostileUpstream
from tests.fakes.tool_answers import CALLS

ASK: list[MessageParam] = [{"role": "user", "content": "What carries the load?"}]
COST = PROMPT_TOKENS * Decimal(str(INPUT_USD)) + COMPLETION_TOKENS * Decimal(str(OUTPUT_USD))
DIALECTS = ("hostile", "anthropic", "ollama")
WEATHER: ToolParam = {
    "name": "get_weather",
    "description": "The weather in a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
TIME: ToolParam = {"name": "get_time", "input_schema": {"type": "object"}}


def client_of(gateway: Gateway, key: str) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=gateway.url, api_key=key, max_retries=0, timeout=60)


def named() -> tuple[str, dict[str, str]]:
    """An id for a call, and the header that puts it into its row."""
    call_id = f"e2e-{uuid.uuid4().hex}"
    return call_id, {"x-litellm-call-id": call_id}


def check_paid_row(gateway: Gateway, call_id: str, key: str, *, group: str, streamed: bool) -> None:
    row = gateway.row(call_id)
    assert (row.outcome, row.status, row.http_status) == ("ok", "success", 200)
    assert (row.api_key, row.call_type) == (key_hash_of(key), "anthropic_messages")
    assert (row.model_group, row.streamed, row.estimated) == (group, streamed, False)
    assert (row.prompt_tokens, row.completion_tokens) == (PROMPT_TOKENS, COMPLETION_TOKENS)
    assert Decimal(row.spend) == (0 if group.startswith("ollama/") else COST)


def check_text(message: Message) -> None:
    (block,) = message.content
    assert block.type == "text"
    assert block.text == "".join(TEXT)
    assert (message.type, message.role, message.stop_reason) == ("message", "assistant", "end_turn")
    assert (message.usage.input_tokens, message.usage.output_tokens) == (PROMPT_TOKENS, COMPLETION_TOKENS)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_plain_call_is_answered_and_booked(gateway: Gateway, virtual_key: str, dialect: str) -> None:
    call_id, headers = named()
    message = client_of(gateway, virtual_key).messages.create(
        model=f"{dialect}/happy", max_tokens=64, messages=ASK, system="Be brief.", extra_headers=headers
    )
    check_text(message)
    check_paid_row(gateway, call_id, virtual_key, group=f"{dialect}/happy", streamed=False)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_stream_is_put_together_by_the_sdk(gateway: Gateway, virtual_key: str, dialect: str) -> None:
    call_id, headers = named()
    with client_of(gateway, virtual_key).messages.stream(
        model=f"{dialect}/happy", max_tokens=64, messages=ASK, extra_headers=headers
    ) as stream:
        assert "".join(stream.text_stream) == "".join(TEXT)
        check_text(stream.get_final_message())
    check_paid_row(gateway, call_id, virtual_key, group=f"{dialect}/happy", streamed=True)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("streamed", [False, True])
def test_parallel_tool_calls_arrive_whole(
    gateway: Gateway, virtual_key: str, dialect: str, streamed: bool
) -> None:
    client = client_of(gateway, virtual_key)
    asked: Any = {
        "model": f"{dialect}/parallel_tools",
        "max_tokens": 64,
        "messages": ASK,
        "tools": [WEATHER, TIME],
    }
    if streamed:
        with client.messages.stream(**asked) as stream:
            message = stream.get_final_message()
    else:
        message = client.messages.create(**asked)
    assert message.stop_reason == "tool_use"
    calls = [block for block in message.content if block.type == "tool_use"]
    assert [(call.name, call.input) for call in calls] == [(name, given) for _, name, given in CALLS]
    assert len({call.id for call in calls}) == len(calls)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_tool_runner_goes_through_its_loop_without_a_thread(
    gateway: Gateway, virtual_key: str, dialect: str, upstream: HostileUpstream
) -> None:
    """The SDK opens a conversation that the server keeps. Where the provider is none of Anthropic's, it is
    told so in the word that it knows, and carries the conversation itself."""
    asked = []

    @beta_tool
    def get_weather(city: str) -> str:
        """The weather in a city."""
        asked.append(city)
        return "sunny"

    @beta_tool
    def get_time(zone: str, exact: bool) -> str:
        """The time in a zone."""
        asked.append(zone)
        return f"noon, {exact}"

    runner = client_of(gateway, virtual_key).beta.messages.tool_runner(
        model=f"{dialect}/tools_then_answer",
        max_tokens=64,
        messages=[{"role": "user", "content": "How is Zurich?"}],
        tools=[get_weather, get_time],
    )
    last = runner.until_done()
    assert [block.text for block in last.content if block.type == "text"] == ["".join(TEXT)]
    assert sorted(asked) == ["Europe/Zurich", "Zürich"]
    sent = upstream.requests[-1].body.decode()
    assert "noon, True" in sent


@pytest.mark.parametrize("header", ["x-api-key", "authorization"])
def test_the_key_is_taken_from_both_headers(gateway: Gateway, virtual_key: str, header: str) -> None:
    value = virtual_key if header == "x-api-key" else f"Bearer {virtual_key}"
    body = {"model": "anthropic/happy", "max_tokens": 9, "messages": ASK}
    answer = httpx.post(f"{gateway.url}/v1/messages?beta=true", json=body, headers={header: value})
    assert answer.status_code == 200
    assert answer.json()["type"] == "message"


def test_beta_and_version_reach_anthropic_and_the_key_does_not(
    gateway: Gateway, virtual_key: str, upstream: HostileUpstream
) -> None:
    client_of(gateway, virtual_key).beta.messages.create(
        model="anthropic/happy",
        max_tokens=9,
        messages=[{"role": "user", "content": "x"}],
        betas=["context-management-2025-06-27"],
        context_management={"edits": [{"type": "clear_tool_uses_20250919"}]},
    )
    seen = upstream.requests[-1]
    assert "context-management-2025-06-27" in seen.headers["anthropic-beta"]
    assert seen.headers["anthropic-version"] >= "2023-06-01"
    assert seen.fields["context_management"] == {"edits": [{"type": "clear_tool_uses_20250919"}]}
    assert virtual_key not in str(seen.headers) + seen.body.decode()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_tokens_are_counted(gateway: Gateway, virtual_key: str, dialect: str) -> None:
    found = client_of(gateway, virtual_key).messages.count_tokens(
        model=f"{dialect}/happy", messages=ASK, system="Be brief.", tools=[WEATHER]
    )
    if dialect == "anthropic":
        assert found.input_tokens == PROMPT_TOKENS
    else:
        assert 20 < found.input_tokens < 200


def test_errors_are_in_the_sdks_classes(gateway: Gateway, virtual_key: str) -> None:
    client = client_of(gateway, virtual_key)
    asked: Any = {"max_tokens": 9, "messages": ASK}
    with pytest.raises(anthropic.NotFoundError) as unknown:
        client.messages.create(model="nobody", **asked)
    body: Any = unknown.value.body
    assert (body["type"], body["error"]["type"]) == ("error", "not_found_error")
    assert body["error"]["details"]["error_code"] == "model_not_found"
    assert body["request_id"] == unknown.value.response.headers["request-id"] == unknown.value.request_id
    with pytest.raises(anthropic.AuthenticationError) as refused:
        client_of(gateway, "sk-nobody").messages.create(model="anthropic/happy", **asked)
    told: Any = refused.value.body
    assert (told["type"], told["error"]["type"]) == ("error", "authentication_error")
    with pytest.raises(anthropic.BadRequestError) as malformed:
        client.messages.create(model="hostile/happy", max_tokens=9, messages=[{"role": "odd"}])  # type: ignore
    assert "role" in malformed.value.message
    narrow = gateway.virtual_key("narrow-messages", models=["down"])
    with pytest.raises(anthropic.PermissionDeniedError):
        client_of(gateway, narrow).messages.create(model="anthropic/happy", **asked)
    long: Any = [{"role": "user", "content": "x" * (MAX_BODY_MB * 1024 * 1024 + 1)}]
    with pytest.raises(anthropic.APIStatusError) as large:
        client.messages.create(model="anthropic/happy", max_tokens=9, messages=long)
    too_large: Any = large.value.body
    assert (large.value.status_code, too_large["error"]["type"]) == (413, "request_too_large")


def test_a_wrong_method_is_told_in_anthropics_form(gateway: Gateway, virtual_key: str) -> None:
    answer = httpx.get(f"{gateway.url}/v1/messages", headers={"x-api-key": virtual_key})
    assert answer.status_code == 405
    assert answer.json()["type"] == "error"
    assert answer.json()["error"]["type"] == "invalid_request_error"


def test_a_providers_error_keeps_its_id_and_its_limits(gateway: Gateway, virtual_key: str) -> None:
    with pytest.raises(anthropic.APIStatusError) as failed:
        client_of(gateway, virtual_key).messages.create(
            model="anthropic/anthropic_overloaded", max_tokens=9, messages=ASK
        )
    body: Any = failed.value.body
    assert (failed.value.status_code, body["error"]["type"]) == (503, "overloaded_error")
    headers = failed.value.response.headers
    assert headers["llm_provider-request-id"] == "req_canned"
    assert headers["retry-after"] == "3"


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("anthropic/anthropic_overloaded", "overloaded_error"),
        ("hostile/error_frame", "api_error"),
        ("hostile/cut_after_event", "api_error"),
        ("ollama/ollama_out_of_memory", "api_error"),
    ],
)
def test_a_stream_that_breaks_raises_in_the_sdk(
    gateway: Gateway, virtual_key: str, model: str, kind: str
) -> None:
    call_id, headers = named()
    seen: list[str] = []

    def read() -> None:
        with client_of(gateway, virtual_key).messages.stream(
            model=model, max_tokens=64, messages=ASK, extra_headers=headers
        ) as stream:
            for event in stream:
                seen.append(event.type)

    with pytest.raises(anthropic.APIStatusError) as broken:
        read()
    body: Any = broken.value.body
    assert (body["type"], body["error"]["type"]) == ("error", kind)
    assert "message_stop" not in seen
    assert gateway.row(call_id).outcome != "ok"


def test_signed_thinking_goes_through_the_sdk_and_back(
    gateway: Gateway, virtual_key: str, upstream: HostileUpstream
) -> None:
    client = client_of(gateway, virtual_key)
    asked: Any = {
        "model": "anthropic/anthropic_thinks",
        "max_tokens": 2000,
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "tools": [{"name": "weather", "input_schema": {"type": "object"}}],
    }
    question: Any = {"role": "user", "content": [{"type": "text", "text": "Rome?"}]}
    with client.messages.stream(messages=[question], **asked) as stream:
        first = stream.get_final_message()
    assert [block.type for block in first.content] == ["thinking", "redacted_thinking", "tool_use"]
    call = first.content[-1]
    assert call.type == "tool_use"
    turns: Any = [
        question,
        {"role": "assistant", "content": first.content},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}]},
    ]
    second = client.messages.create(messages=turns, **asked)
    assert second.content[-1].type == "text"
    assert json.loads(upstream.requests[-1].body)["messages"][1]["content"][0]["signature"]


@pytest.mark.parametrize("streamed", [False, True])
def test_a_real_model_answers(gateway: Gateway, virtual_key: str, model: Address, streamed: bool) -> None:
    call_id, headers = named()
    client, asked = client_of(gateway, virtual_key), {"model": "smollm2-local", "max_tokens": 6}
    if streamed:
        with client.messages.stream(messages=ASK, extra_headers=headers, **asked) as stream:  # type: ignore
            message = stream.get_final_message()
    else:
        message = client.messages.create(messages=ASK, extra_headers=headers, **asked)  # type: ignore
    assert message.content[0].type == "text"
    assert message.stop_reason in ("end_turn", "max_tokens")
    row = gateway.row(call_id)
    assert (row.prompt_tokens, row.completion_tokens) == (
        message.usage.input_tokens + (message.usage.cache_read_input_tokens or 0),
        message.usage.output_tokens,
    )
    assert (row.outcome, Decimal(row.spend)) == ("ok", Decimal(0))


def test_a_real_model_calls_a_tool(gateway: Gateway, virtual_key: str, model: Address) -> None:
    message = client_of(gateway, virtual_key).messages.create(
        model="smollm2-local",
        max_tokens=64,
        messages=[{"role": "user", "content": "What is the weather in Paris?"}],
        tools=[WEATHER],
        tool_choice={"type": "tool", "name": "get_weather"},
        extra_body={"temperature": 0},
    )
    (call,) = [block for block in message.content if block.type == "tool_use"]
    assert call.name == "get_weather"
    assert set(call.input) == {"city"}
    assert message.stop_reason == "tool_use"


def test_a_spent_budget_and_a_limit_are_in_anthropics_words(gateway: Gateway) -> None:
    asked: Any = {"model": "anthropic/happy", "max_tokens": 64, "messages": ASK}
    poor = client_of(gateway, gateway.virtual_key("poor-messages", max_budget=1e-9))
    with pytest.raises(anthropic.APIStatusError) as spent:
        poor.messages.create(**asked)
    body: Any = spent.value.body
    assert (body["error"]["type"], body["error"]["details"]["error_code"]) == (
        "billing_error",
        "budget_exceeded",
    )
    slow = client_of(gateway, gateway.virtual_key("slow-messages", rpm_limit=1))
    early_in_a_minute(5)
    slow.messages.create(**asked)
    with pytest.raises(anthropic.RateLimitError) as limited:
        slow.messages.create(**asked)
    told: Any = limited.value.body
    assert told["error"]["type"] == "rate_limit_error"
    assert int(limited.value.response.headers["retry-after"]) >= 1


def test_a_budget_lets_a_stream_through_and_books_it(gateway: Gateway) -> None:
    key = gateway.virtual_key("funded-messages", max_budget=1)
    call_id, headers = named()
    with client_of(gateway, key).messages.stream(
        model="anthropic/happy", max_tokens=64, messages=ASK, extra_headers=headers
    ) as stream:
        check_text(stream.get_final_message())
    check_paid_row(gateway, call_id, key, group="anthropic/happy", streamed=True)
    spend = gateway.get("/key/info", key=key).json()["info"]["spend"]
    assert spend is not None
