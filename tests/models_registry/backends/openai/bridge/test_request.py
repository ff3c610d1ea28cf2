import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_registry.backends import BACKENDS
from models_registry.dialects import Dialect
from models_registry.facts.table import ModelFacts
from models_registry.target import Target
from schema.errors.requests import InvalidRequest, UnsupportedParameter
from schema.errors.upstream import ProviderError, UpstreamCut, UpstreamMalformed
from tests.models_registry.backends.chatting import chat_answer, chat_stream
from tests.models_registry.backends.feeding import Outcome, feed_all_ways, run
from tests.models_registry.backends.making import (
    FACTS,
    USER,
    WEATHER,
    body_of,
    chat,
    deltas,
    embeddings,
    finishes,
    target,
)

TO = target(Dialect.RESPONSES)
RESPONSES = BACKENDS[Dialect.RESPONSES]
THINKING = msgspec.structs.replace(TO, facts=ModelFacts(provider="openai", model="gpt-5", reasoning=True))
CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Rome"}'}}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}


def sent(to: Target = TO, **fields: Any) -> dict[str, Any]:
    return body_of(RESPONSES.chat_request(chat(**fields), to, FACTS))


def test_parameters_have_their_names_in_responses() -> None:
    body = sent(
        max_tokens=50, temperature=0.3, top_p=0.5, reasoning_effort="low", verbosity="high", user="u",
        logprobs=True, top_logprobs=2, prompt_cache_key="k", service_tier="flex", stream=True,
    )  # fmt: skip
    del body["input"]
    assert body == {
        "model": "native",
        "store": False,
        "stream": True,
        "max_output_tokens": 50,
        "temperature": 0.3,
        "top_p": 0.5,
        "reasoning": {"effort": "low"},
        "text": {"verbosity": "high"},
        "user": "u",
        "top_logprobs": 2,
        "include": ["message.output_text.logprobs"],
        "prompt_cache_key": "k",
        "service_tier": "flex",
    }


def test_a_limit_below_openais_least_is_raised_and_named() -> None:
    request = RESPONSES.chat_request(chat(max_tokens=1), TO, FACTS)
    assert (body_of(request)["max_output_tokens"], request.changed) == (16, ("max_tokens",))


def test_a_conversation_becomes_items() -> None:
    picture = {"type": "image_url", "image_url": {"url": "https://a.test/x.png", "detail": "low"}}
    paper = {"type": "file", "file": {"file_data": "data:application/pdf;base64,AA==", "filename": "a.pdf"}}
    answer = {"role": "assistant", "content": "I look.", "refusal": "No more.", "tool_calls": [CALL]}
    result = {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "sunny"}, picture]}
    question = {"role": "user", "content": [{"type": "text", "text": "Hi"}, picture, paper]}
    body = sent(messages=[{"role": "developer", "content": "Be brief."}, question, answer, result])
    image = {"type": "input_image", "image_url": "https://a.test/x.png", "detail": "low"}
    assert body["input"] == [
        {"type": "message", "role": "developer", "content": "Be brief."},
        {
            "type": "message",
            "role": "user",
            "content": [
                {"type": "input_text", "text": "Hi"},
                image,
                {"type": "input_file", "file_data": "data:application/pdf;base64,AA==", "filename": "a.pdf"},
            ],
        },
        {
            "type": "message",
            "role": "assistant",
            "content": [
                {"type": "output_text", "text": "I look."},
                {"type": "refusal", "refusal": "No more."},
            ],
        },
        {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": '{"city":"Rome"}'},
        {
            "type": "function_call_output",
            "call_id": "c1",
            "output": [{"type": "input_text", "text": "sunny"}, image],
        },
    ]


def test_thinking_that_openai_sealed_goes_back_to_it_and_no_other_does() -> None:
    blocks = [
        {"type": "redacted_thinking", "data": "openai:SEALED"},
        {"type": "redacted_thinking", "data": "anthropics"},
        {"type": "thinking", "thinking": "Hm.", "signature": "google:x"},
    ]
    answer = {"role": "assistant", "content": "Yes.", "thinking_blocks": blocks}
    body = sent(THINKING, messages=[USER, answer, USER])
    assert body["include"] == ["reasoning.encrypted_content"]
    assert body["input"][1] == {"type": "reasoning", "summary": [], "encrypted_content": "SEALED"}
    assert [each["type"] for each in body["input"]] == ["message", "reasoning", "message", "message"]
    for dialect in (Dialect.ANTHROPIC, Dialect.BEDROCK, Dialect.GEMINI, Dialect.OLLAMA, Dialect.COHERE):
        made = BACKENDS[dialect].chat_request(
            chat(messages=[USER, answer, USER], max_tokens=9), target(dialect), FACTS
        )
        assert b"SEALED" not in made.body


def test_tools_and_their_choice() -> None:
    body = sent(tools=[WEATHER], tool_choice={"type": "function", "function": {"name": "weather"}})
    assert body["tools"][0]["strict"] is False, "a missing one is true at OpenAI"
    assert body["tools"][0]["name"] == "weather"
    assert body["tool_choice"] == {"type": "function", "name": "weather"}
    for choice in ("auto", "none", "required"):
        assert sent(tools=[WEATHER], tool_choice=choice)["tool_choice"] == choice
    assert "tool_choice" not in sent(tool_choice="auto")


def test_a_schema() -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA, "strict": True}}
    told = {"type": "json_schema", "name": "a", "schema": SCHEMA, "strict": True}
    assert sent(response_format=wanted)["text"] == {"format": told}
    assert sent(response_format={"type": "json_object"})["text"] == {"format": {"type": "json_object"}}
    assert "text" not in sent(response_format={"type": "text"})


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"stop": "x"}, "stop"),
        ({"seed": 1}, "seed"),
        ({"n": 2}, "n"),
        ({"logit_bias": {"1": 1}}, "logit_bias"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tools": [WEATHER], "tool_choice": "any"}, "tool_choice"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema.schema"),
        ({"messages": [{"role": "narrator", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
        (
            {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]},
            "messages[0].content[0].input_audio",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "file", "file": {}}]}]},
            "messages[0].content[0].file",
        ),
        ({"messages": []}, "messages"),
    ],
)
def test_what_responses_lack_is_refused_by_name(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        sent(**fields)
    assert caught.value.param == param


def test_under_drop_params_it_is_left_out_and_named() -> None:
    request = RESPONSES.chat_request(chat(stop="x", seed=1, drop_params=True), TO, FACTS)
    assert not {"stop", "seed"} & body_of(request).keys()
    assert set(request.changed) == {"stop", "seed"}


def test_embeddings_are_refused() -> None:
    with pytest.raises(UnsupportedParameter):
        RESPONSES.embeddings_request(embeddings(), TO, FACTS)
    with pytest.raises(UpstreamMalformed):
        RESPONSES.embeddings_response(b"{}", embeddings(), TO, FACTS)


def event(kind: str, **fields: object) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


HEAD = {"id": "r1", "model": "gpt-5", "created_at": 7, "status": "in_progress", "output": []}
USAGE = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
START = event("response.created", response=HEAD)
TEXT = event("response.content_part.added", output_index=0) + event("response.output_text.delta", delta="Hi.")
THOUGHT = event("response.reasoning_summary_text.delta", summary_index=0, delta="Hm") + event(
    "response.reasoning_summary_text.delta", summary_index=1, delta="So."
)
END = event("response.completed", response=HEAD | {"status": "completed", "usage": USAGE})
CUT_OFF = event(
    "response.incomplete",
    response=HEAD | {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
)
BEGUN = event(
    "response.output_item.added", output_index=1, item={"type": "function_call", "call_id": "c", "name": "f"}
)
DONE = event(
    "response.output_item.done",
    output_index=1,
    item={"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
)


def fed(body: bytes) -> Outcome:
    request = chat(stream=True)
    return feed_all_ways(lambda: chat_stream(request, TO, FACTS), body, [1, 50])


def test_thinking_text_and_calls_are_told_apart() -> None:
    argued = event("response.function_call_arguments.delta", output_index=1, delta='{"a":1}')
    found = fed(START + THOUGHT + TEXT + BEGUN + argued + DONE + END)
    assert found.error is None
    said = deltas(found.out)
    assert "".join(each.get("reasoning_content") or "" for each in said) == "Hm\n\nSo."
    assert "".join(each.get("content") or "" for each in said) == "Hi."
    calls = [call for each in said for call in each.get("tool_calls") or ()]
    assert "".join(call["function"].get("arguments") or "" for call in calls) == '{"a":1}'
    assert finishes(found.out) == ["tool_calls"]
    assert found.usage is not None
    assert (found.usage.prompt_tokens, found.usage.completion_tokens) == (3, 2)
    assert finishes(fed(START + TEXT + CUT_OFF).out) == ["length"]
    whole = [
        call for each in deltas(fed(START + BEGUN + DONE + END).out) for call in each.get("tool_calls") or ()
    ]
    assert "".join(call["function"].get("arguments") or "" for call in whole) == "{}"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (START + TEXT, UpstreamCut),
        (START + TEXT + b"data: [DONE]\n\n", UpstreamCut),
        (START + event("error", code="rate_limit_exceeded", message="slow down"), ProviderError),
        (
            START
            + event("response.failed", response=HEAD | {"error": {"code": "server_error", "message": "x"}}),
            ProviderError,
        ),
        (START + event("response.failed", response=HEAD), UpstreamMalformed),
        (TEXT + END, UpstreamMalformed),
        (START + b"data: rubbish\n\n", UpstreamMalformed),
        (b"", UpstreamMalformed),
        (b'{"error":{"message":"no such model","code":"model_not_found"}}', ProviderError),
    ],
)
def test_a_stream_that_breaks_says_how(body: bytes, kind: type[Exception]) -> None:
    assert isinstance(fed(body).error, kind)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"error": {"message": "x", "code": "rate_limit_exceeded"}}, ProviderError),
        (HEAD | {"status": "failed"}, UpstreamMalformed),
        ({"id": "r"}, UpstreamMalformed),
        ([], UpstreamMalformed),
    ],
)
def test_a_whole_answer_that_is_none(body: object, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        chat_answer(json.dumps(body).encode(), chat(), TO, FACTS)


PIECES = st.lists(
    st.sampled_from([START, TEXT, THOUGHT, BEGUN, DONE, END, CUT_OFF])
    | st.binary(max_size=40).map(lambda rubbish: b"data: " + rubbish + b"\n\n"),
    max_size=7,
)


@given(PIECES, st.integers(1, 40))
def test_any_bytes_end_in_an_answer_or_an_error(pieces: list[bytes], step: int) -> None:
    body = b"".join(pieces)
    whole = run(chat_stream(chat(stream=True), TO, FACTS), [body])
    cuts = [body[at : at + step] for at in range(0, len(body), step)]
    parts = run(chat_stream(chat(stream=True), TO, FACTS), cuts)
    assert whole.facts == parts.facts
    assert whole.done or whole.error is not None
