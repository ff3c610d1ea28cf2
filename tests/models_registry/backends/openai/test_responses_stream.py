"""Streams of Responses on the byte path: cut anywhere, and broken in every way."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_registry.backends.openai.responses_stream import ResponsesStream
from models_registry.dialects import Dialect
from schema.errors.upstream import ProviderError, UpstreamCut, UpstreamMalformed
from tests.fakes import responses_answers
from tests.models_registry.backends.feeding import cut, feed_all_ways, run
from tests.models_registry.backends.making import target

WHOLE = b"".join(responses_answers.sse(responses_answers.events()))


def make() -> ResponsesStream:
    return ResponsesStream(target(Dialect.OPENAI))


@given(st.lists(st.integers(0, len(WHOLE)), max_size=8))
def test_a_stream_is_the_same_however_it_is_cut(at: list[int]) -> None:
    found = run(make(), cut(WHOLE, at))
    assert (found.out, found.error, found.done) == (WHOLE, None, True)
    assert found.usage is not None
    assert found.produced_bytes == len(responses_answers.TEXT)


@given(st.integers(0, len(WHOLE) - 1))
def test_a_stream_that_ends_early_is_cut_and_gives_whole_events(size: int) -> None:
    found = feed_all_ways(make, WHOLE[:size]) if size % 50 == 0 else run(make(), [WHOLE[:size]])
    if found.error is None:
        assert size >= len(WHOLE.rstrip()), "only the empty line after the last event may be missing"
        return
    assert isinstance(found.error, UpstreamCut | UpstreamMalformed)
    assert WHOLE.startswith(found.out)
    assert not found.done


@given(st.lists(st.one_of(st.binary(max_size=40), st.sampled_from(WHOLE.splitlines(keepends=True)))))
def test_any_bytes_end_in_an_answer_or_in_an_error_of_ours(pieces: list[bytes]) -> None:
    stream = make()
    found = run(stream, pieces)
    assert found.done or found.error is not None
    if found.error is not None:
        assert isinstance(stream.failed(found.error), bytes)


@pytest.mark.parametrize(
    ("event", "status"),
    [
        ({"type": "error", "code": "rate_limit_exceeded", "message": "slow down", "param": None}, 429),
        ({"error": {"type": "server_error", "message": "oops"}}, 500),
        ({"type": "error", "error": {"type": "invalid_request_error", "message": "no"}}, 400),
    ],
)
def test_an_error_in_the_middle_is_told_in_our_words(event: dict[str, Any], status: int) -> None:
    begun = responses_answers.sse(responses_answers.events()[:4])
    stream = make()
    found = run(stream, [*begun, b"data: " + json.dumps(event).encode() + b"\n\n"])
    assert isinstance(found.error, ProviderError)
    assert found.error.http_status == status
    assert found.out == b"".join(begun)
    told = json.loads(stream.failed(found.error).partition(b"data: ")[2])
    assert (told["type"], told["sequence_number"]) == ("response.failed", 4)
    assert told["response"]["error"]["message"]


def test_comments_pass_once_the_answer_has_begun() -> None:
    first, *rest = responses_answers.sse(responses_answers.events())
    found = feed_all_ways(make, b": early\n\n" + first + b": ping\n\n" + b"".join(rest))
    assert found.out == first + b": ping\n\n" + b"".join(rest)


def test_names_of_tools_and_all_deltas_count_as_written() -> None:
    item = {"id": "fc_1", "type": "function_call", "name": "find", "arguments": ""}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": responses_answers.response(status="in_progress")},
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.function_call_arguments.delta", "output_index": 0, "delta": "{}"},
        {"type": "response.reasoning_summary_text.delta", "delta": "hm"},
    ]
    found = run(make(), responses_answers.sse(events))
    assert found.produced_bytes == len("find{}hm")
    assert isinstance(found.error, UpstreamCut)
