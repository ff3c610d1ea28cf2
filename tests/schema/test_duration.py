from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.duration import after
from schema.errors import InvalidRequest

START = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("30s", datetime(2026, 1, 31, 12, 0, 30, tzinfo=UTC)),
        ("15m", datetime(2026, 1, 31, 12, 15, tzinfo=UTC)),
        ("12h", datetime(2026, 2, 1, 0, tzinfo=UTC)),
        ("2w", datetime(2026, 2, 14, 12, tzinfo=UTC)),
        ("1mo", datetime(2026, 2, 28, 12, tzinfo=UTC)),
        ("12mo", datetime(2027, 1, 31, 12, tzinfo=UTC)),
    ],
)
def test_a_duration_ends_where_the_calendar_says(text: str, end: datetime) -> None:
    assert after(START, text, param="duration") == end


@given(st.text(max_size=12))
def test_any_text_is_a_duration_or_refused(text: str) -> None:
    with suppress(InvalidRequest):
        assert after(START, text, param="duration") >= START


@pytest.mark.parametrize(
    "text", ["1", "d", "0s", "000mo", "-1d", "1.5h", "1y", "999999w", "999999mo", "\u0661d"]
)
def test_nonsense_and_eternity_are_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        after(START, text, param="duration")
