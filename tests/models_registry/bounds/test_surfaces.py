"""Bounds of calls on the byte paths of Messages and of legacy completions."""

import json
from typing import Any

import msgspec
import pytest

from models_registry.bounds.field_costs import CLIENT_TOOL_TOKENS
from models_registry.bounds.surfaces import CompletionsBounds, MessagesBounds
from models_registry.bounds.text import MAX_BOUND
from models_registry.dialects import Dialect
from models_registry.facts.allowances import IMAGE_TOKENS, TOOLS_TOKENS
from models_registry.target import Target
from schema.completions import CompletionsRequest
from schema.messages import MessagesRequest
from schema.wire import decode_body
from tests.models_registry.backends.making import PIXEL, target

CLAUDE = target(Dialect.ANTHROPIC, max_output_tokens=64_000)
SERVER = target(Dialect.OPENAI, max_output_tokens=1_000)
_MESSAGES = msgspec.json.Decoder(MessagesRequest)
_COMPLETIONS = msgspec.json.Decoder(CompletionsRequest)
HELLO = {"role": "user", "content": "Hello"}


def messages(at: Target = CLAUDE, **fields: Any) -> MessagesBounds:
    body = {"model": "public", "max_tokens": 100, "messages": [HELLO]} | fields
    return MessagesBounds(decode_body(_MESSAGES, json.dumps(body).encode()), at)


def completions(at: Target = SERVER, **fields: Any) -> CompletionsBounds:
    body = {"model": "public", "prompt": "Once"} | fields
    return CompletionsBounds(decode_body(_COMPLETIONS, json.dumps(body).encode()), at)


def block(*blocks: object) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(blocks)}]


def picture(data: str) -> dict[str, Any]:
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}


def test_the_output_is_bounded_by_the_limit_that_was_sent() -> None:
    assert messages().output_tokens == 100
    assert messages(max_tokens=9_999_999).output_tokens == 64_000
    assert messages(max_tokens=None).output_tokens == 64_000
    assert not messages(max_tokens=None).limited


def test_a_budget_of_thinking_is_inside_the_limit() -> None:
    bounds = messages(max_tokens=2000, thinking={"type": "enabled", "budget_tokens": 1024})
    assert (bounds.output_tokens, bounds.at_least) == (2000, 1024)
    assert messages(thinking={"type": "enabled", "budget_tokens": 5000}).output_tokens == 5000
    assert bounds.reasons


def test_all_text_counts_and_pictures_count_by_their_number() -> None:
    bare = messages().prompt_tokens
    assert messages(system="s" * 500).prompt_tokens >= bare + 500
    assert messages(messages=[{"role": "user", "content": "m" * 500}]).prompt_tokens >= bare + 490
    small, large = (messages(messages=block(picture(data))) for data in ("A" * 100, "A" * 100_000))
    assert small.images == large.images == 1
    assert small.prompt_tokens == large.prompt_tokens
    assert small.prompt_tokens >= IMAGE_TOKENS
    inside = {"type": "tool_result", "tool_use_id": "t", "content": [picture(PIXEL), picture(PIXEL)]}
    assert messages(messages=block(inside)).images == 2


def test_tools_count_with_what_the_provider_adds() -> None:
    bare = messages().prompt_tokens
    own = {"name": "f", "input_schema": {"type": "object"}}
    assert messages(tools=[own]).prompt_tokens >= bare + TOOLS_TOKENS + len(json.dumps([own])) - 4
    bash = messages(tools=[{"type": "bash_20250124", "name": "bash"}])
    assert bash.prompt_tokens >= bare + TOOLS_TOKENS + CLIENT_TOOL_TOKENS
    assert bash.unbounded_field() is None


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"system": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}]},
        {"messages": block({"type": "text", "text": "x", "citations": []}, picture(PIXEL))},
        {"messages": block({"type": "tool_result", "tool_use_id": "a", "content": "x", "is_error": True})},
        {"thinking": {"type": "adaptive", "display": "omitted"}, "output_config": {"effort": "high"}},
        {"tools": [{"name": "f", "input_schema": {}}], "tool_choice": {"type": "any"}},
        {"context_management": {"edits": [{"type": "clear_tool_uses_20250919", "keep": 3}]}},
        {"metadata": {"user_id": "u"}, "service_tier": "standard_only", "stop_sequences": ["x"]},
        {"thread": {"type": "create"}, "speed": "standard", "stream": True, "top_k": 4},
        {"mcp_servers": [], "container": None},
    ],
)
def test_what_claude_clients_send_has_a_bound(fields: dict[str, Any]) -> None:
    assert messages(**fields).unbounded_field() is None


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"mcp_servers": [{"type": "url", "url": "https://a.test"}]}, "mcp_servers"),
        ({"container": "c"}, "container"),
        ({"inference_geo": "us"}, "inference_geo"),
        ({"speed": "fast"}, "speed"),
        ({"thread": {"type": "continue", "id": "t"}}, "thread"),
        ({"compaction": {"type": "auto"}}, "compaction"),
        ({"future_field": 1}, "future_field"),
        ({"output_config": {"future": 1}}, "output_config.future"),
        ({"tools": [{"type": "web_search_20250305", "name": "s"}]}, "tools.web_search_20250305"),
        ({"tools": [{"type": "computer_toolset_20260801"}]}, "tools.computer_toolset_20260801"),
        ({"context_management": {"edits": [{"type": "compact_20260112"}]}}, "context_management"),
        ({"messages": block({"type": "document", "source": {}})}, "messages.content.document"),
        ({"messages": block({"type": "text", "text": "x", "future": 1})}, "messages.content.future"),
        (
            {
                "messages": block(
                    {
                        "type": "tool_result",
                        "tool_use_id": "t",
                        "content": [{"type": "document", "source": {}}],
                    }
                )
            },
            "messages.content.document",
        ),
        ({"service_tier": "priority"}, "service_tier"),
        ({"max_tokens": 0}, "max_tokens"),
    ],
)
def test_what_has_no_bound_is_named_and_can_be_let_through(fields: dict[str, Any], name: str) -> None:
    found = messages(**fields).unbounded_field()
    assert found is not None
    assert found.name == name
    freed = msgspec.structs.replace(CLAUDE, free_params=frozenset({name}))
    assert messages(freed, **fields).unbounded_field() is None


def test_a_place_is_told_by_its_path() -> None:
    found = messages(
        messages=[HELLO, *block({"type": "text", "text": "x"}, {"type": "odd"})]
    ).unbounded_field()
    assert found == ("messages[1].content[1]", "messages.content.odd")


def test_each_prompt_is_answered_as_often_as_asked() -> None:
    assert completions(max_tokens=10).output_tokens == 10
    assert completions(max_tokens=10, n=2).output_tokens == 20
    assert completions(max_tokens=10, n=2, best_of=5).output_tokens == 50
    assert completions(prompt=["a", "b", "c"], max_tokens=10, n=2).output_tokens == 60
    assert completions(prompt=[1, 2, 3], max_tokens=10).output_tokens == 10
    assert completions(prompt=[[1], [2]], max_tokens=10).output_tokens == 20
    assert (completions(prompt=["a", "b"]).answers, completions().output_tokens) == (2, 1_000)
    assert completions(prompt=["a"] * 100, n=128, max_tokens=2**31 - 1).output_tokens is not None
    assert (completions(prompt=["a"] * 100, n=128).output_tokens or 0) <= MAX_BOUND


def test_prompt_and_suffix_are_input() -> None:
    bare = completions().prompt_tokens
    assert completions(suffix="s" * 300).prompt_tokens >= bare + 300
    assert completions(prompt="p" * 300).prompt_tokens >= bare + 290
    assert completions(echo=True, logprobs=3, best_of=1).unbounded_field() is None
    odd = completions(future_field={"a": 1}).unbounded_field()
    assert odd == ("future_field", "future_field")
