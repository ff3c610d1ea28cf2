"""Earlier answers of other models, sent on to OpenAI's own hosts and to other servers."""

import json
from typing import Any

import msgspec
import pytest

from tests.models_registry.backends import test_fitting_openai as fitting
from tests.models_registry.backends.making import USER

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
