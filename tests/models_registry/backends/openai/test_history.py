"""Earlier answers of other models, sent on to OpenAI's own hosts and to other servers."""

import json
from typing import Any

import msgspec
import pytest

from functions.calls.chat_exchange import ChatExchange
from runtime.blueprint import check
from tests.models_registry.backends import test_fitting_openai as fitting
from tests.models_registry.backends.making import FACTS, USER, WEATHER, body_of, chat

Json = dict[str, Any]
BLOCK = {"type": "thinking", "thinking": "hm", "signature": "s"}
CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "x"}
ANSWER: Json = {"role": "assistant", "content": "a", "annotations": [], "refusal": None}
OWN = ["https://api.openai.com/v1", "https://eu.api.openai.com/v1"]
OTHER = ["http://gpu-1:8000/v1", "https://api.groq.com/openai/v1", "https://api.deepseek.com"]


def sent(
    base: str, *messages: Json, model: str = "openai/gpt-4o", **fields: Any
) -> tuple[list[Json], tuple[str, ...]]:
    made = fitting.exchange(fitting.target(model, base=base), messages=list(messages), **fields)
    outgoing = made.outgoing()
    found: list[Json] = json.loads(outgoing.body)["messages"]
    return found, made.changed + outgoing.changed


FOREIGN: list[tuple[Json, str]] = [
    ({"thinking_blocks": [BLOCK]}, "messages.thinking_blocks"),
    ({"thinking_blocks": None}, "messages.thinking_blocks"),
    ({"reasoning_content": "hm"}, "messages.reasoning_content"),
    ({"reasoning": "hm"}, "messages.reasoning"),
    ({"reasoning_details": [{"type": "x"}]}, "messages.reasoning_details"),
    ({"provider_specific_fields": {"citations": []}}, "messages.provider_specific_fields"),
]


@pytest.mark.parametrize(("fields", "name"), FOREIGN)
@pytest.mark.parametrize("stream", [False, True])
def test_what_openai_does_not_declare_is_left_out_there_alone(fields: Json, name: str, stream: bool) -> None:
    for base in OWN:
        found, changed = sent(base, USER, ANSWER | fields, USER, stream=stream)
        assert (found, changed) == ([USER, ANSWER, USER], (name,))
    for base in OTHER:
        found, changed = sent(base, USER, ANSWER | fields, USER, stream=stream)
        assert (found, changed) == ([USER, ANSWER | fields, USER], ())


def test_thinking_among_the_parts_is_left_out() -> None:
    for parts, kept in (
        ([BLOCK, {"type": "text", "text": "a"}], [{"type": "text", "text": "a"}]),
        ([{"type": "redacted_thinking", "data": "x"}], ""),
    ):
        found, changed = sent(OWN[0], USER, {"role": "assistant", "content": parts}, USER)
        assert (found[1]["content"], changed) == (kept, ("messages.content.thinking",))
        assert sent(OTHER[0], USER, {"role": "assistant", "content": parts}, USER)[0][1]["content"] == parts


def test_a_long_id_is_shortened_in_call_and_result() -> None:
    long, near = "call_1|fc_" + "a" * 60, "call_1|fc_" + "a" * 61
    calls = [CALL | {"id": long}, CALL | {"id": near}, CALL]
    results = [RESULT | {"tool_call_id": call["id"]} for call in calls]
    found, changed = sent(OWN[0], USER, {"role": "assistant", "tool_calls": calls}, *results)
    ids = [call["id"] for call in found[1]["tool_calls"]]
    assert [each["tool_call_id"] for each in found[2:]] == ids
    assert (len(set(ids)), max(map(len, ids)), ids[2]) == (3, 40, "call_1")
    assert changed == ("messages.tool_calls.id",)
    assert (
        sent(OTHER[0], USER, {"role": "assistant", "tool_calls": calls}, *results)[0][1]["tool_calls"]
        == calls
    )


def test_a_text_that_speaks_of_thinking_is_sent_as_it_is() -> None:
    answer = ANSWER | {"content": 'I said "reasoning_content" and "thinking".'}
    assert sent(OWN[0], USER, answer, USER) == ([USER, answer, USER], ())


def test_a_first_question_is_not_looked_into() -> None:
    target = fitting.target("openai/gpt-4o", base=OWN[0])
    made = fitting.exchange(target, messages=[USER | {"content": '"reasoning_content"'}])
    assert made.target is target


def test_bounds_are_those_of_what_is_sent() -> None:
    messages = [USER, ANSWER | {"reasoning_content": "x" * 10_000}, USER]
    own = fitting.exchange(fitting.target("openai/gpt-4o", base=OWN[0]), messages=messages).bounds()
    other = fitting.exchange(fitting.target("openai/gpt-4o", base=OTHER[0]), messages=messages).bounds()
    assert own.prompt_tokens < 1_000 < 10_000 < other.prompt_tokens
    assert msgspec.json.encode(messages)


HOSTS = {
    "mistral/mistral-medium-latest": "https://api.mistral.ai/v1",
    "groq/openai/gpt-oss-120b": "https://api.groq.com/openai/v1",
    "cerebras/gpt-oss-120b": "https://api.cerebras.ai/v1",
}


@pytest.mark.parametrize(("model", "base"), HOSTS.items())
def test_a_host_that_refuses_thinking_of_earlier_answers_does_not_get_it(model: str, base: str) -> None:
    answer = ANSWER | {"reasoning_content": "hm", "thinking_blocks": [BLOCK]}
    found, changed = sent(base, USER, answer, USER, model=model)
    assert not {"reasoning_content", "thinking_blocks"} & found[1].keys()
    assert set(changed) == {"messages.reasoning_content", "messages.thinking_blocks"}
    found, changed = sent(base, USER, ANSWER, USER, model=model)
    assert (found[1], changed) == (ANSWER, ())


def test_mistrals_own_thinking_goes_back_in_the_parts() -> None:
    parts = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "text", "text": "a"},
    ]
    found, changed = sent(
        HOSTS["mistral/mistral-medium-latest"],
        USER,
        {"role": "assistant", "content": parts},
        USER,
        model="mistral/mistral-medium-latest",
    )
    assert (found[1]["content"], changed) == (parts, ())


CALLS = [{"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}]
ASKED: list[Json] = [
    USER,
    {"role": "assistant", "content": None, "tool_calls": CALLS},
    {**USER, "content": "And then?"},
]


def at_deepseek(
    model: str = "deepseek/deepseek-v4-pro", **fields: Any
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What goes to a model of DeepSeek's, and what was changed."""
    document = {"model_list": [{"model_name": "m", "litellm_params": {"model": model, "api_key": "k"}}]}
    target = check(document, {}).registry.target("m", allowed=(), roll=0.0)
    exchange = ChatExchange(chat(**fields), target, FACTS)
    return body_of(exchange.outgoing()), exchange.changed


@pytest.mark.parametrize("model", ["deepseek/deepseek-v4-pro", "openrouter/deepseek/deepseek-v4-flash"])
@pytest.mark.parametrize("more", [{}, {"reasoning_effort": "high"}, {"thinking": {"type": "enabled"}}])
def test_an_answer_without_its_thinking_gets_a_blank_where_the_model_wants_it_back(
    model: str, more: dict[str, Any]
) -> None:
    """DeepSeek V4 refuses such a conversation, and an empty text in its place (hermes-agent, pull 18263)."""
    body, changed = at_deepseek(model, messages=ASKED, tools=[WEATHER], **more)
    assert [each.get("reasoning_content") for each in body["messages"]] == [None, " ", None]
    assert "messages.reasoning_content" in changed


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": [USER, {"role": "assistant", "content": "Hi."}, USER]},
        {"messages": ASKED, "tools": [WEATHER], "thinking": {"type": "disabled"}},
        {"messages": ASKED, "tools": [WEATHER], "reasoning_effort": "none"},
        {"messages": [USER, {**ASKED[1], "reasoning_content": "Hm."}, USER], "tools": [WEATHER]},
    ],
)
def test_other_conversations_with_it_stay_as_they_are(fields: dict[str, Any]) -> None:
    body, changed = at_deepseek(**fields)
    assert body["messages"] == fields["messages"]
    assert "messages.reasoning_content" not in changed


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "weather"}}])
def test_a_forced_tool_switches_thinking_off_where_both_do_not_go_together(choice: object) -> None:
    """DeepSeek says: Thinking mode does not support this tool_choice (DeepSeek-V3, issue 1376)."""
    body, changed = at_deepseek(tools=[WEATHER], tool_choice=choice)
    assert (body["thinking"], body["tool_choice"]) == ({"type": "disabled"}, choice)
    assert changed == ("thinking",)
    for fields in ({"thinking": {"type": "enabled"}}, {"reasoning_effort": "high"}):
        assert at_deepseek(tools=[WEATHER], tool_choice=choice, **fields)[0].get("thinking") != {
            "type": "disabled"
        }
    assert "thinking" not in at_deepseek(tools=[WEATHER], tool_choice="auto")[0]
    assert (
        "thinking"
        not in at_deepseek("openrouter/deepseek/deepseek-v4-pro", tools=[WEATHER], tool_choice=choice)[0]
    )


@pytest.mark.parametrize(
    ("model", "left"),
    [
        ("xai/grok-4.20-reasoning", ("frequency_penalty", "presence_penalty", "stop")),
        ("xai/grok-4.20-0309-non-reasoning", ()),
    ],
)
def test_what_xais_reasoning_models_refuse_is_left_out(model: str, left: tuple[str, ...]) -> None:
    fields = {"stop": ["a"], "presence_penalty": 0.5, "frequency_penalty": 0.5}
    body, changed = at_deepseek(model, drop_params=True, **fields)
    assert changed == left
    assert set(fields) - set(left) == fields.keys() & body.keys()
