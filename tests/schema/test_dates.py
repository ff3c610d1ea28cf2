"""The days of a report's query."""

from datetime import date

import pytest

from schema.dates import Days, days_of, days_until, period_days
from schema.errors.requests import InvalidRequest


def test_days_may_be_open_and_include_both_ends() -> None:
    assert days_of(None, None) == Days()
    assert days_of("2026-11-01", "2026-11-01") == Days("2026-11-01", "2026-11-01")
    assert days_until(date(2026, 3, 1), 30) == Days("2026-01-30", "2026-03-01")


@pytest.mark.parametrize(
    ("start", "end", "param"),
    [("x", None, "start_date"), (None, "2026-2-30", "end_date"), ("2026-01-02", "2026-01-01", "end_date"),
     ("2026-01-01 00:00:00", None, "start_date")],
)  # fmt: skip
def test_a_day_that_is_none_is_named(start: str | None, end: str | None, param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        days_of(start, end)
    assert refused.value.param == param


def test_a_period_has_both_days() -> None:
    for start, end, param in ((None, "2026-01-01", "start_date"), ("2026-01-01", None, "end_date")):
        with pytest.raises(InvalidRequest) as refused:
            period_days(start, end)
        assert refused.value.param == param
