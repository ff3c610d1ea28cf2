"""Dates of queries: UTC days and moments, checked by the name of their parameter."""

from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from schema.errors.requests import InvalidRequest

_DAY = "%Y-%m-%d"
_SECOND = "%Y-%m-%d %H:%M:%S"


class Days(NamedTuple):
    """UTC days as `YYYY-MM-DD`, both included. None: the period is open on that side."""

    first: str | None = None
    last: str | None = None


def days_of(start_date: str | None, end_date: str | None) -> Days:
    """Two dates of a query, each of which may be absent. Raises InvalidRequest naming the parameter."""
    days = Days(_day("start_date", start_date), _day("end_date", end_date))
    if days.first and days.last and days.first > days.last:
        raise InvalidRequest("end_date: expected a date not before start_date.", param="end_date")
    return days


def period_days(start_date: str | None, end_date: str | None) -> Days:
    """The same, where both dates are required."""
    for name, value in (("start_date", start_date), ("end_date", end_date)):
        if value is None:
            raise InvalidRequest(f"{name}: please say which days, as YYYY-MM-DD (UTC).", param=name)
    return days_of(start_date, end_date)


def days_until(last: date, count: int) -> Days:
    """`last` and the `count` days before it."""
    return Days(date.fromordinal(last.toordinal() - count).isoformat(), last.isoformat())


def _day(name: str, text: str | None) -> str | None:
    if text is None:
        return None
    moment = _moment(text, _DAY)
    if moment is None:
        raise InvalidRequest(
            f"{name}: sums are by whole UTC days; expected YYYY-MM-DD, found {text[:40]!r}", param=name
        )
    return moment.date().isoformat()


def period_of(start_date: str | None, end_date: str | None) -> tuple[datetime | None, datetime | None]:
    """Two dates as UTC times: the period begins with the first and ends before the second. An end date counts
    as a whole day, an end time as a whole second. Raises InvalidRequest naming the parameter."""
    start = None if start_date is None else _date("start_date", start_date)[0]
    if end_date is None:
        return start, None
    last, step = _date("end_date", end_date)
    end = last + step
    if start is not None and start >= end:
        raise InvalidRequest("end_date: expected a date not before start_date.", param="end_date")
    return start, end


def end_of(text: str, *, param: str) -> datetime:
    """The last moment of a day, or a moment: `2026-11-30`, `2026-11-30 12:00:00` or `2026-11-30T12:00:00Z`,
    in UTC where no zone is named. Raises InvalidRequest."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        begin, step = _date(param, text)
        return begin + step
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return _date(param, text)[0] + timedelta(days=1) if len(text) == len("2026-11-30") else moment


def _date(name: str, text: str) -> tuple[datetime, timedelta]:
    """The moment that a date begins, and how long the date lasts: a day or a second."""
    for layout, step in ((_DAY, timedelta(days=1)), (_SECOND, timedelta(seconds=1))):
        moment = _moment(text, layout)
        if moment is not None:
            return moment, min(step, datetime.max.replace(tzinfo=UTC) - moment)
    raise InvalidRequest(
        f"{name}: expected YYYY-MM-DD or YYYY-MM-DD HH:MM:SS (UTC), found {text[:40]!r}", param=name
    )


def _moment(text: str, layout: str) -> datetime | None:
    """A UTC time, None where the text has another layout."""
    try:
        return datetime.strptime(text, layout).replace(tzinfo=UTC)
    except ValueError:
        return None
