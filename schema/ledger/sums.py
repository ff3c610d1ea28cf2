"""Sums of what calls cost: by what they can be asked for, and what each holds."""

import enum
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from schema.dates import Days
from schema.errors import InvalidRequest

MAX_LISTED = 500
"""Ids in one filter."""


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
    """LiteLLM's names, then ours. Dollars are exact. What is refused, cancelled or uncertain is
    among the failed; requests are timed where something was sent.

    Not keyword-only: from a row of the database that is five times as fast."""

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


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    """One group. `of` has its values by dimension; `group` says which of the query's groupings it is of."""

    of: Mapping[Dimension, str]
    metrics: Metrics
    group: int = 0


class SumsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """`by`: one or more groupings, each by some dimensions. Groups come in the order of the grouping's
    values; with `top` only so many of them, the dearest first."""

    by: tuple[tuple[Dimension, ...], ...]
    days: Days = Days()
    where: Mapping[Dimension, tuple[str, ...]] = {}
    """Any of these values. An empty tuple: none."""
    without: Mapping[Dimension, tuple[str, ...]] = {}
    only: tuple[str, ...] = ()
    """The metrics that are wanted, by name; empty: all. The others stay zero."""
    top: int | None = None


class Lines(msgspec.Struct, frozen=True, kw_only=True):
    """A group with its lines, by model and key: `{"model", "api_key", "spend", "total_tokens"}` each. They
    are JSON from the database on, since there can be tens of thousands."""

    of: Mapping[Dimension, str]
    spend: Decimal
    lines: msgspec.Raw


class Name(msgspec.Struct, frozen=True, kw_only=True):
    """What people call something."""

    alias: str | None = None
    key_name: str | None = None
    team_id: str | None = None


def total(metrics: Sequence[Metrics]) -> Metrics:
    """All of them together."""
    sums: Iterator[Any] = map(sum, zip(*map(msgspec.structs.astuple, metrics), strict=True))
    return Metrics(*sums)  # whose types are those of Metrics' own fields


def listed(param: str, text: str | None) -> tuple[str, ...]:
    """Ids with commas between them."""
    found = tuple(each.strip() for each in (text or "").split(",") if each.strip())
    if len(found) > MAX_LISTED:
        raise InvalidRequest(f"{param}: expected at most {MAX_LISTED}, found {len(found)}", param=param)
    return found
