"""Bedrock's event stream, however it is cut, damaged or made up, and Amazon's errors."""

import json
import struct
from binascii import crc32

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_registry.backends import BACKENDS
from models_registry.backends.bedrock.frames import LEAST_BYTES, PRELUDE, FrameCutter
from models_registry.dialects import Dialect
from schema.errors.upstream import ProviderError, UpstreamCut, UpstreamError, UpstreamMalformed
from tests.fakes.event_stream import bedrock_frames, exception_frame, frame
from tests.models_registry.backends.chatting import chat_stream
from tests.models_registry.backends.feeding import Outcome, cut, feed_all_ways, run
from tests.models_registry.backends.making import FACTS, chat, deltas, finishes, target

TO = msgspec.structs.replace(target(Dialect.BEDROCK), model="anthropic.claude-sonnet-4-5")
START = ("messageStart", {"role": "assistant"})
TEXT = ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Hi."}})
SILENT = ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": ""}})
CALL = (
    "contentBlockStart",
    {"contentBlockIndex": 1, "start": {"toolUse": {"toolUseId": "t1", "name": "weather"}}},
)
INPUT = ("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"toolUse": {"input": '{"city":"Rome"}'}}})
CLOSED = ("contentBlockStop", {"contentBlockIndex": 1})
STOP = ("messageStop", {"stopReason": "end_turn"})
USAGE = ("metadata", {"usage": {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5}})
EVENTS = (START, TEXT, SILENT, CALL, INPUT, CLOSED, STOP, USAGE)
GOOD = bedrock_frames([START, TEXT, STOP, USAGE])


def told(body: bytes, at: tuple[int, ...] = ()) -> Outcome:
    """What becomes of a stream, whole and in pieces."""
    return feed_all_ways(lambda: chat_stream(chat(stream=True), TO, FACTS), body, list(at))


def streamed(body: bytes, at: list[int]) -> Outcome:
    return run(chat_stream(chat(stream=True), TO, FACTS), cut(body, at))


def test_events_before_a_damaged_frame_are_told() -> None:
    damaged = bytearray(b"".join(GOOD[:2]) + GOOD[2])
    damaged[-1] ^= 1
    found = told(bytes(damaged))
    assert isinstance(found.error, UpstreamMalformed)
    assert "".join(each.get("content") or "" for each in deltas(found.out)) == "Hi."


def test_nothing_behind_the_end_is_read() -> None:
    found = told(b"".join([*GOOD, *bedrock_frames([TEXT, STOP]), b"rubbish behind the end"]))
    assert found.error is None
    assert found.done
    assert found.usage is not None
    assert "".join(each.get("content") or "" for each in deltas(found.out)) == "Hi."
    assert finishes(found.out) == ["stop"]


@pytest.mark.parametrize("blanks", [b"", b" ", b"\r\n\t "])
def test_an_answer_that_is_no_stream_tells_its_error(blanks: bytes) -> None:
    found = told(blanks + b'{"message":"Too many tokens","code":429}')
    assert isinstance(found.error, ProviderError)
    assert "Too many tokens" in f"{found.error.message} {found.error.said}"


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("throttlingException", 429),
        ("modelStreamErrorException", 500),
        ("serviceUnavailableException", 503),
        ("validationException", 400),
        ("aNewException", 500),
    ],
)
def test_an_exception_in_mid_stream_has_its_status(kind: str, status: int) -> None:
    found = told(b"".join(GOOD[:2]) + exception_frame(kind, "It broke."))
    assert isinstance(found.error, ProviderError)
    assert found.error.http_status == status
    assert "".join(each.get("content") or "" for each in deltas(found.out)) == "Hi."


def test_a_stream_that_was_cut_anywhere_is_an_error_or_complete() -> None:
    body, complete = b"".join(GOOD), len(b"".join(GOOD[:3]))
    for place in range(len(body)):
        found = streamed(body[:place], [])
        if place < complete:
            assert isinstance(found.error, UpstreamCut | UpstreamMalformed), place
        else:  # the usage alone is missing
            assert (found.error, found.usage) == (None, None), place


@given(st.integers(0, len(b"".join(GOOD)) - 1), st.integers(1, 255))
def test_no_damaged_byte_is_believed(place: int, change: int) -> None:
    body = bytearray(b"".join(GOOD))
    body[place] ^= change
    found = streamed(bytes(body), [])
    behind_all = place >= len(b"".join(GOOD[:3]))
    assert found.error is not None
    assert isinstance(found.error, UpstreamError)
    assert found.usage is None or behind_all


@given(
    st.lists(st.sampled_from(EVENTS), max_size=8),
    st.binary(max_size=60),
    st.lists(st.integers(0, 4_000), max_size=8),
)
def test_any_order_of_events_and_rubbish_behind_them_is_the_same_in_any_cut(
    events: list[tuple[str, dict[str, object]]], rubbish: bytes, at: list[int]
) -> None:
    body = b"".join([*bedrock_frames(events), rubbish])
    whole = streamed(body, [])
    assert streamed(body, at).facts == whole.facts
    assert streamed(body, list(range(0, len(body), 7))).facts == whole.facts
    assert whole.done or whole.error is not None


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=5))
def test_any_bytes_end_in_an_error(body: bytes, at: list[int]) -> None:
    found = streamed(body, at)
    assert found.facts == streamed(body, []).facts
    assert isinstance(found.error, UpstreamError)


@given(st.binary(max_size=120), st.binary(max_size=60))
def test_a_frame_with_right_checksums_may_hold_anything(headers: bytes, payload: bytes) -> None:
    prelude = struct.pack(">II", LEAST_BYTES + len(headers) + len(payload), len(headers))
    data = prelude + struct.pack(">I", crc32(prelude)) + headers + payload
    found = streamed(b"".join(GOOD[:2]) + data + struct.pack(">I", crc32(data)), [])
    assert found.error is None or isinstance(found.error, UpstreamError)


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_no_length_makes_the_reader_keep_more_than_its_limit(size: int, header_size: int) -> None:
    prelude = struct.pack(">II", size, header_size)
    cutter = FrameCutter(max_bytes=1_000)
    data = prelude + struct.pack(">I", crc32(prelude))
    if LEAST_BYTES + header_size <= size <= 1_000:
        assert list(cutter.feed(data)) == [] or size == PRELUDE.size + 4
    else:
        with pytest.raises(UpstreamMalformed):
            list(cutter.feed(data))


@pytest.mark.parametrize("payload", [b"[1]", b"{", b"\xff", b'{"delta":7}', b'"text"'])
def test_an_event_of_another_shape_is_an_error(payload: bytes) -> None:
    good = frame({":event-type": "contentBlockDelta"}, {})
    headers = good[PRELUDE.size : PRELUDE.size + struct.unpack(">I", good[4:8])[0]]
    prelude = struct.pack(">II", LEAST_BYTES + len(headers) + len(payload), len(headers))
    data = prelude + struct.pack(">I", crc32(prelude)) + headers + payload
    found = told(GOOD[0] + data + struct.pack(">I", crc32(data)))
    assert isinstance(found.error, UpstreamMalformed)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inside: (
        st.lists(inside, max_size=3)
        | st.dictionaries(
            st.sampled_from(["message", "Message", "__type", "code", "error", "x"]), inside, max_size=3
        )
    ),
    max_leaves=8,
)
KINDS = st.sampled_from(["ThrottlingException", "ValidationException:http://x", "Unknown", ""]) | st.text(
    max_size=9
)


@given(
    st.integers(200, 700), KINDS, st.binary(max_size=60) | JSON.map(lambda told: json.dumps(told).encode())
)
def test_any_failing_answer_is_an_error_of_ours(status: int, kind: str, body: bytes) -> None:
    headers = {"x-amzn-errortype": kind} if kind else {}
    error = BACKENDS[Dialect.BEDROCK].error(status, headers, body, TO)
    assert isinstance(error, UpstreamError)
    assert 400 <= error.http_status <= 599
    assert error.message
    assert error.answer is not None
