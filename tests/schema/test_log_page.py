"""Cursors of the log page."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.errors.requests import InvalidRequest
from schema.log_page import LogFilter, LogPlace, cursor_of, place_of


@given(
    moment=st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=2))]),
                        min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30)),
    request_id=st.text(min_size=1, max_size=80),
)  # fmt: skip
def test_a_cursor_is_a_place_in_a_url(moment: datetime, request_id: str) -> None:
    cursor = cursor_of(LogPlace(moment, request_id))
    assert place_of(cursor) == LogPlace(moment, request_id)
    assert all(letter.isalnum() or letter in "-_" for letter in cursor)


@given(st.text(max_size=60))
def test_any_text_is_a_place_or_refused(text: str) -> None:
    try:
        place = place_of(text)
    except InvalidRequest:
        return
    assert place_of(cursor_of(place)) == place


@pytest.mark.parametrize("text", ["", "abc", "MjAyNi0xMS0yMHxh", "ü", "a" * 5, "=", "AAAA"])
def test_what_is_no_place_is_refused(text: str) -> None:
    """The third is a date without its hour's zone."""
    with pytest.raises(InvalidRequest):
        place_of(text)


def test_a_key_in_a_filter_is_not_printed() -> None:
    assert "sk-secret" not in repr(LogFilter(api_key="sk-secret"))
