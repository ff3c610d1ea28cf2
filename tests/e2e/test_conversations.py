"""Conversations with a model that thinks and calls tools, by OpenAI's SDK, over HTTP."""

from typing import Any

import openai
import pytest

from tests.e2e.gateway import Gateway
from tests.fakes.hostile_upstream import HostileUpstream
from tests.fakes.thinking_answers import ANSWER, CALL, REDACTED, THINKING

MODEL = "anthropic/anthropic_thinks"
BUDGET: dict[str, Any] = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
TOOLS: Any = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
ASK: dict[str, Any] = {"role": "user", "content": "How is the weather in Rome?"}
RESULT: dict[str, Any] = {"role": "tool", "tool_call_id": CALL["id"], "content": "sunny"}


@pytest.fixture
def client(gateway: Gateway, virtual_key: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=virtual_key, max_retries=0, timeout=60)


def plain(client: openai.OpenAI, messages: Any, **fields: Any) -> dict[str, Any]:
    """The message of a whole answer, as a client sends it back."""
    answer = client.chat.completions.create(model=MODEL, messages=messages, tools=TOOLS, **fields)
    message: dict[str, Any] = answer.choices[0].message.model_dump(exclude_none=True)
    return message


def streamed(client: openai.OpenAI, messages: Any, **fields: Any) -> dict[str, Any]:
    """The message of a stream, collected piece by piece."""
    message: dict[str, Any] = {"role": "assistant", "content": "", "thinking_blocks": []}
    stream = client.chat.completions.create(
        model=MODEL, messages=messages, tools=TOOLS, stream=True, **fields
    )
    for chunk in stream:
        for choice in chunk.choices:
            delta = choice.delta.model_dump(exclude_none=True)
            message["content"] += delta.get("content") or ""
            message["thinking_blocks"] += delta.get("thinking_blocks") or []
            for call in delta.get("tool_calls") or ():
                calls = message.setdefault("tool_calls", [])
                if call.get("id"):
                    calls.append({"id": call["id"], "type": "function", "function": dict(call["function"])})
                else:
                    calls[-1]["function"]["arguments"] += call["function"]["arguments"]
    return message


@pytest.mark.parametrize("ask", [plain, streamed])
def test_signed_thinking_goes_through_the_sdk_and_back(
    client: openai.OpenAI, upstream: HostileUpstream, ask: Any
) -> None:
    first = ask(client, [ASK], extra_body=BUDGET)
    assert first["tool_calls"][0]["function"]["arguments"].replace(" ", "") == '{"city":"Rome"}'
    second = ask(client, [ASK, first, RESULT], extra_body=BUDGET)
    assert second["content"] == ANSWER["text"]
    sent: Any = upstream.requests[-1].fields
    assert sent["thinking"] == BUDGET["thinking"]
    assert sent["messages"][1]["content"] == [THINKING, REDACTED, CALL]
    third = ask(
        client, [ASK, first, RESULT, second, {"role": "user", "content": "And now?"}], extra_body=BUDGET
    )
    assert third["tool_calls"]


@pytest.mark.parametrize("ask", [plain, streamed])
def test_a_client_that_keeps_no_thinking_is_answered_without(
    client: openai.OpenAI, upstream: HostileUpstream, ask: Any
) -> None:
    first = ask(client, [ASK], extra_body=BUDGET)
    kept = {name: first[name] for name in ("role", "tool_calls")}
    second = ask(client, [ASK, kept, RESULT], extra_body=BUDGET)
    assert second["content"] == ANSWER["text"]
    sent: Any = upstream.requests[-1].fields
    assert "thinking" not in sent


def test_a_conversation_from_elsewhere_goes_on_and_the_reply_names_what_changed(
    client: openai.OpenAI,
) -> None:
    call = {"id": "call.1|fc:2", "type": "function", "function": {"name": "weather", "arguments": '{"ci'}}
    messages: Any = [
        {"role": "system", "content": "Be kind."},
        {"role": "assistant", "content": "Welcome", "reasoning_content": "hm"},
        {"role": "user", "content": " ", "name": "ada"},
        {"role": "assistant", "content": "\n", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call.1|fc:2", "content": "sunny"},
    ]
    answer = client.chat.completions.with_raw_response.create(
        model=MODEL, messages=messages, user="ada@example.com"
    )
    assert answer.parse().choices[0].message.content == ANSWER["text"]
    assert set(answer.headers["x-switchgear-changed"].split(", ")) == {
        "user",
        "tools",
        "messages",
        "messages.name",
        "messages.content",
        "messages.reasoning_content",
        "messages.tool_calls.id",
        "messages.tool_calls.function.arguments",
    }


def test_a_small_call_of_a_local_model_keeps_the_context_of_a_large_one(
    client: openai.OpenAI, upstream: HostileUpstream
) -> None:
    model, found = "ollama/keeps-its-context", []
    for size in (2, 12_000, 2):
        messages: Any = [{"role": "user", "content": "x" * size}]
        client.chat.completions.create(model=model, messages=messages)
        sent: Any = upstream.requests[-1].fields
        found.append(sent["options"]["num_ctx"])
    assert found == [4096, 16384, 16384]
    assert upstream.probes
