import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_registry.backends.ndjson import LineCutter
from schema.errors.upstream import UpstreamMalformed
from tests.models_registry.backends.feeding import cut


def lines(pieces: list[bytes]) -> list[bytes]:
    cutter = LineCutter()
    found = [line for piece in pieces for line in cutter.feed(piece)]
    return found + cutter.close()


def test_lines_end_with_lf_crlf_or_cr_and_empty_ones_are_nothing() -> None:
    assert lines([b'{"a":1}\n{"a":2}\r\n\r\n{"a":3}\r{"a":4}\n \n']) == [
        b'{"a":1}',
        b'{"a":2}',
        b'{"a":3}',
        b'{"a":4}',
    ]


def test_the_last_line_needs_no_end() -> None:
    cutter = LineCutter()
    assert cutter.feed(b'{"a":1}\n{"a"') == [b'{"a":1}']
    assert cutter.feed(b":2}") == []
    assert cutter.close() == [b'{"a":2}']


@pytest.mark.parametrize("ending", [b"", b"\n"])
@pytest.mark.parametrize("step", [1, 7, 64])
def test_a_line_over_the_limit_is_refused_however_it_comes(step: int, ending: bytes) -> None:
    data = b"1\n" + b"x" * 40 + ending
    pieces = [data[i : i + step] for i in range(0, len(data), step)]
    with pytest.raises(UpstreamMalformed, match="32 bytes"):
        list(map(LineCutter(max_bytes=32).feed, pieces))


@given(
    st.lists(st.sampled_from([b"{}", b"1", b"\n", b"\r\n", b"\r", "é\u2028".encode()])),
    st.lists(st.integers(0)),
)
def test_cuts_change_nothing(parts: list[bytes], at: list[int]) -> None:
    data = b"".join(parts)
    assert lines(cut(data, at)) == lines([data[i : i + 1] for i in range(len(data))]) == lines([data])
    assert b"".join(lines([data])) == data.replace(b"\n", b"").replace(b"\r", b"")
