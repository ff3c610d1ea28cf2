"""LiteLLM's durations: a whole number and a unit, `30s`, `15m`, `12h`, `30d`, `2w`, `1mo`."""

import calendar
import re
from datetime import datetime, timedelta

from schema.errors import InvalidRequest

_DURATION = re.compile(r"([0-9]{1,6})(s|mo|m|h|d|w)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def after(start: datetime, duration: str, *, param: str) -> datetime:
    """The moment a duration later; months keep the day where the month has it. Raises
    InvalidRequest naming `param`."""
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
