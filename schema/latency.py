"""How long calls took: percentiles by day or hour, and by model, team, key, user or provider."""

import enum
from collections.abc import Mapping
from datetime import date

import msgspec

from schema.dates import period_days
from schema.errors.requests import InvalidRequest
from schema.ledger.histogram import ERROR_BOUND, Percentiles
from schema.ledger.sums import listed
from schema.reports import PeriodQuery
from schema.secret import hash_of

HOURLY_DAYS = 8
"""For how many days at once hours can be asked for."""


class LatencyStep(enum.Enum):
    """How the period is divided."""

    HOUR = "hour"
    DAY = "day"
    TOTAL = "total"
    """The period is not divided."""


class LatencyGroup(enum.Enum):
    """What the percentiles are told apart by."""

    NONE = "none"
    MODEL = "model"
    """The public name."""
    TEAM = "team"
    KEY = "key"
    USER = "user"
    PROVIDER = "provider"


class LatencyQuery(PeriodQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """GET /spend/latency. Lists are separated by commas."""

    step: LatencyStep = LatencyStep.DAY
    by: LatencyGroup = LatencyGroup.NONE
    model: str | None = None
    """Public names of models."""
    team_id: str | None = None
    api_key: str | None = None
    """Keys or their hashes."""
    user_id: str | None = None
    provider: str | None = None


class WantedLatency(msgspec.Struct, frozen=True, kw_only=True):
    """A query whose values were checked."""

    first: str
    last: str
    """UTC days as `YYYY-MM-DD`, both included."""
    step: LatencyStep
    by: LatencyGroup
    where: Mapping[LatencyGroup, tuple[str, ...]]
    """The values that a call may have."""


class TimedCalls(msgspec.Struct, frozen=True, kw_only=True):
    """Calls that were timed, of one step and one group."""

    at: str
    """`2026-11-30`, `2026-11-30T14` (the hour that begins then, UTC), or empty where the period is not
    divided."""
    group: str
    """Empty where nothing is told apart, and for calls that have no such value."""
    duration_ms: Percentiles
    """From the request to the end of the answer."""
    ttft_ms: Percentiles
    """From the request to the first token, of the calls that were streamed."""
    name: str | None = None
    """What people call the key, team or user."""


class LatencyReport(msgspec.Struct, frozen=True, kw_only=True):
    """The percentiles, oldest first. A step without a timed call is left out."""

    results: list[TimedCalls]
    error_bound: float = ERROR_BOUND
    """The most that a percentile is away from the exact value, as a part of that value, beside the rounding
    to whole milliseconds."""


def wanted_of(query: LatencyQuery) -> WantedLatency:
    """The query, checked. Raises InvalidRequest by the name of the parameter."""
    days = period_days(query.start_date, query.end_date)
    assert days.first is not None, "both dates are required"
    assert days.last is not None, "both dates are required"
    if query.step is LatencyStep.HOUR:
        count = date.fromisoformat(days.last).toordinal() - date.fromisoformat(days.first).toordinal() + 1
        if count > HOURLY_DAYS:
            raise InvalidRequest(
                f"step: hours are told for at most {HOURLY_DAYS} days at once, found {count}; ask for `day`.",
                param="step",
            )
    asked = {
        LatencyGroup.MODEL: listed("model", query.model),
        LatencyGroup.TEAM: listed("team_id", query.team_id),
        LatencyGroup.KEY: tuple(hash_of(key) for key in listed("api_key", query.api_key)),
        LatencyGroup.USER: listed("user_id", query.user_id),
        LatencyGroup.PROVIDER: listed("provider", query.provider),
    }
    return WantedLatency(
        first=days.first,
        last=days.last,
        step=query.step,
        by=query.by,
        where={group: values for group, values in asked.items() if values},
    )
