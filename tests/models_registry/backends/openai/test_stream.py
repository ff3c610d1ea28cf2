import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models_registry.backends.openai.stream import OpenAIStream
from models_registry.dialects import Dialect
from models_registry.turns.sse import DONE, MAX_FRAME_BYTES, frame
from models_registry.turns.stream import Broken
from schema.errors.upstream import ProviderError, UpstreamCut, UpstreamMalformed
from schema.usage import Usage
from tests.models_registry.backends.feeding import cut, feed_all_ways, run
from tests.models_registry.backends.making import KEY, target

USAGE = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
CUTS = st.lists(st.integers(0), max_size=6)


def make(*, keep_usage: bool = False, choices: int = 1) -> OpenAIStream:
    return OpenAIStream(target(Dialect.OPENAI), choices=choices, keep_usage=keep_usage)


def event(value: object) -> bytes:
    return frame(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode())


def piece(delta: dict[str, object], finish: str | None = None, *, index: int = 0) -> bytes:
    choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
    return event({"id": "c1", "object": "chat.completion.chunk", "choices": [choice], "usage": None})


ROLE = piece({"role": "assistant", "content": ""})
TEXT = piece({"content": "Grüße"}) + piece({"content": ", you"})
STOP = piece({}, "stop")
USAGE_CHUNK = event({"id": "c1", "choices": [], "usage": USAGE})
WHOLE = ROLE + TEXT + STOP + USAGE_CHUNK + DONE


@given(CUTS)
def test_bytes_pass_untouched_where_usage_was_asked_for(at: list[int]) -> None:
    found = feed_all_ways(lambda: make(keep_usage=True), WHOLE, at)
    assert found.out == WHOLE
    assert found.done
    assert found.usage == Usage(prompt_tokens=9, completion_tokens=4)


@given(CUTS)
def test_the_usage_chunk_is_taken_out_where_the_caller_did_not_ask(at: list[int]) -> None:
    found = feed_all_ways(make, WHOLE, at)
    assert found.out == ROLE + TEXT + STOP + DONE
    assert found.usage == Usage(prompt_tokens=9, completion_tokens=4)


def test_usage_beside_a_choice_is_learned_and_passed_on() -> None:
    data = (
        ROLE + event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": USAGE}) + DONE
    )
    found = feed_all_ways(make, data)
    assert found.out == data
    assert found.usage == Usage(prompt_tokens=9, completion_tokens=4)


@given(st.integers(0, len(WHOLE) - 1), CUTS)
def test_a_truncated_stream_is_never_a_clean_end(length: int, at: list[int]) -> None:
    """But for the one that every choice had finished: servers without `[DONE]` end so."""
    data = WHOLE[:length]
    found = feed_all_ways(make, data, at)
    finished = length >= len(ROLE + TEXT + STOP) - 2
    if length == 0:
        assert isinstance(found.error, UpstreamMalformed)
    elif found.error is None:
        assert finished
        assert found.out == ROLE + TEXT + STOP + DONE
    else:
        assert isinstance(found.error, UpstreamCut | UpstreamMalformed)
        assert not found.done
    assert (ROLE + TEXT + STOP + DONE).startswith(found.out)


@given(st.binary(max_size=200), CUTS)
def test_arbitrary_bytes_end_in_one_kind_of_error(data: bytes, at: list[int]) -> None:
    found = feed_all_ways(make, data, at)
    assert isinstance(found.error, UpstreamCut | UpstreamMalformed)


@given(st.binary(min_size=1, max_size=40), CUTS)
@example(b"\r:", [])
@example(b"\r:\n\n", [len(ROLE) + 2])
def test_arbitrary_bytes_after_the_first_event_never_pass_for_an_answer(data: bytes, at: list[int]) -> None:
    found = feed_all_ways(make, ROLE + data, at)
    assert found.error is not None
    assert not found.done


def test_a_byte_of_every_event_can_be_wrong_without_a_crash() -> None:
    for i in range(0, len(WHOLE), 3):
        feed_all_ways(make, WHOLE[:i] + b"\xff" + WHOLE[i + 1 :])


def test_every_line_end_is_understood() -> None:
    for end in (b"\r\n", b"\r"):
        data = WHOLE.replace(b"\n", end)
        found = feed_all_ways(lambda: make(keep_usage=True), data)
        assert (found.out, found.done) == (data, True)


def test_a_stream_without_done_gets_one_when_all_choices_have_finished() -> None:
    two = ROLE + piece({"content": "a"}, "stop") + piece({"content": "b"}, "length", index=1)
    found = feed_all_ways(lambda: make(choices=2), two)
    assert (found.out, found.done) == (two + DONE, True)
    found = feed_all_ways(lambda: make(choices=2), ROLE + piece({"content": "a"}, "stop"))
    assert isinstance(found.error, UpstreamCut)


def test_the_last_event_needs_no_empty_line() -> None:
    found = feed_all_ways(make, (ROLE + STOP + DONE).rstrip(b"\n"))
    assert (found.out, found.done) == (ROLE + STOP + DONE, True)


def test_nothing_after_done_is_passed_on() -> None:
    found = feed_all_ways(make, ROLE + STOP + DONE + STOP + DONE + b"garbage\n\n")
    assert (found.out, found.error) == (ROLE + STOP + DONE, None)


@pytest.mark.parametrize("data", [b"", b"\n\n\n", b": ping\n\n", b"event: x\n\n", DONE])
def test_a_stream_without_an_event_is_malformed(data: bytes) -> None:
    found = feed_all_ways(make, data)
    assert isinstance(found.error, UpstreamMalformed)
    assert found.out == b""


def test_comments_pass_once_the_answer_has_begun() -> None:
    found = feed_all_ways(make, b": wait\n\n" + ROLE + b": ping\n\n" + STOP + DONE)
    assert found.out == ROLE + b": ping\n\n" + STOP + DONE


def test_an_error_event_raises_with_its_status_and_keeps_what_came_before() -> None:
    error = event({"error": {"message": "slow down", "type": "rate_limit_error", "code": "rpm"}})
    for data in (ROLE + TEXT + error, ROLE + TEXT + b"event: error\n" + error):
        found = feed_all_ways(make, data)
        assert isinstance(found.error, ProviderError)
        assert (found.error.http_status, found.error.code, found.error.message) == (429, "rpm", "slow down")
        assert found.out == ROLE + TEXT


def test_an_event_named_error_is_one_whatever_its_data() -> None:
    found = feed_all_ways(make, ROLE + b"event: error\n" + event({"message": "no", "code": 400}))
    assert isinstance(found.error, ProviderError)
    assert (found.error.http_status, found.error.message) == (400, "no")


def test_an_error_event_of_unknown_kind_is_the_providers_fault() -> None:
    found = feed_all_ways(make, ROLE + event({"error": f"boom {KEY}"}))
    assert found.error is not None
    assert found.error.http_status == 502
    assert KEY not in found.error.message


def test_a_plain_error_body_instead_of_a_stream_is_that_error() -> None:
    body = json.dumps({"error": {"message": "no", "type": "invalid_request_error"}}, indent=1).encode()
    found = feed_all_ways(make, body)
    assert isinstance(found.error, ProviderError)
    assert found.error.http_status == 400


def test_a_plain_answer_instead_of_a_stream_is_malformed() -> None:
    assert isinstance(feed_all_ways(make, b'{"choices":[]}').error, UpstreamMalformed)
    assert isinstance(feed_all_ways(make, b"<html>\n\n<p>data</p>\n\n</html>").error, UpstreamMalformed)


DEEP = b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}"


@pytest.mark.parametrize(
    "bad",
    [
        b"{",
        b"[]",
        b"{}{}",
        b"{},{}",
        b'{"choices":3}',
        b'{"x":"\xff"}',
        b'{"choices":[' * 5000,
        DEEP,
    ],
)
def test_an_event_that_is_no_chunk_is_malformed(bad: bytes) -> None:
    found = feed_all_ways(make, ROLE + frame(bad) + STOP + DONE)
    assert isinstance(found.error, UpstreamMalformed)
    assert found.out == ROLE


@pytest.mark.parametrize(
    "halves",
    [
        (b'{"choices":[],"a":1', b'"b":2}'),
        (b'{"a":[{}', b"{}]}"),
        (b'{"a":', b'{"b":1}}'),
        (b'{"a":"x}', b'{y"}'),
    ],
)
@pytest.mark.parametrize("double", [b"{},{}", b"{}{}", b"{}\t{}"])
def test_two_halves_of_an_event_are_none_though_another_is_two(
    halves: tuple[bytes, bytes], double: bytes
) -> None:
    data = ROLE + TEXT + b"".join(map(frame, (*halves, double))) + TEXT
    assert isinstance(run(make(), [data]).error, UpstreamMalformed)
    found = run(make(), [ROLE, data.removeprefix(ROLE)])
    assert isinstance(found.error, UpstreamMalformed)
    assert found.out == ROLE + TEXT


@pytest.mark.parametrize("line_end", [b"\n", b"\r", b"\r\n"])
def test_a_line_end_within_an_event_ends_its_data_as_for_the_client(line_end: bytes) -> None:
    broken = b'data: {"choices":[],' + line_end + b'"a":1}' + b"\n\n"
    found = feed_all_ways(make, ROLE + TEXT + broken + TEXT)
    assert isinstance(found.error, UpstreamMalformed)
    assert found.out == ROLE + TEXT


@pytest.mark.parametrize(
    ("start", "end"), [(b"data: {", b"} \t\n\n"), (b"data:  {", b"}\n\n"), (b"data:{", b"}\n\n")]
)
def test_blanks_around_an_events_json_change_nothing(start: bytes, end: bytes) -> None:
    blank = TEXT.replace(b"data: {", start).replace(b"}\n\n", end)
    data = ROLE + blank + TEXT + blank + STOP
    found = feed_all_ways(make, data)
    assert found.out == data + DONE
    assert found.produced_bytes == 3 * len("Grüße, you".encode())


def test_pieces_between_other_events_pass_untouched() -> None:
    partial = event({"choices": [], "usage": USAGE})
    data = ROLE + TEXT + partial + TEXT + b": ping\n\n" + TEXT + STOP + partial + partial + DONE
    found = feed_all_ways(lambda: make(keep_usage=True), data)
    assert found.out == data
    assert found.usage == Usage(prompt_tokens=9, completion_tokens=4)


def test_a_huge_event_is_refused_while_it_is_still_coming() -> None:
    stream = make()
    stream.feed(ROLE)
    data = b"x" * 65536
    for _ in range(MAX_FRAME_BYTES // len(data)):
        stream.feed(data)
    broken = stream.feed(data)
    assert isinstance(broken, Broken)
    assert broken.failure.kind is UpstreamMalformed


def test_produced_bytes_are_at_least_the_text_in_utf8() -> None:
    call = {"index": 0, "id": "c", "function": {"name": "f", "arguments": '{"a":1}'}}
    data = (
        ROLE
        + piece({"content": "é\n"})
        + piece({"reasoning_content": "abc", "reasoning": "abc"})
        + piece({"refusal": "no"})
        + piece({"tool_calls": [call]})
        + piece({"content": ["xx"], "refusal": None})
        + STOP
        + DONE
    )
    found = feed_all_ways(make, data)
    assert found.produced_bytes == 4 + 6 + 2 + (1 + 9) + len('["xx"]')


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": -5, "completion_tokens": 1}, Usage(completion_tokens=1, estimated=True)),
        ({"prompt_tokens": "many"}, None),
        ({"prompt_tokens": None, "completion_tokens": None}, None),
        ({}, None),
        ([], None),
        (USAGE | {"prompt_tokens_details": []}, Usage(prompt_tokens=9, completion_tokens=4)),
        (USAGE | {"completion_tokens": 4.0}, Usage(prompt_tokens=9, completion_tokens=4)),
        (
            USAGE | {"completion_tokens_details": {"reasoning_tokens": "3"}},
            Usage(prompt_tokens=9, completion_tokens=4, reasoning_tokens=3),
        ),
    ],
)
def test_of_an_odd_usage_what_can_be_read_counts(usage: object, expected: Usage | None) -> None:
    found = feed_all_ways(make, ROLE + STOP + event({"choices": [], "usage": usage}) + DONE)
    assert found.done
    assert found.usage == expected


@pytest.mark.parametrize("spelling", [b"NaN", b"-Infinity", b"1e999", rb'"\ud800"'])
def test_what_clients_read_all_the_same_costs_no_stream_and_goes_on_untouched(spelling: bytes) -> None:
    odd = TEXT.replace(b'"logprobs":null', b'"logprobs":{"content":[{"logprob":%s}]}' % spelling)
    assert odd.count(spelling) == 2
    found = feed_all_ways(make, ROLE + odd + STOP + USAGE_CHUNK + DONE)
    assert (found.out, found.error) == (ROLE + odd + STOP + DONE, None)
    assert found.produced_bytes == len("Grüße, you".encode())
    assert found.usage == Usage(prompt_tokens=9, completion_tokens=4)


@given(CUTS)
def test_the_cheap_bound_of_what_was_produced_is_no_less_than_the_count(at: list[int]) -> None:
    stream = make()
    for part in cut(ROLE + TEXT * 900 + STOP, at):
        stream.feed(part)
    assert stream.most_bytes >= stream.produced_bytes
    assert stream.most_bytes >= 900 * len("Grüße, you".encode())


BLANKS = st.sampled_from([b"\n\n", b"\n\n\n", b"\n\n\n\n", b"\r\n\r\n"])
EVENTS = st.sampled_from(
    [
        b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}',
        b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}',
        b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}',
        b'data: {"error":{"message":"overloaded","type":"overloaded_error"}}',
        b'data: {"choices":[]},{"z":1}',
        b'data: {"choices":[]}{"z":1}',
        b'data: {"choices":[],\n"z":1}',
        b'data: {"choices":[]}\nid: 1',
        b'data: {"choices":[]} ',
        b'data: {"z":"}',
        b'data: {"}',
        b"data: {",
        b": ping",
        b"data: [DONE]",
    ]
)


@given(st.lists(st.tuples(EVENTS, BLANKS), max_size=6))
def test_however_a_stream_is_read_it_tells_the_same(parts: list[tuple[bytes, bytes]]) -> None:
    body = ROLE + b"".join(event + blank for event, blank in parts)

    def told(step: int) -> tuple[object, ...]:
        found = run(make(), (body[at : at + step] for at in range(0, len(body), step)))
        return type(found.error), found.done, found.usage, found.produced_bytes

    assert told(len(body)) == told(1) == told(37)


@pytest.mark.parametrize("events", [1_000, 5_000])
def test_a_stream_that_comes_event_by_event_keeps_little(events: int) -> None:
    """Thousands of slow streams are under way at once."""
    parser = make()
    event = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"word "},"finish_reason":null}]}\n\n'
    for _ in range(events):
        assert parser.feed(event) == event
    assert sum(map(len, parser._window._blocks)) < 4096
    assert parser.produced_bytes == 5 * events


SAYS: tuple[dict[str, object], ...] = (
    {"role": "assistant"},
    {"role": "assistant", "content": None},
    {"content": ""},
    {"content": "x"},
    {"reasoning": "x"},
    {"reasoning_content": ""},
    {"reasoning_content": '"'},
    {"refusal": "no"},
    {"tool_calls": []},
    {"tool_calls": [{"index": 0, "function": {"name": "", "arguments": ""}}]},
    {"tool_calls": [{"index": 0, "function": {"name": "look", "arguments": ""}}]},
    {"tool_calls": [{"index": 0, "function": {"arguments": "{"}}]},
    {"x": {"content": ""}},
)


@given(st.lists(st.sampled_from(SAYS), max_size=4), st.booleans())
def test_whether_anything_was_said_is_whether_anything_was_counted(
    deltas: list[dict[str, object]], together: bool
) -> None:
    events = [piece(delta) for delta in deltas]
    parser, counts = make(), make()
    for block in [b"".join(events)] if together else events:
        parser.feed(block)
        counts.feed(block)
        assert parser.has_said == (counts.produced_bytes > 0)
