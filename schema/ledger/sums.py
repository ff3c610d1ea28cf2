"""Sums of what calls cost: what they can be grouped by, and what a sum holds."""

import enum
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from schema.dates import Days
from schema.errors.requests import InvalidRequest

MAX_LISTED = 500
"""The most ids in one filter."""


class Dimension(enum.Enum):
    """What calls are summed by: columns of the daily rollups."""

    DATE = "date"
    API_KEY = "api_key"
    USER = "user_id"
    TEAM = "team_id"
    ORGANIZATION = "organization_id"
    MODEL_GROUP = "model_group"
    MODEL = "model"
    PROVIDER = "custom_llm_provider"
    ENDPOINT = "endpoint"
    END_USER = "end_user"
    TAG = "tag"

    __hash__ = object.__hash__
    """Enum's own is written in Python, and large reports look these up tens of thousands of times."""


class Metrics(msgspec.Struct, frozen=True, gc=False):
    """The numbers of one sum: LiteLLM's names, then ours. Dollars are exact. Refused, cancelled and uncertain
    requests count as failed. A request is timed where something was sent. The fields may be given by
    position, since that is five times as fast for a row of the database."""

    spend: Decimal = Decimal(0)
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cache_read_input_tokens: int = 0
    cache_creation_input_tokens: int = 0
    total_tokens: int = 0
    successful_requests: int = 0
    failed_requests: int = 0
    api_requests: int = 0
    total_response_time_ms: int = 0
    timed_requests: int = 0
    reasoning_tokens: int = 0
    refused_requests: int = 0
    uncertain_requests: int = 0
    uncertain_spend: Decimal = Decimal(0)
    total_ttft_ms: int = 0
    ttft_requests: int = 0
    rate_limited_requests: int = 0
    cache_hit_requests: int = 0
    cache_hit_output_tokens: int = 0


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    """One group. `of` has the group's values by dimension; `group` is the number of its grouping in the
    query."""

    of: Mapping[Dimension, str]
    metrics: Metrics
    group: int = 0


class SumsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be summed up. `by` has one or more groupings, each by some dimensions. Groups come in the
    order of their values; with `top`, only that many come, the dearest first."""

    by: tuple[tuple[Dimension, ...], ...]
    days: Days = Days()
    where: Mapping[Dimension, tuple[str, ...]] = {}
    """The values that a row may have, by dimension. An empty tuple: no row fits."""
    without: Mapping[Dimension, tuple[str, ...]] = {}
    only: tuple[str, ...] = ()
    """The names of the metrics that are wanted; empty for all. The other metrics stay zero."""
    top: int | None = None


class Lines(msgspec.Struct, frozen=True, kw_only=True):
    """A group with its lines by model and key. Each line is `{"model", "api_key", "spend", "total_tokens"}`.
    The database makes the JSON, since there can be tens of thousands of lines."""

    of: Mapping[Dimension, str]
    spend: Decimal
    lines: msgspec.Raw


class Name(msgspec.Struct, frozen=True, kw_only=True):
    """The name that people give to a key, team or user."""

    alias: str | None = None
    key_name: str | None = None
    team_id: str | None = None


def total(metrics: Sequence[Metrics]) -> Metrics:
    """The sum of all of these."""
    sums: Iterator[Any] = map(sum, zip(*map(msgspec.structs.astuple, metrics), strict=True))
    return Metrics(*sums)  # whose types are those of Metrics' own fields


def listed(param: str, text: str | None) -> tuple[str, ...]:
    """The ids of a parameter, which separates them by commas. Raises InvalidRequest."""
    found = tuple(each.strip() for each in (text or "").split(",") if each.strip())
    if len(found) > MAX_LISTED:
        raise InvalidRequest(f"{param}: expected at most {MAX_LISTED}, found {len(found)}", param=param)
    return found
