import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_registry.turns.messages_form import named_event
from models_registry.turns.sse import DONE, Event, EventCutter, event_frame, events, frame
from schema.errors.upstream import UpstreamMalformed
from tests.models_registry.backends.feeding import cut

LINE_ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])
FIELDS = st.sampled_from(
    [b"data: x", b"data:y", b"data", b"event: ping", b": note", b"id: 5", b"data: a\x0bb"]
)


def blocks(pieces: list[bytes]) -> tuple[bytes, bytes]:
    """All whole events, and the rest."""
    cutter = EventCutter()
    out = b"".join(cutter.feed(piece) for piece in pieces)
    return out, cutter.close()


def parsed(block: bytes) -> list[tuple[str | None, bytes]]:
    return [(event.name, event.data) for event in events(block) if event.data is not None]


def test_lines_may_end_with_cr_lf_or_both() -> None:
    for end in (b"\n", b"\r\n", b"\r"):
        block = end.join([b"event: a", b"data: 1", b"", b"data: 2", b"", b""])
        assert parsed(blocks([block])[0]) == [("a", b"1"), (None, b"2")]


def test_other_line_separators_are_part_of_the_data() -> None:
    data = "a\u2028b\x0bc\x85d".encode()
    assert parsed(b"data: " + data + b"\n\n") == [(None, data)]


def test_several_data_lines_are_joined_and_comments_skipped() -> None:
    assert parsed(b": hi\ndata: a\ndata:  b\ndata\n\n") == [(None, b"a\n b\n")]


def test_a_comment_is_an_event_without_data() -> None:
    assert list(events(b": ping\n\n")) == [Event(None, None, b": ping\n\n")]


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_a_byte_order_mark_at_the_start_is_taken_off(size: int) -> None:
    data = b"\xef\xbb\xbfdata: 1\n\n"
    assert blocks([data[i : i + size] for i in range(0, len(data), size)]) == (b"data: 1\n\n", b"")


def test_an_event_without_its_empty_line_is_the_rest() -> None:
    assert blocks([b"data: 1\n\ndata: 2\n"]) == (b"data: 1\n\n", b"data: 2\n")


def test_a_frame_is_one_event() -> None:
    assert parsed(frame(b"{}") + DONE) == [(None, b"{}"), (None, b"[DONE]")]


@pytest.mark.parametrize("step", [1, 7, 64])
def test_an_event_over_the_limit_is_refused_however_it_comes(step: int) -> None:
    for ending in (b"", b"\n\n"):
        cutter = EventCutter(max_bytes=32)
        assert cutter.feed(b"data: 1\n\n") == b"data: 1\n\n"
        data = b"data: " + b"x" * 40 + ending
        pieces = [data[i : i + step] for i in range(0, len(data), step)]
        with pytest.raises(UpstreamMalformed, match="32 bytes"):
            list(map(cutter.feed, pieces))


def test_many_small_events_in_one_read_are_within_the_limit() -> None:
    assert EventCutter(max_bytes=32).feed(b"data: 1\n\n" * 100) == b"data: 1\n\n" * 100


@given(st.lists(st.tuples(st.lists(FIELDS, min_size=1, max_size=3), LINE_ENDS)), st.lists(st.integers(0)))
def test_cuts_change_nothing_but_where_the_blocks_end(
    groups: list[tuple[list[bytes], bytes]], at: list[int]
) -> None:
    data = b"".join(end.join([*lines, b"", b""]) for lines, end in groups)
    whole, rest = blocks([data])
    assert whole + rest == data
    for pieces in (cut(data, at), [data[i : i + 1] for i in range(len(data))]):
        cutter = EventCutter()
        found = [event for piece in pieces for event in parsed(cutter.feed(piece))]
        assert found + parsed(cutter.close()) == parsed(whole) + parsed(rest)


@given(st.binary(max_size=300), st.lists(st.integers(0)))
def test_any_bytes_come_out_as_they_went_in(data: bytes, at: list[int]) -> None:
    out, rest = blocks(cut(data, at))
    assert (out + rest).removeprefix(b"\xef\xbb\xbf") == data.removeprefix(b"\xef\xbb\xbf")
    assert b"".join(event.raw for event in events(out)) == out


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_a_json_text_over_several_lines_is_one_event(end: bytes) -> None:
    text = end.join([b'{"source": {', b'  "title": "a\\nb",', b'  "url": "http://a.test"', b"}}"])
    told = [frame(text), event_frame(b"cited", text), named_event("cited", text)]
    for each in told:
        (event,) = events(each)
        assert json.loads(event.data or b"") == json.loads(text)
