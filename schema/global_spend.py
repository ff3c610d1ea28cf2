"""Spend as a whole: the charts and the report, in LiteLLM's shapes. Dollars in answers are exact sums."""

from datetime import datetime
from decimal import Decimal
from typing import Literal

import msgspec

from schema.reports import PeriodQuery, Query
from schema.wire import Wire


class OfKeyQuery(Query, frozen=True, kw_only=True, forbid_unknown_fields=True):
    api_key: str | None = None
    """A key or its hash."""


class TagsQuery(PeriodQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`tags` is a list separated by commas. All tags are wanted where it is absent or `all-tags`."""

    tags: str | None = None


class EndUsersRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /global/spend/end_users. Of each time, the UTC day counts."""

    startTime: datetime | None = None  # noqa: N815  (LiteLLM's name)
    endTime: datetime | None = None  # noqa: N815
    api_key: str | None = None


class ResetRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /global/spend/reset takes nothing."""


class ReportQuery(PeriodQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """GET /global/spend/report. With a key or a user, the answer has the shape of `group_by=api_key`."""

    group_by: Literal["team", "customer", "api_key"] = "team"
    api_key: str | None = None
    internal_user_id: str | None = None
    team_id: str | None = None
    customer_id: str | None = None


class TeamSpend(msgspec.Struct, frozen=True, kw_only=True):
    team_name: str
    team_id: str
    total_spend: Decimal
    metadata: msgspec.Raw
    """The group's lines by model and key. Each is `{"model", "api_key", "spend", "total_tokens"}`."""


class CustomerSpend(msgspec.Struct, frozen=True, kw_only=True):
    customer: str
    total_spend: Decimal
    metadata: msgspec.Raw
    """The group's lines by model and key. Each is `{"model", "api_key", "spend", "total_tokens"}`."""


class DayOfTeams(msgspec.Struct, frozen=True, kw_only=True):
    group_by_day: str
    teams: list[TeamSpend]


class DayOfCustomers(msgspec.Struct, frozen=True, kw_only=True):
    group_by_day: str
    customers: list[CustomerSpend]


class TotalSpend(msgspec.Struct, frozen=True, kw_only=True):
    """GET /global/spend. `spend` is that of the last 30 days. `max_budget` is the config's budget for all
    callers together."""

    spend: Decimal
    max_budget: Decimal | None


class DaySpend(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    date: str
    spend: Decimal
    api_key: str | None = None


class TopKey(msgspec.Struct, frozen=True, kw_only=True):
    api_key: str
    key_alias: str | None
    key_name: str | None
    total_spend: Decimal


class TopModel(msgspec.Struct, frozen=True, kw_only=True):
    model: str
    total_spend: Decimal
    total_tokens: int


class TeamTotal(msgspec.Struct, frozen=True, kw_only=True):
    team_id: str
    """The team's name for people, as at LiteLLM."""
    total_spend: Decimal


class TeamsByDay(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of `daily_spend` has the `date`, and each team's spend under the team's name. A team called
    `date` is left out."""

    daily_spend: list[dict[str, msgspec.Raw]]
    teams: list[str]
    total_spend_per_team: list[TeamTotal]


class ProviderSpend(msgspec.Struct, frozen=True, kw_only=True):
    provider: str
    spend: Decimal


class NamedTag(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    spend: Decimal
    log_count: int


class SpendPerTag(msgspec.Struct, frozen=True, kw_only=True):
    spend_per_tag: list[NamedTag]


class EndUserSpend(msgspec.Struct, frozen=True, kw_only=True):
    end_user: str
    total_count: int
    total_spend: Decimal


class SpendReset(msgspec.Struct, frozen=True, kw_only=True):
    message: str
    status: str
