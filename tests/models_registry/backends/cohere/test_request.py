"""What goes to Cohere's v2 chat, and what is refused by name; and streams that break."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_registry.backends import BACKENDS
from models_registry.backends.content import FOLLOWS
from models_registry.dialects import Dialect
from models_registry.facts.table import ModelFacts
from models_registry.target import Target
from schema.errors.requests import InvalidRequest
from schema.errors.upstream import ProviderError, UpstreamCut, UpstreamMalformed
from tests.models_registry.backends.chatting import chat_answer, chat_stream
from tests.models_registry.backends.feeding import Outcome, feed_all_ways, run
from tests.models_registry.backends.making import (
    FACTS,
    PIXEL,
    USER,
    WEATHER,
    body_of,
    chat,
    chunks,
    deltas,
    embeddings,
    target,
)

TO = target(Dialect.COHERE)
COHERE = BACKENDS[Dialect.COHERE]
CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Rome"}'}}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "sunny"}
FILE = {"role": "user", "content": [{"type": "file", "file": {}}]}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}


def sent(to: Target = TO, **fields: Any) -> dict[str, Any]:
    return body_of(COHERE.chat_request(chat(**fields), to, FACTS))


def changed(to: Target = TO, **fields: Any) -> tuple[str, ...]:
    return COHERE.chat_request(chat(**fields), to, FACTS).changed


def test_parameters_have_coheres_names() -> None:
    body = sent(
        max_tokens=5, temperature=0.3, top_p=0.5, top_k=7, stop="END", seed=1, presence_penalty=0.1,
        safety_mode="STRICT", documents=[{"data": {"text": "x"}}], citation_options={"mode": "OFF"},
    )  # fmt: skip
    del body["messages"]
    assert body == {
        "model": "native",
        "stream": False,
        "max_tokens": 5,
        "temperature": 0.3,
        "p": 0.5,
        "k": 7,
        "stop_sequences": ["END"],
        "seed": 1,
        "presence_penalty": 0.1,
        "safety_mode": "STRICT",
        "documents": [{"data": {"text": "x"}}],
        "citation_options": {"mode": "OFF"},
    }
    request = COHERE.chat_request(chat(stream=True), TO, FACTS)
    assert request.url == "http://upstream.test/v2/chat"
    assert body_of(request)["stream"] is True


def test_a_conversation_with_tools_has_its_plan_beside_the_calls() -> None:
    answer = {"role": "assistant", "content": None, "tool_calls": [CALL], "reasoning_content": "I look."}
    messages = [{"role": "developer", "content": "Be brief."}, USER, answer, RESULT]
    body = sent(messages=messages, tools=[WEATHER])
    assert body["messages"] == [
        {"role": "system", "content": "Be brief."},
        USER,
        {"role": "assistant", "tool_plan": "I look.", "tool_calls": [CALL]},
        RESULT,
    ]
    assert body["tools"] == [WEATHER]


def test_thinking_of_an_answer_goes_to_models_that_reason() -> None:
    answer = {"role": "assistant", "content": "Hi.", "reasoning_content": "Hm."}
    messages = [USER, answer, USER]
    reasoning = msgspec.structs.replace(
        TO, facts=ModelFacts(provider="cohere", model="native", reasoning=True)
    )
    assert sent(reasoning, messages=messages)["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "Hm."},
        {"type": "text", "text": "Hi."},
    ]
    assert sent(messages=messages)["messages"][1] == {"role": "assistant", "content": "Hi."}
    assert changed(messages=messages) == ("messages.reasoning_content",)


def test_pictures_go_as_they_are() -> None:
    parts = [{"type": "text", "text": "See"}, {"type": "image_url", "image_url": {"url": PIXEL}}]
    assert sent(messages=[{"role": "user", "content": parts}])["messages"][0]["content"] == parts


@pytest.mark.parametrize(
    ("fields", "there"),
    [
        ({"tool_choice": "auto"}, None),
        ({"tool_choice": "required"}, "REQUIRED"),
        ({"tool_choice": "none"}, "NONE"),
        ({"tool_choice": {"type": "function", "function": {"name": "weather"}}}, "REQUIRED"),
    ],
)
def test_the_choice_of_tools(fields: dict[str, Any], there: str | None) -> None:
    assert sent(tools=[WEATHER], **fields).get("tool_choice") == there


@pytest.mark.parametrize(
    ("fields", "there"),
    [
        ({"reasoning_effort": "none"}, {"type": "disabled"}),
        ({"reasoning_effort": "high"}, {"type": "enabled"}),
        ({"thinking": {"type": "enabled", "budget_tokens": 9}}, {"type": "enabled", "token_budget": 9}),
        ({"thinking": {"type": "enabled", "token_budget": 9}}, {"type": "enabled", "token_budget": 9}),
        ({"thinking": {"type": "disabled"}}, {"type": "disabled"}),
        ({}, None),
    ],
)
def test_thinking_is_on_or_off(fields: dict[str, Any], there: object) -> None:
    assert sent(**fields).get("thinking") == there


CLOSED = {**SCHEMA, "required": ["city"], "additionalProperties": False}
STRICT = {"type": "function", "function": {"name": "town", "parameters": CLOSED, "strict": True}}
LOOSE = {"type": "function", "function": {"name": "now"}}


def test_strict_tools_are_strict_for_all() -> None:
    body = sent(tools=[STRICT, LOOSE])
    assert body["strict_tools"] is True
    assert body["tools"][0]["function"] == {"name": "town", "parameters": CLOSED}
    assert "strict_tools" not in sent(tools=[LOOSE, WEATHER])


def test_strict_is_refused_beside_a_tool_whose_fields_are_all_optional() -> None:
    with pytest.raises(InvalidRequest, match=r"no field of tools\[1\] is required") as refused:
        sent(tools=[STRICT, WEATHER])
    assert refused.value.param == "tools.function.strict"
    dropping = target(Dialect.COHERE, drop_params=True)
    assert "strict_tools" not in sent(dropping, tools=[STRICT, WEATHER])
    assert changed(dropping, tools=[STRICT, WEATHER]) == ("tools.function.strict",)


def test_log_probabilities_are_asked_for() -> None:
    assert sent(logprobs=True)["logprobs"] is True
    assert "logprobs" not in sent(logprobs=False, top_logprobs=0)


def test_a_schema_is_a_json_object_with_it() -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA}}
    assert sent(response_format=wanted)["response_format"] == {"type": "json_object", "json_schema": SCHEMA}
    assert sent(response_format={"type": "json_object"})["response_format"] == {"type": "json_object"}
    assert "response_format" not in sent(response_format={"type": "text"})


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"logit_bias": {"1": 1}}, "logit_bias"),
        ({"n": 2}, "n"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        (
            {
                "tools": [WEATHER, {"type": "function", "function": {"name": "time"}}],
                "tool_choice": {"type": "function", "function": {"name": "time"}},
            },
            "tool_choice",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "file", "file": {}}]}]},
            "messages[0].content[0].file",
        ),
        ({"messages": [{"role": "narrator", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
        ({"thinking": "much"}, "thinking"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema.schema"),
    ],
)
def test_what_cohere_lacks_is_refused_by_name(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        sent(**fields)
    assert caught.value.param == param


def test_pictures_of_results_follow_in_a_message_of_the_user() -> None:
    picture = {"type": "image_url", "image_url": {"url": PIXEL}}
    call = {"type": "function", "function": {"name": "look", "arguments": "{}"}}
    body = sent(
        messages=[
            {"role": "assistant", "tool_calls": [{"id": "1", **call}, {"id": "2", **call}]},
            {"role": "tool", "tool_call_id": "1", "content": [picture]},
            {"role": "tool", "tool_call_id": "2", "content": [{"type": "text", "text": "a page"}, picture]},
            {"role": "user", "content": "And now?"},
        ]
    )
    _, one, two, shown, asked = body["messages"]
    assert one == {"role": "tool", "tool_call_id": "1", "content": FOLLOWS}
    assert two == {"role": "tool", "tool_call_id": "2", "content": "a page"}
    assert shown == {"role": "user", "content": [picture, picture]}
    assert asked["content"] == "And now?"


def embed(**fields: Any) -> dict[str, Any]:
    made = COHERE.embeddings_request(embeddings(**fields), TO, FACTS)
    assert made.url == "http://upstream.test/v2/embed"
    body: dict[str, Any] = json.loads(made.body)
    return body


def test_embeddings_are_for_documents_where_nobody_says_anything() -> None:
    usual = {"model": "native", "texts": ["a", "b"], "embedding_types": ["float"]}
    assert embed(input=["a", "b"]) == usual | {"input_type": "search_document"}
    said = {"input_type": "search_query", "truncate": "NONE"}
    assert embed(input=["a", "b"], dimensions=256, user="ada", **said) == usual | said | {
        "output_dimension": 256
    }


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": [1, 2]}, "input"),
        ({"input": []}, "input"),
        ({"task_type": "RETRIEVAL_QUERY"}, "task_type"),
        ({"encoding_format": "int8"}, "encoding_format"),
    ],
)
def test_what_cohere_can_not_embed_is_refused_by_name(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        embed(**fields)
    assert caught.value.param == param


@pytest.mark.parametrize("body", [b"{}", b"[]", b"<html>", b'{"embeddings": {"int8": [[1]]}}'])
def test_an_answer_without_a_vector_for_each_text_is_none(body: bytes) -> None:
    with pytest.raises(UpstreamMalformed):
        COHERE.embeddings_response(body, embeddings(), TO, FACTS)


def event(kind: str, **delta: object) -> bytes:
    told = {"type": kind, "delta": delta} | ({"id": "a1"} if kind == "message-start" else {})
    return f"event: {kind}\ndata: {json.dumps(told)}\n\n".encode()


START = event("message-start", message={"role": "assistant", "content": []})
TEXT = event("content-start", message={"content": {"type": "text", "text": ""}}) + event(
    "content-delta", message={"content": {"text": "Hi."}}
)
END = event(
    "message-end", finish_reason="COMPLETE", usage={"billed_units": {"input_tokens": 3, "output_tokens": 2}}
)


def fed(body: bytes) -> Outcome:
    request = chat(stream=True)
    return feed_all_ways(lambda: chat_stream(request, TO, FACTS), body, [1, 50])


def logprob(text: str, *logprobs: float) -> dict[str, object]:
    return {"text": text, "token_ids": [1] * len(logprobs), "logprobs": list(logprobs)}


def entry(token: str, logprob: float) -> dict[str, object]:
    return {"token": token, "logprob": logprob, "bytes": list(token.encode()), "top_logprobs": []}


def test_log_probabilities_of_an_answer_are_those_of_its_text() -> None:
    said = {"content": [{"type": "thinking", "thinking": "Hm"}, {"type": "text", "text": "Hi né"}]}
    pieces = [logprob("Hm", -0.9), logprob("Hi", -0.5), logprob(" né", -0.25, -0.5)]
    answer = {"id": "c1", "message": said, "finish_reason": "COMPLETE", "logprobs": pieces}
    completion, _ = chat_answer(json.dumps(answer).encode(), chat(logprobs=True), TO, FACTS)
    assert json.loads(msgspec.json.encode(completion.choices[0].logprobs)) == {
        "content": [entry("Hi", -0.5), entry(" né", -0.75)],
        "refusal": None,
    }


@pytest.mark.parametrize("odd", [None, [], 5, "x", [{"text": 5}], [{"text": "Hi", "logprobs": None}]])
def test_log_probabilities_of_another_form_cost_no_answer(odd: object) -> None:
    said = {"content": [{"type": "text", "text": "Hi"}]}
    answer = {"id": "c1", "message": said, "finish_reason": "COMPLETE", "logprobs": odd}
    completion, _ = chat_answer(json.dumps(answer).encode(), chat(logprobs=True), TO, FACTS)
    assert completion.choices[0].message.content == "Hi"
    assert bytes(completion.choices[0].logprobs or b"") == b"null"


def test_log_probabilities_of_a_stream_stand_at_their_text() -> None:
    delta = {"message": {"content": {"text": "Hi"}}}
    told = {"type": "content-delta", "index": 0, "delta": delta, "logprobs": logprob("Hi", -0.5)}
    body = START + TEXT + b"data: " + json.dumps(told).encode() + b"\n\n" + END
    found = [each["choices"][0].get("logprobs") for each in chunks(fed(body).out) if each["choices"]]
    assert [each for each in found if each] == [{"content": [entry("Hi", -0.5)], "refusal": None}]


def test_thinking_and_text_are_told_apart() -> None:
    thinking = event("content-start", message={"content": {"type": "thinking", "thinking": "Hm"}}) + event(
        "content-delta", message={"content": {"thinking": "."}}
    )
    found = fed(START + thinking + TEXT + END + b"data: [DONE]\n\n")
    assert found.error is None
    said = deltas(found.out)
    assert "".join(each.get("reasoning_content") or "" for each in said) == "Hm."
    assert "".join(each.get("content") or "" for each in said) == "Hi."


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (START + TEXT, UpstreamCut),
        (START + TEXT + event("message-end", finish_reason="ERROR"), UpstreamCut),
        (START + event("message-end", finish_reason="COMPLETE", error="it broke"), ProviderError),
        (START + b'data: {"type":"error","error":{"message":"too long","code":429}}\n\n', ProviderError),
        (TEXT + END, UpstreamMalformed),
        (START + b"data: rubbish\n\n", UpstreamMalformed),
        (START + event("tool-call-start", message={"tool_calls": [1]}), UpstreamMalformed),
        (b"", UpstreamMalformed),
        (b'{"id":"x","message":"no such model"}', UpstreamMalformed),
    ],
)
def test_a_stream_that_breaks_says_how(body: bytes, kind: type[Exception]) -> None:
    assert isinstance(fed(body).error, kind)


def test_an_answer_that_broke_off_is_no_answer() -> None:
    body = {"id": "a", "message": {"role": "assistant", "content": []}, "finish_reason": "TIMEOUT"}
    with pytest.raises(UpstreamCut):
        chat_answer(json.dumps(body).encode(), chat(), TO, FACTS)


PIECES = st.lists(
    st.sampled_from([START, TEXT, END, event("citation-start", message={"citations": {"start": 1}})])
    | st.binary(max_size=40).map(lambda rubbish: b"data: " + rubbish + b"\n\n"),
    max_size=6,
)


@given(PIECES, st.integers(1, 40))
def test_any_bytes_end_in_an_answer_or_an_error(pieces: list[bytes], step: int) -> None:
    body = b"".join(pieces)
    whole = run(chat_stream(chat(stream=True), TO, FACTS), [body])
    cuts = [body[at : at + step] for at in range(0, len(body), step)]
    parts = run(chat_stream(chat(stream=True), TO, FACTS), cuts)
    assert whole.facts == parts.facts
    assert whole.done or whole.error is not None
