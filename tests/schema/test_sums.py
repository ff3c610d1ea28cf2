"""Days and lists of a report's query; metrics together."""

from datetime import date
from decimal import Decimal

import pytest

from schema.errors import InvalidRequest
from schema.sums import MAX_LISTED, Days, Metrics, days_of, days_until, listed, period_days, total


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


def test_lists_have_commas_and_an_end() -> None:
    assert listed("tags", " a, b,,") == ("a", "b")
    assert listed("tags", None) == ()
    with pytest.raises(InvalidRequest) as refused:
        listed("tags", "a," * (MAX_LISTED + 1))
    assert refused.value.param == "tags"


def test_metrics_together_are_exact() -> None:
    cents = [Metrics(spend=Decimal("0.1"), prompt_tokens=1) for _ in range(3)]
    assert total(cents) == Metrics(spend=Decimal("0.3"), prompt_tokens=3)
    assert total([]) == Metrics()
