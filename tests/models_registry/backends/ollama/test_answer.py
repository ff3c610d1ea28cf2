import base64
import json
import struct

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_registry.backends.ollama.backend import Ollama
from models_registry.dialects import Dialect
from models_registry.turns.facts import CallFacts
from models_registry.turns.stream import AnswerStream
from schema.chat import ChatCompletion
from schema.errors.upstream import ProviderError, UpstreamCut, UpstreamMalformed
from schema.usage import Usage
from tests.models_registry.backends.chatting import chat_answer, chat_stream
from tests.models_registry.backends.feeding import feed_all_ways
from tests.models_registry.backends.making import (
    FACTS,
    chat,
    chunks,
    deltas,
    embeddings,
    events_of,
    finishes,
    target,
)

BACKEND = Ollama()
TARGET = target(Dialect.OLLAMA)
CUTS = st.lists(st.integers(0), max_size=6)
CALLS = [
    {"function": {"index": 0, "name": "weather", "arguments": {"city": "Rome"}}},
    {"id": "call_own", "function": {"name": "now"}},
]
LAST = {"done": True, "done_reason": "stop", "prompt_eval_count": 12, "eval_count": 6, "total_duration": 9}


def line(message: dict[str, object] | None = None, **fields: object) -> bytes:
    body: dict[str, object] = {"model": "native:latest", "created_at": "2026-08-07T06:08:09Z", "done": False}
    body["message"] = {"role": "assistant", "content": ""} | (message or {})
    return json.dumps(body | fields, ensure_ascii=False).encode() + b"\n"


def respond(
    message: dict[str, object] | None = None, **fields: object
) -> tuple[ChatCompletion, Usage | None]:
    return chat_answer(line(message, **(LAST | fields)), chat(), TARGET, FACTS)


def test_an_answer_has_text_thinking_and_counts() -> None:
    completion, usage = respond({"content": "Hi", "thinking": "hm"})
    choice = completion.choices[0]
    assert (completion.id, completion.object) == (f"chatcmpl-{FACTS.request_id}", "chat.completion")
    assert (completion.created, completion.model) == (FACTS.created, "native:latest")
    assert (choice.message.content, choice.message.reasoning_content) == ("Hi", "hm")
    assert choice.finish_reason == "stop"
    assert usage == Usage(prompt_tokens=12, completion_tokens=6)
    assert completion.usage is not None
    assert completion.usage.total_tokens == 18


def test_calls_have_arguments_as_text_and_an_id_that_is_made_where_none_came() -> None:
    completion, _ = respond({"tool_calls": CALLS})
    choice = completion.choices[0]
    assert (choice.message.content, choice.finish_reason) == (None, "tool_calls")
    assert isinstance(choice.message.tool_calls, list)
    first, second = choice.message.tool_calls
    assert first.function is not None
    assert second.function is not None
    assert json.loads(first.function.arguments or "") == {"city": "Rome"}
    assert (second.id, second.function.arguments) == ("call_own", "{}")
    assert first.id is not None
    assert 0 < len(first.id) <= 40
    assert respond({"tool_calls": CALLS})[0] == completion
    other = chat_answer(
        line({"tool_calls": CALLS}, **LAST), chat(), TARGET, CallFacts(request_id="other", created=1)
    )[0]
    assert isinstance(other.choices[0].message.tool_calls, list)
    assert other.choices[0].message.tool_calls[0].id != first.id


@pytest.mark.parametrize(
    ("reason", "called", "finish"),
    [
        ("stop", False, "stop"),
        ("length", False, "length"),
        ("stop", True, "tool_calls"),
        ("length", True, "length"),
        (None, False, "stop"),
        ("load", False, "stop"),
    ],
)
def test_finish_reasons(reason: str | None, called: bool, finish: str) -> None:
    message: dict[str, object] = {"tool_calls": CALLS} if called else {"content": "x"}
    assert respond(message, done_reason=reason)[0].choices[0].finish_reason == finish
    out = feed_all_ways(make, line(message) + line(None, **(LAST | {"done_reason": reason}))).out
    assert finishes(out) == [finish]


def test_a_prompt_that_was_not_counted_is_an_estimate() -> None:
    last = {name: value for name, value in LAST.items() if name != "prompt_eval_count"}
    completion, usage = chat_answer(line({"content": "x"}, **last), chat(), TARGET, FACTS)
    assert usage == Usage(completion_tokens=6, estimated=True)
    assert completion.usage is not None
    assert completion.usage.completion_tokens == 6
    assert feed_all_ways(make, line({"content": "x"}) + line(None, **last)).usage == usage
    del last["eval_count"]
    assert chat_answer(line({}, **last), chat(), TARGET, FACTS)[1] == Usage(estimated=True)


@pytest.mark.parametrize(
    ("prompt", "answer", "expected"),
    [
        (12.0, "6", Usage(prompt_tokens=12, completion_tokens=6)),
        (-1, 6, Usage(completion_tokens=6, estimated=True)),
        ([], 6, Usage(completion_tokens=6, estimated=True)),
        (12, {}, Usage(prompt_tokens=12, estimated=True, input_reported=True)),
        (12, True, Usage(prompt_tokens=12, estimated=True, input_reported=True)),
    ],
)
def test_an_odd_count_costs_that_count_alone(prompt: object, answer: object, expected: Usage) -> None:
    assert respond({"content": "x"}, prompt_eval_count=prompt, eval_count=answer)[1] == expected


def test_nan_and_a_byte_order_mark_cost_no_answer() -> None:
    body = line({"content": "a"}, **LAST, logprobs=[{"token": "a", "logprob": float("-inf")}])
    for each in (body, b"\xef\xbb\xbf" + body):
        completion, usage = chat_answer(each, chat(), TARGET, FACTS)
        assert bytes(completion.choices[0].logprobs or b"").endswith(b'"logprob": null}],"refusal":null}')
        assert usage == Usage(prompt_tokens=12, completion_tokens=6)
    assert feed_all_ways(make, b"\xef\xbb\xbf" + line({"content": "a"}) + body).done


def test_an_embedding_with_nan_is_one() -> None:
    body = b'{"model":"m","embeddings":[[0.5,NaN]],"prompt_eval_count":"3"}'
    answer, usage = BACKEND.embeddings_response(body, embeddings(), TARGET, FACTS)
    assert answer.data[0].embedding[0] == 0.5
    assert usage == Usage(prompt_tokens=3)


def test_logprobs_have_their_place() -> None:
    entries = [{"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}]
    completion, _ = respond({"content": "a"}, logprobs=entries)
    assert json.loads(msgspec.json.encode(completion.choices[0].logprobs)) == {
        "content": entries,
        "refusal": None,
    }
    out = feed_all_ways(make, line({"content": "a"}, logprobs=entries) + line(None, **LAST)).out
    assert chunks(out)[1]["choices"][0]["logprobs"] == {"content": entries, "refusal": None}


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b"null", b'"x"', b"<html>", b"\xff", b"[" * 9999, b'{"message":3}']
)
def test_what_is_no_answer_is_malformed(body: bytes) -> None:
    with pytest.raises(UpstreamMalformed):
        chat_answer(body, chat(), TARGET, FACTS)


def test_an_answer_that_is_not_done_was_cut() -> None:
    with pytest.raises(UpstreamCut):
        chat_answer(line({"content": "x"}), chat(), TARGET, FACTS)


def make(*, include_usage: bool = True) -> AnswerStream:
    options = {"include_usage": include_usage}
    return chat_stream(chat(stream=True, stream_options=options), TARGET, FACTS)


STREAM = (
    line({"thinking": "hm"})
    + line({"content": "Grü"})
    + line({"content": "ße"})
    + line({"tool_calls": CALLS[:1]})
    + line({"tool_calls": CALLS[1:]})
    + line(None, **LAST)
)


@given(CUTS)
def test_a_stream_becomes_chunks_of_one_answer(at: list[int]) -> None:
    found = feed_all_ways(make, STREAM, at)
    assert found.error is None
    assert found.done
    assert found.usage == Usage(prompt_tokens=12, completion_tokens=6)
    assert {(chunk["id"], chunk["created"]) for chunk in chunks(found.out)} == {
        (f"chatcmpl-{FACTS.request_id}", FACTS.created)
    }
    assert deltas(found.out)[0] == {"role": "assistant", "content": ""}
    assert "".join(str(delta.get("content", "")) for delta in deltas(found.out)) == "Grüße"
    assert [delta["reasoning_content"] for delta in deltas(found.out) if "reasoning_content" in delta] == [
        "hm"
    ]
    assert finishes(found.out) == ["tool_calls"]
    assert events_of(found.out)[-1] == "[DONE]"


def test_tool_calls_have_rising_indices_and_the_ids_of_a_plain_answer() -> None:
    pieces = [
        delta["tool_calls"][0] for delta in deltas(feed_all_ways(make, STREAM).out) if "tool_calls" in delta
    ]
    calls = [piece for piece in pieces if "id" in piece]
    assert [(call["index"], call["type"], call["function"]["name"]) for call in calls] == [
        (0, "function", "weather"),
        (1, "function", "now"),
    ]
    told = {
        index: "".join(_arguments(piece) for piece in pieces if piece["index"] == index) for index in (0, 1)
    }
    assert [json.loads(told[index]) for index in (0, 1)] == [{"city": "Rome"}, {}]
    plain = respond({"tool_calls": CALLS})[0].choices[0].message.tool_calls
    assert isinstance(plain, list)
    assert [call["id"] for call in calls] == [call.id for call in plain]


def _arguments(piece: dict[str, dict[str, str]]) -> str:
    return str(piece["function"].get("arguments", ""))


def test_the_usage_chunk_comes_only_where_it_was_asked_for() -> None:
    loud, quiet = feed_all_ways(make, STREAM), feed_all_ways(lambda: make(include_usage=False), STREAM)
    assert chunks(loud.out)[-1]["choices"] == []
    assert all("usage" not in chunk for chunk in chunks(quiet.out))
    assert quiet.usage == loud.usage


def test_produced_bytes_are_the_text_in_utf8() -> None:
    found = feed_all_ways(make, STREAM)
    written = "hm" + "Grüße" + "weather" + '{"city": "Rome"}' + "now" + "{}"
    assert found.produced_bytes == len(written.encode())


@given(st.integers(0, len(STREAM) - 2), CUTS)
def test_a_truncated_stream_is_never_a_clean_end(length: int, at: list[int]) -> None:
    found = feed_all_ways(make, STREAM[:length], at)
    assert isinstance(
        found.error, UpstreamCut if length >= len(line({"thinking": "hm"})) - 1 else UpstreamMalformed
    )
    assert not found.done
    assert b"[DONE]" not in found.out
    assert feed_all_ways(make, STREAM).out.startswith(found.out)


@given(st.binary(max_size=200), CUTS)
def test_arbitrary_bytes_end_in_one_kind_of_error(data: bytes, at: list[int]) -> None:
    assert isinstance(feed_all_ways(make, data, at).error, UpstreamMalformed)
    found = feed_all_ways(make, line({"content": "x"}) + data, at)
    assert isinstance(found.error, UpstreamCut | UpstreamMalformed)


def test_an_error_line_raises_and_keeps_what_came_before() -> None:
    found = feed_all_ways(make, line({"content": "x"}) + b'{"error":"runner died at /srv"}\n')
    assert isinstance(found.error, ProviderError)
    assert found.error.http_status == 502
    assert "/srv" not in found.error.message
    assert [delta.get("content") for delta in deltas(found.out)] == ["", "x"]


def test_nothing_after_the_end_is_passed_on() -> None:
    assert feed_all_ways(make, STREAM + STREAM).out == feed_all_ways(make, STREAM).out
    assert feed_all_ways(make, STREAM + b"garbage\n").error is None


@pytest.mark.parametrize(
    "text", ["model 'native' not found", 'model "native" not found, try pulling it first']
)
def test_a_model_that_is_not_pulled_is_answered_with_the_command(text: str) -> None:
    error = BACKEND.error(404, {}, json.dumps({"error": text}).encode(), TARGET)
    assert (error.http_status, error.code) == (404, "model_not_found")
    assert "ollama pull native" in error.message
    assert "docker exec litellm-ollama ollama pull native" in error.message


def test_the_command_is_safe_to_paste_whatever_the_name() -> None:
    odd = msgspec.structs.replace(TARGET, model="a; rm -rf /")
    error = BACKEND.error(404, {}, b'{"error":"model not found"}', odd)
    assert "ollama pull 'a; rm -rf /'" in error.message


def test_another_404_is_not_taken_for_a_missing_model() -> None:
    error = BACKEND.error(404, {}, b"404 page not found", TARGET)
    assert (error.http_status, error.code) == (404, "404")
    assert "pull" not in error.message


def test_a_full_queue_says_when_to_come_back() -> None:
    body = b'{"error":"server busy, please try again.  maximum pending requests exceeded"}'
    error = BACKEND.error(503, {}, body, TARGET)
    assert error.http_status == 503
    assert error.retry_after_s == 5.0
    assert BACKEND.error(503, {"retry-after": "2"}, body, TARGET).retry_after_s == 2.0


def test_a_prompt_that_is_too_long_and_a_missing_capability_are_the_callers_to_know() -> None:
    long = BACKEND.error(
        400, {}, b'{"error":"prompt too long; exceeded max context length by 5 tokens"}', TARGET
    )
    assert (long.http_status, long.code) == (400, "context_length_exceeded")
    tools = BACKEND.error(400, {}, b'{"error":"\\"m\\" does not support tools"}', TARGET)
    assert (tools.http_status, tools.message) == (400, '"m" does not support tools')


def embed(body: object, **fields: object) -> object:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return BACKEND.embeddings_response(raw, embeddings(**fields), TARGET, FACTS)


def test_embeddings_come_as_floats_or_packed() -> None:
    body = {"model": "m", "embeddings": [[0.5, -1.0], [2.0, 0.25]], "prompt_eval_count": 4}
    found, usage = BACKEND.embeddings_response(
        json.dumps(body).encode(), embeddings(input=["a", "b"]), TARGET, FACTS
    )
    assert [(item.index, item.embedding) for item in found.data] == [(0, [0.5, -1.0]), (1, [2.0, 0.25])]
    assert usage == Usage(prompt_tokens=4)
    packed, _ = BACKEND.embeddings_response(
        json.dumps(body).encode(), embeddings(input=["a", "b"], encoding_format="base64"), TARGET, FACTS
    )
    assert packed.data[1].embedding == base64.b64encode(struct.pack("<2f", 2.0, 0.25)).decode()


@pytest.mark.parametrize(
    "body", [b"", b"{}", {"embeddings": []}, {"embeddings": [[1], [2]]}, {"embedding": [1]}, b"\xff"]
)
def test_embeddings_that_do_not_fit_the_texts_are_malformed(body: object) -> None:
    with pytest.raises(UpstreamMalformed):
        embed(body)
