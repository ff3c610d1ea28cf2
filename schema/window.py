"""Durations and budget windows, as LiteLLM has them.

A duration is a whole number and a unit: `30s`, `15m`, `12h`, `30d`, `2w`, `1mo`. A window is aligned to the
calendar of a time zone. A day ends at midnight, a week on Monday, 30 days and a month on the first; other
numbers of days end at a midnight so many days ahead; hours, minutes and seconds on multiples of the clock.
"""

import calendar
import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from fractions import Fraction
from types import MappingProxyType

from schema.errors.requests import InvalidRequest

WORDS = MappingProxyType(
    {
        "hourly": "1h",
        "daily": "1d",
        "weekly": "7d",
        "monthly": "30d",
        "yearly": "365d",
    }
)
MAX_DAYS = 3_660
_DURATION = re.compile(r"([0-9]{1,6})(s|mo|m|h|d|w)")
_WHOLE = (("s", 60, "m"), ("m", 60, "h"), ("h", 24, "d"))
"""A unit, how many of it make the next larger unit, and that unit."""
_LEAP_CYCLE = date(2024, 1, 1)
"""The four years from this day hold a leap year, and so every sequence of lengths that months can have."""
_IN_DAYS = MappingProxyType({"d": 1, "w": 7, "mo": 31, "h": 1 / 24, "m": 1 / 1440, "s": 1 / 86_400})
_SECONDS = MappingProxyType({"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800})


def check_duration(duration: str, *, param: str) -> str:
    """A budget's duration as it is stored: `30d` or `1mo`, and `1d` for the word `daily`. Raises
    InvalidRequest."""
    text = WORDS.get(duration.strip().lower(), duration.strip())
    found = _DURATION.fullmatch(text)
    if found is None or not 0 < int(found[1]) * _IN_DAYS[found[2]] <= MAX_DAYS:
        raise InvalidRequest(
            f"{param}: expected a number and s, m, h, d, w or mo, such as 30d, or daily, weekly, monthly; at "
            f"most ten years; found {duration[:50]!r}",
            param=param,
        )
    return text


def normal(duration: str) -> tuple[int, str]:
    """A number and `mo`, `d`, `h`, `m` or `s`: the same for durations with the same windows, such as `30d`,
    `720h` and `1mo`. `duration` is one that `check_duration` gave."""
    found = _DURATION.fullmatch(duration)
    assert found is not None, "durations are checked where they come in"
    count, unit = int(found[1]), found[2]
    if unit == "w":
        count, unit = count * 7, "d"
    for small, of, large in _WHOLE:
        if unit == small and count % of == 0:
            count, unit = count // of, large
    return (1, "mo") if (count, unit) == (30, "d") else (count, unit)


def window(at: datetime, duration: str, zone: tzinfo) -> tuple[datetime, datetime]:
    """The window that `at` falls into: its first moment and the first moment after it, in UTC. `duration` is
    one that `check_duration` gave."""
    (count, unit), local = normal(duration), at.astimezone(zone)
    if unit == "mo":
        return _midnight(local.date().replace(day=1), zone), _midnight(_month(local.date(), count), zone)
    if unit == "d":
        first = local.date() - timedelta(days=local.weekday() if count == 7 else 0)
        return _midnight(first, zone), _midnight(first + timedelta(days=count), zone)
    if unit == "h":
        return _hours(local, count, zone)
    return _ticks(at, local, count, unit)


def _midnight(day: date, zone: tzinfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _month(day: date, count: int) -> date:
    """The first day of the month so many months ahead."""
    year, month = divmod(day.year * 12 + day.month - 1 + count, 12)
    return date(year, month + 1, 1)


def _hours(local: datetime, count: int, zone: tzinfo) -> tuple[datetime, datetime]:
    """A window of hours. It begins at a multiple of `count` hours since midnight, and is cut at the next
    midnight. One of more than a day begins today at midnight and ends `count` hours later."""
    midnight = datetime.combine(local.date(), time())
    begun = local.hour // count * count
    start = (midnight + timedelta(hours=begun)).replace(tzinfo=zone)
    end = midnight + timedelta(hours=begun + count)
    if count < 24:
        end = min(end, midnight + timedelta(days=1))
    return start.astimezone(UTC), end.replace(tzinfo=zone).astimezone(UTC)


def _ticks(at: datetime, local: datetime, count: int, unit: str) -> tuple[datetime, datetime]:
    """A window of minutes or seconds. It begins at a multiple of `count` since the hour or the minute, and is
    cut at the next one. A window longer than that begins at the hour or the minute and ends `count` later."""
    step = timedelta(minutes=count) if unit == "m" else timedelta(seconds=count)
    whole = timedelta(hours=1) if unit == "m" else timedelta(minutes=1)
    passed = timedelta(minutes=local.minute if unit == "m" else 0, seconds=local.second)
    passed += timedelta(microseconds=local.microsecond)
    origin = at.astimezone(UTC) - passed
    start = origin + step * (passed // step)
    end = start + step
    return start, min(end, origin + whole) if step < whole else end


def windows_a_day(duration: str) -> tuple[Fraction, Fraction]:
    """How many windows of a duration begin in a day, at least and at most, where calls don't pause. `7h`
    begins four times a day, since the last one is cut at midnight. `36h` begins each day: it ends at noon,
    and the next one begins at the midnight before. `1mo` is 28 to 31 days. `duration` is one that
    `check_duration` gave."""
    count, unit = normal(duration)
    if unit == "mo":
        shortest, longest = _days_of_months(count)
        return Fraction(1, longest), Fraction(1, shortest)
    if unit == "d":
        return Fraction(1, count), Fraction(1, count)
    whole, of_whole = {"s": (60, 1440), "m": (60, 24), "h": (24, 1)}[unit]
    often = Fraction(-(-whole // count)) if count < whole else Fraction(1, count // whole)
    return often * of_whole, often * of_whole


def _days_of_months(count: int) -> tuple[int, int]:
    """The fewest and the most days that `count` months in a row have."""
    firsts = [_month(_LEAP_CYCLE, month) for month in range(48)]
    days = [(_month(first, count) - first).days for first in firsts]
    return min(days), max(days)


def after(start: datetime, duration: str, *, param: str) -> datetime:
    """The moment a duration later. A duration in months keeps the day of the month, or takes the month's last
    day where it is shorter. Raises InvalidRequest naming `param`."""
    found = _DURATION.fullmatch(duration)
    if found is None or int(found[1]) == 0:
        raise InvalidRequest(
            f"{param}: expected a number above zero and s, m, h, d, w or mo, such as 30d; "
            f"found {duration[:50]!r}",
            param=param,
        )
    count, unit = int(found[1]), found[2]
    try:
        if unit != "mo":
            return start + timedelta(seconds=count * _SECONDS[unit])
        year, month = divmod(start.year * 12 + start.month - 1 + count, 12)
        day = min(start.day, calendar.monthrange(year, month + 1)[1])
        return start.replace(year=year, month=month + 1, day=day)
    except (OverflowError, ValueError, calendar.IllegalMonthError) as exc:
        raise InvalidRequest(f"{param}: {duration} reaches past the year 9999", param=param) from exc
