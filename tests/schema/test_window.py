"""Budget windows follow the calendar of a time zone."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.errors.requests import InvalidRequest
from schema.window import after, check_duration, normal, window, windows_a_day

ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "America/Santiago",
    "Asia/Beirut",
)
DURATIONS = (
    "1s", "30s", "45s", "90s", "1m", "5m", "7m", "60m", "90m", "1h", "2h", "5h", "6h", "24h", "36h",
    "1d", "2d", "7d", "14d", "30d", "1w", "2w", "1mo", "3mo", "12mo", "365d",
)  # fmt: skip
CALENDAR = ("1h", "2h", "6h", "1d", "7d", "1w", "30d", "1mo")
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))
START = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "duration", "zone", "starts", "ends"),
    [
        ("2026-11-24T12:34:56", "1d", "UTC", "2026-11-24T00:00:00", "2026-11-25T00:00:00"),
        ("2026-11-24T12:34:56", "24h", "UTC", "2026-11-24T00:00:00", "2026-11-25T00:00:00"),
        ("2026-11-24T12:34:56", "7d", "UTC", "2026-11-23T00:00:00", "2026-11-30T00:00:00"),
        ("2026-11-24T12:34:56", "1w", "UTC", "2026-11-23T00:00:00", "2026-11-30T00:00:00"),
        ("2026-11-24T12:34:56", "30d", "UTC", "2026-11-01T00:00:00", "2026-12-01T00:00:00"),
        ("2026-12-31T23:59:59", "1mo", "UTC", "2026-12-01T00:00:00", "2027-01-01T00:00:00"),
        ("2026-01-31T12:00:00", "1mo", "UTC", "2026-01-01T00:00:00", "2026-02-01T00:00:00"),
        ("2028-02-29T12:00:00", "30d", "UTC", "2028-02-01T00:00:00", "2028-03-01T00:00:00"),
        ("2026-11-24T12:34:56", "10d", "UTC", "2026-11-24T00:00:00", "2026-12-04T00:00:00"),
        ("2026-11-24T12:34:56", "2h", "UTC", "2026-11-24T12:00:00", "2026-11-24T14:00:00"),
        ("2026-11-24T23:34:56", "5h", "UTC", "2026-11-24T20:00:00", "2026-11-25T00:00:00"),
        ("2026-11-24T12:34:56", "15m", "UTC", "2026-11-24T12:30:00", "2026-11-24T12:45:00"),
        ("2026-11-24T12:34:56", "10s", "UTC", "2026-11-24T12:34:50", "2026-11-24T12:35:00"),
        # A day of a zone, in UTC; the day the clocks go forward has 23 hours, the one they go back has 25.
        ("2026-11-24T12:34:56", "1d", "Europe/Berlin", "2026-11-23T23:00:00", "2026-11-24T23:00:00"),
        ("2026-03-29T12:00:00", "1d", "Europe/Berlin", "2026-03-28T23:00:00", "2026-03-29T22:00:00"),
        ("2026-10-25T12:00:00", "1d", "Europe/Berlin", "2026-10-24T22:00:00", "2026-10-25T23:00:00"),
        ("2026-03-31T23:30:00", "1mo", "Europe/Berlin", "2026-03-31T22:00:00", "2026-04-30T22:00:00"),
        ("2026-03-08T12:00:00", "7d", "America/New_York", "2026-03-02T05:00:00", "2026-03-09T04:00:00"),
    ],
)
def test_a_window_begins_and_ends_where_the_calendar_says(
    at: str, duration: str, zone: str, starts: str, ends: str
) -> None:
    moment = datetime.fromisoformat(at).replace(tzinfo=UTC)
    found = window(moment, duration, ZoneInfo(zone))
    assert [each.isoformat() for each in found] == [f"{starts}+00:00", f"{ends}+00:00"]


@given(MOMENTS, st.sampled_from(DURATIONS), st.sampled_from(ZONES))
def test_a_moment_is_inside_its_window(at: datetime, duration: str, zone: str) -> None:
    start, end = window(at, duration, ZoneInfo(zone))
    assert start <= at < end


@given(MOMENTS, st.sampled_from(CALENDAR), st.sampled_from(ZONES))
def test_calendar_windows_follow_each_other_without_a_gap(at: datetime, duration: str, zone: str) -> None:
    start, end = window(at, duration, ZoneInfo(zone))
    assert window(end, duration, ZoneInfo(zone))[0] == end
    assert window(end - timedelta(microseconds=1), duration, ZoneInfo(zone)) == (start, end)


@pytest.mark.parametrize(
    ("said", "kept"),
    [("daily", "1d"), ("weekly", "7d"), ("Monthly", "30d"), (" 12h ", "12h"), ("3mo", "3mo")],
)
def test_words_are_durations_too(said: str, kept: str) -> None:
    assert check_duration(said, param="budget_duration") == kept


@pytest.mark.parametrize("said", ["", "0d", "-1d", "1.5d", "d", "1y", "4000d", "999999mo", "1d\n2"])
def test_what_is_no_duration_is_refused_by_name(said: str) -> None:
    with pytest.raises(InvalidRequest, match="budget_duration"):
        check_duration(said, param="budget_duration")


@pytest.mark.parametrize(
    "same",
    [
        ("30d", "1mo", "720h"),
        ("1w", "7d", "168h"),
        ("24h", "1d", "1440m", "86400s"),
        ("2h", "120m"),
        ("1m", "60s"),
    ],
)
def test_durations_with_the_same_windows_are_the_same(same: tuple[str, ...]) -> None:
    assert len({normal(duration) for duration in same}) == 1
    assert len({windows_a_day(duration) for duration in same}) == 1


UNITS = {"s": 1 / 86_400, "m": 1 / 1440, "h": 1 / 24, "d": 1, "w": 7, "mo": 31}
LENGTHS = st.one_of(
    st.tuples(st.integers(1, 4_000), st.sampled_from(("m", "h"))),
    st.tuples(st.integers(1, 200_000), st.just("s")),
    st.tuples(st.integers(1, 40), st.just("d")),
    st.tuples(st.integers(1, 4), st.sampled_from(("w", "mo"))),
)


@given(MOMENTS, LENGTHS)
def test_so_many_windows_begin_in_a_day(at: datetime, length: tuple[int, str]) -> None:
    """Walked from the end of one window to the next: 300 of them, or four weeks, or five windows."""
    count, unit = length
    duration = f"{count}{unit}"
    steps = max(5, min(300, round(28 / (count * UNITS[unit]))))
    begins = [window(at, duration, UTC)[0]]
    for _ in range(steps):
        begins.append(window(window(begins[-1], duration, UTC)[1], duration, UTC)[0])
    days = (begins[-1] - begins[0]) / timedelta(days=1)
    least, most = windows_a_day(duration)
    assert days * float(least) - 1 <= steps <= days * float(most) + cut(duration)


def cut(duration: str) -> float:
    """Those that begin before what they are cut at, and don't fill it: `7h` four times a day."""
    return max(1.0, float(windows_a_day(duration)[1]) / {"s": 1440, "m": 24}.get(normal(duration)[1], 1))


@pytest.mark.parametrize(
    ("duration", "a_day"),
    [
        ("47h", 1), ("36h", 1), ("25h", 1), ("49h", 1 / 2), ("119m", 24), ("90m", 24), ("119s", 1440),
        ("7h", 4), ("1439m", 24 / 23), ("720h", 1 / 28), ("30d", 1 / 28),
        ("12mo", 1 / 365), ("45s", 2880), ("40m", 48),
    ],
)  # fmt: skip
def test_at_most_so_many_windows_begin_in_a_day(duration: str, a_day: float) -> None:
    assert float(windows_a_day(duration)[1]) == pytest.approx(a_day)


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
