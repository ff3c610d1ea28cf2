import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_registry.backends.anthropic.backend import Anthropic
from models_registry.dialects import Dialect
from models_registry.turns.stream import AnswerStream
from schema.chat import ChatCompletion
from schema.errors.upstream import ProviderError, UpstreamCut, UpstreamMalformed
from schema.usage import Usage
from tests.models_registry.backends.chatting import chat_answer, chat_stream
from tests.models_registry.backends.feeding import feed_all_ways
from tests.models_registry.backends.making import FACTS, chat, chunks, deltas, events_of, finishes, target

BACKEND = Anthropic()
TARGET = target(Dialect.ANTHROPIC)
CUTS = st.lists(st.integers(0), max_size=6)
START_USAGE = {
    "input_tokens": 10,
    "cache_creation_input_tokens": 5,
    "cache_read_input_tokens": 100,
    "output_tokens": 1,
}
MESSAGE: dict[str, object] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-x",
    "content": [],
    "stop_reason": None,
    "usage": START_USAGE,
}


def respond(**changes: object) -> tuple[ChatCompletion, Usage | None]:
    body = json.dumps(MESSAGE | {"stop_reason": "end_turn"} | changes).encode()
    return chat_answer(body, chat(), TARGET, FACTS)


def test_an_answer_has_text_thinking_and_calls_in_their_places() -> None:
    content = [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "text", "text": "a", "citations": None},
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"q": 1}},
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": {"type": "error"}},
        {"type": "text", "text": "b"},
        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Rome"}},
        {"type": "brand_new", "text": None},
    ]
    completion, _ = respond(content=content, stop_reason="tool_use")
    choice = completion.choices[0]
    assert (completion.id, completion.model, completion.created) == ("msg_1", "claude-x", FACTS.created)
    assert (choice.message.content, choice.message.reasoning_content) == ("ab", "hm")
    assert choice.finish_reason == "tool_calls"
    assert isinstance(choice.message.tool_calls, list)
    call = choice.message.tool_calls[0]
    assert call.id == "toolu_1"
    assert call.function is not None
    assert (call.function.name, json.loads(call.function.arguments or "")) == ("weather", {"city": "Rome"})


def test_an_empty_answer_is_an_answer() -> None:
    completion, _ = respond(content=[])
    assert completion.choices[0].message.content == ""


@pytest.mark.parametrize(
    ("stop", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("pause_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("brand_new", "stop"),
    ],
)
def test_stop_reasons_have_their_finish_reason(stop: str, finish: str) -> None:
    assert respond(stop_reason=stop)[0].choices[0].finish_reason == finish
    out = feed_all_ways(make, stream(stop=stop)).out
    assert finishes(out) == [finish]


def test_the_prompt_is_the_sum_of_fresh_written_and_read() -> None:
    usage = START_USAGE | {"output_tokens": 50, "output_tokens_details": {"thinking_tokens": 20}}
    completion, found = respond(usage=usage)
    assert found == Usage(
        prompt_tokens=115, completion_tokens=50, cached_tokens=100, cache_write_tokens=5, reasoning_tokens=20
    )
    wire = completion.usage
    assert wire is not None
    assert (wire.prompt_tokens, wire.completion_tokens, wire.total_tokens) == (115, 50, 165)
    assert wire.prompt_tokens_details is not None
    assert wire.prompt_tokens_details.cached_tokens == 100


def test_a_count_that_cannot_be_true_is_missing_and_the_others_hold() -> None:
    assert respond(usage={"input_tokens": -1, "output_tokens": 2})[1] == Usage(
        completion_tokens=2, estimated=True
    )
    assert respond(usage={"input_tokens": 3, "output_tokens": "x"})[1] == Usage(
        prompt_tokens=3, estimated=True, input_reported=True
    )
    assert respond(usage=None)[1] is None
    assert respond(usage=[1])[1] is None


@pytest.mark.parametrize("odd", [[], "x", 7, {"thinking_tokens": "many"}])
def test_an_odd_part_of_the_usage_costs_that_part_alone(odd: object) -> None:
    report = START_USAGE | {"output_tokens": 50, "output_tokens_details": odd, "cache_creation": odd}
    expected = Usage(prompt_tokens=115, completion_tokens=50, cached_tokens=100, cache_write_tokens=5)
    assert respond(usage=report)[1] == expected
    start = event("message_start", message=MESSAGE | {"usage": START_USAGE | {"server_tool_use": odd}})
    delta = event("message_delta", delta={"stop_reason": "end_turn"}, usage=report)
    found = feed_all_ways(make, start + delta + STOP)
    assert (found.usage, found.error) == (expected, None)


def test_a_count_past_every_column_is_an_answer_all_the_same() -> None:
    completion, usage = respond(usage={"input_tokens": 10**30, "output_tokens": 1e300})
    assert usage is not None
    assert min(usage.prompt_tokens, usage.completion_tokens) > 2**31
    assert json.loads(msgspec.json.encode(completion))["usage"]["prompt_tokens"] == usage.prompt_tokens


def test_counts_come_as_floats_and_as_text() -> None:
    usage = {"input_tokens": "10", "output_tokens": 5.0, "cache_read_input_tokens": "2"}
    assert respond(usage=usage)[1] == Usage(prompt_tokens=12, completion_tokens=5, cached_tokens=2)


def test_nan_and_a_byte_order_mark_cost_no_answer() -> None:
    body = json.dumps(MESSAGE | {"stop_reason": "end_turn", "score": float("nan")}).encode()
    for each in (body, b"\xef\xbb\xbf" + body):
        assert chat_answer(each, chat(), TARGET, FACTS)[0].id == "msg_1"
    start = event("message_start", message=MESSAGE | {"score": float("-inf")})
    assert feed_all_ways(make, start + STOP).done


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"null", b'{"id":"x"}', b"<html>", b"\xff", b"[" * 9999])
def test_what_is_no_message_is_malformed(body: bytes) -> None:
    with pytest.raises(UpstreamMalformed):
        chat_answer(body, chat(), TARGET, FACTS)


def test_an_error_in_a_200_is_that_error() -> None:
    body = b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}'
    with pytest.raises(ProviderError) as caught:
        chat_answer(body, chat(), TARGET, FACTS)
    assert caught.value.http_status == 503


def make(*, include_usage: bool = True) -> AnswerStream:
    options = {"include_usage": include_usage}
    return chat_stream(chat(stream=True, stream_options=options), TARGET, FACTS)


def event(kind: str, **fields: object) -> bytes:
    body = json.dumps({"type": kind, **fields}, ensure_ascii=False)
    return f"event: {kind}\ndata: {body}   \n\n".encode()


def block(index: int, start: dict[str, object], *deltas: dict[str, object]) -> bytes:
    return (
        event("content_block_start", index=index, content_block=start)
        + b"".join(event("content_block_delta", index=index, delta=delta) for delta in deltas)
        + event("content_block_stop", index=index)
    )


def partial(text: str) -> dict[str, object]:
    return {"type": "input_json_delta", "partial_json": text}


START = event("message_start", message=MESSAGE)
PING = event("ping")
TEXT = block(
    0,
    {"type": "text", "text": ""},
    {"type": "text_delta", "text": "Grü"},
    {"type": "text_delta", "text": "ße"},
)
THINKING = block(
    1,
    {"type": "thinking", "thinking": "", "signature": ""},
    {"type": "thinking_delta", "thinking": "hm"},
    {"type": "signature_delta", "signature": "s"},
)
SERVER = block(
    2, {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}, partial('{"q":1}')
)
WEATHER = block(
    3,
    {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}},
    partial(""),
    partial('{"city"'),
    partial(':"Rome"}'),
)
NOW = block(4, {"type": "tool_use", "id": "toolu_2", "name": "now", "input": {}})
STOP = event("message_stop")


def closing(stop: str = "tool_use") -> bytes:
    usage = {"output_tokens": 50, "output_tokens_details": {"thinking_tokens": 7}}
    return event("message_delta", delta={"stop_reason": stop, "stop_sequence": None}, usage=usage)


def stream(stop: str = "tool_use") -> bytes:
    return START + PING + TEXT + THINKING + SERVER + event("brand_new") + WEATHER + NOW + closing(stop) + STOP


@given(CUTS)
def test_a_stream_becomes_chunks_of_one_answer(at: list[int]) -> None:
    found = feed_all_ways(make, stream(), at)
    assert found.error is None
    assert found.done
    assert {(chunk["id"], chunk["model"], chunk["created"]) for chunk in chunks(found.out)} == {
        ("msg_1", "claude-x", FACTS.created)
    }
    assert deltas(found.out)[0] == {"role": "assistant", "content": ""}
    assert "".join(str(delta.get("content", "")) for delta in deltas(found.out)) == "Grüße"
    assert [delta["reasoning_content"] for delta in deltas(found.out) if "reasoning_content" in delta] == [
        "hm"
    ]
    assert finishes(found.out) == ["tool_calls"]
    assert events_of(found.out)[-1] == "[DONE]"


def test_tool_calls_are_counted_apart_from_blocks_and_always_have_arguments() -> None:
    out = feed_all_ways(make, stream()).out
    calls = [delta["tool_calls"][0] for delta in deltas(out) if "tool_calls" in delta]
    assert calls == [
        {"index": 0, "id": "toolu_1", "type": "function", "function": {"name": "weather", "arguments": ""}},
        {"index": 0, "function": {"arguments": '{"city"'}},
        {"index": 0, "function": {"arguments": ':"Rome"}'}},
        {"index": 1, "id": "toolu_2", "type": "function", "function": {"name": "now", "arguments": ""}},
        {"index": 1, "function": {"arguments": "{}"}},
    ]


def test_usage_is_the_closing_report_over_the_opening_one() -> None:
    found = feed_all_ways(make, stream())
    assert found.usage == Usage(
        prompt_tokens=115, completion_tokens=50, cached_tokens=100, cache_write_tokens=5, reasoning_tokens=7
    )
    usage = chunks(found.out)[-1]["usage"]
    assert isinstance(usage, dict)
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (115, 50, 165)
    quiet = feed_all_ways(lambda: make(include_usage=False), stream())
    assert all("usage" not in chunk for chunk in chunks(quiet.out))
    assert quiet.usage == found.usage


def test_before_the_closing_report_the_input_is_known_and_the_output_as_far_as_it_was_reported() -> None:
    found = feed_all_ways(make, START + TEXT + THINKING + SERVER)
    assert found.produced_bytes == len("Grüße".encode()) + len("hm") + len('{"q":1}')
    assert found.usage == Usage(
        prompt_tokens=115,
        completion_tokens=1,
        cached_tokens=100,
        cache_write_tokens=5,
        estimated=True,
        input_reported=True,
    )


@given(st.integers(0, len(stream()) - 1), CUTS)
def test_a_truncated_stream_is_never_a_clean_end(length: int, at: list[int]) -> None:
    found = feed_all_ways(make, stream()[:length], at)
    if length >= len(stream().rstrip()):
        assert (found.error, found.done) == (None, True)
        return
    assert isinstance(found.error, UpstreamCut if length >= len(START.rstrip()) else UpstreamMalformed)
    assert not found.done
    assert b"[DONE]" not in found.out
    assert feed_all_ways(make, stream()).out.startswith(found.out)


@given(st.binary(max_size=200), CUTS)
def test_arbitrary_bytes_end_in_one_kind_of_error(data: bytes, at: list[int]) -> None:
    assert isinstance(feed_all_ways(make, data, at).error, UpstreamMalformed)
    assert isinstance(feed_all_ways(make, START + data, at).error, UpstreamCut | UpstreamMalformed)


def test_an_error_event_raises_with_its_status_and_keeps_what_came_before() -> None:
    error = event("error", error={"type": "overloaded_error", "message": "Overloaded"})
    found = feed_all_ways(make, START + TEXT + error)
    assert isinstance(found.error, ProviderError)
    assert found.error.http_status == 503
    assert "".join(str(delta.get("content", "")) for delta in deltas(found.out)) == "Grüße"
    first = feed_all_ways(make, error)
    assert isinstance(first.error, ProviderError)
    assert first.out == b""


def test_a_plain_error_body_instead_of_a_stream_is_that_error() -> None:
    found = feed_all_ways(make, b'{"type":"error","error":{"type":"rate_limit_error","message":"m"}}')
    assert found.error is not None
    assert found.error.http_status == 429


def test_a_stream_that_does_not_begin_at_the_beginning_is_malformed() -> None:
    assert isinstance(feed_all_ways(make, TEXT).error, UpstreamMalformed)


def test_a_repeated_end_is_nothing() -> None:
    assert feed_all_ways(make, stream() + closing() + STOP).out == feed_all_ways(make, stream()).out
    twice = START + TEXT + closing("end_turn") + closing("end_turn") + STOP
    assert finishes(feed_all_ways(make, twice).out) == ["stop"]


def test_an_end_without_a_stop_reason_is_a_cut_unless_nothing_was_said() -> None:
    for said in (TEXT, THINKING, WEATHER):
        found = feed_all_ways(make, START + said + STOP)
        assert isinstance(found.error, UpstreamCut)
        assert (finishes(found.out), found.done, b"[DONE]" in found.out) == ([], False, False)
        assert found.usage is not None
        assert found.usage.estimated
    assert finishes(feed_all_ways(make, START + STOP).out) == ["stop"]


@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_an_end_without_the_last_empty_line_is_whole(end: str) -> None:
    data = stream().rstrip() + end.encode()
    whole = feed_all_ways(make, stream())
    assert feed_all_ways(make, data).facts == whole.facts
    error = event("error", error={"type": "overloaded_error", "message": "Overloaded"}).rstrip()
    broken = feed_all_ways(make, START + TEXT + error)
    assert isinstance(broken.error, ProviderError)
    assert broken.error.http_status == 503
    delta = event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 7})
    cut = feed_all_ways(make, START + TEXT + delta.rstrip())
    assert isinstance(cut.error, UpstreamCut)
    assert cut.usage is not None
    assert cut.usage.completion_tokens == 7
