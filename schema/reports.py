"""Reports on spend and activity: their queries and answers, in LiteLLM's shapes.

Queries refuse what they do not know by name. Dollars in answers are exact sums.
"""

from datetime import datetime
from decimal import Decimal
from typing import Literal

import msgspec

from schema.sums import Metrics
from schema.wire import Wire


class Query(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of a report that takes nothing."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"  # an `api_key` may be a key


class PeriodQuery(Query, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """UTC days, `YYYY-MM-DD`, both included."""

    start_date: str | None = None
    end_date: str | None = None


class TopQuery(Query, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The dearest `limit`."""

    limit: int = 100


class UsersQuery(TopQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    user_id: str | None = None


class OfKeyQuery(Query, frozen=True, kw_only=True, forbid_unknown_fields=True):
    api_key: str | None = None
    """A key or its hash."""


class TagsQuery(PeriodQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`tags`: a list with commas; absent or `all-tags`: all."""

    tags: str | None = None


class EndUsersRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /global/spend/end_users. Times count by their UTC day."""

    startTime: datetime | None = None  # noqa: N815  (LiteLLM's name)
    endTime: datetime | None = None  # noqa: N815
    api_key: str | None = None


class ResetRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /global/spend/reset takes nothing."""


class ReportQuery(PeriodQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """GET /global/spend/report. A key or a user gives the shape of `group_by=api_key`."""

    group_by: Literal["team", "customer", "api_key"] = "team"
    api_key: str | None = None
    internal_user_id: str | None = None
    team_id: str | None = None
    customer_id: str | None = None


class KeyReportQuery(PeriodQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """GET /key/spend/report; without a key, the calling one."""

    api_key: str | None = None


class UserReportQuery(PeriodQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """GET /user/spend/report; without a user, the caller."""

    internal_user_id: str | None = None


class TeamReportQuery(PeriodQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """GET /team/spend/report; without a team, that of the calling key."""

    team_id: str | None = None


class OrganizationReportQuery(PeriodQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """GET /organization/spend/report; without one, that of the calling key."""

    organization_id: str | None = None


class ModelCost(msgspec.Struct, frozen=True, kw_only=True):
    model: str
    total_cost: Decimal
    total_input_tokens: int
    total_output_tokens: int


class KeyCost(msgspec.Struct, frozen=True, kw_only=True):
    """What a key cost in a period, by model."""

    api_key: str
    total_cost: Decimal
    total_input_tokens: int
    total_output_tokens: int
    model_details: list[ModelCost]


class TeamSpend(msgspec.Struct, frozen=True, kw_only=True):
    team_name: str
    team_id: str
    total_spend: Decimal
    metadata: msgspec.Raw
    """Its lines by model and key: `{"model", "api_key", "spend", "total_tokens"}` each."""


class CustomerSpend(msgspec.Struct, frozen=True, kw_only=True):
    customer: str
    total_spend: Decimal
    metadata: msgspec.Raw
    """Its lines by model and key: `{"model", "api_key", "spend", "total_tokens"}` each."""


class DayOfTeams(msgspec.Struct, frozen=True, kw_only=True):
    group_by_day: str
    teams: list[TeamSpend]


class DayOfCustomers(msgspec.Struct, frozen=True, kw_only=True):
    group_by_day: str
    customers: list[CustomerSpend]


class TotalSpend(msgspec.Struct, frozen=True, kw_only=True):
    """GET /global/spend: of the last 30 days; `max_budget` is the config's, for all together."""

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
    """What people call it, as at LiteLLM."""
    total_spend: Decimal


class TeamsByDay(msgspec.Struct, frozen=True, kw_only=True):
    """`daily_spend`: a day's `date`, and what each team spent by its name (but for one called `date`)."""

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


class TagSpend(msgspec.Struct, frozen=True, kw_only=True):
    individual_request_tag: str
    log_count: int
    total_spend: Decimal


class EndUserSpend(msgspec.Struct, frozen=True, kw_only=True):
    end_user: str
    total_count: int
    total_spend: Decimal


class SpendReset(msgspec.Struct, frozen=True, kw_only=True):
    message: str
    status: str


class DayActivity(msgspec.Struct, frozen=True, kw_only=True):
    date: str
    api_requests: int
    total_tokens: int


class Activity(msgspec.Struct, frozen=True, kw_only=True):
    daily_data: list[DayActivity]
    sum_api_requests: int
    sum_total_tokens: int


class ModelActivity(msgspec.Struct, frozen=True, kw_only=True):
    model: str
    daily_data: list[DayActivity]
    sum_api_requests: int
    sum_total_tokens: int


class ExceptionsQuery(PeriodQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    model_group: str


class DayExceptions(msgspec.Struct, frozen=True, kw_only=True):
    date: str
    num_rate_limit_exceptions: int


class Exceptions(msgspec.Struct, frozen=True, kw_only=True):
    daily_data: list[DayExceptions]
    sum_num_rate_limit_exceptions: int


class AggregatedQuery(PeriodQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """GET /user/daily/activity/aggregated."""

    model: str | None = None
    """The provider's name or the public one."""
    api_key: str | None = None
    """Keys or hashes, with commas."""
    user_id: str | None = None


class ActivityQuery(PeriodQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """GET /.../daily/activity. A page is of the rollup's rows, as at LiteLLM: a day can go on on the next."""

    model: str | None = None
    api_key: str | None = None
    page: int = 1
    page_size: int = 50


class UserActivityQuery(ActivityQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    user_id: str | None = None


class TeamActivityQuery(ActivityQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    team_ids: str | None = None
    exclude_team_ids: str | None = None


class OrganizationActivityQuery(ActivityQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    organization_ids: str | None = None
    exclude_organization_ids: str | None = None


class CustomerActivityQuery(ActivityQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    end_user_ids: str | None = None
    exclude_end_user_ids: str | None = None


class TagActivityQuery(ActivityQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    tags: str | None = None
    exclude_tags: str | None = None


class KeyFacts(msgspec.Struct, frozen=True, kw_only=True):
    key_alias: str | None = None
    team_id: str | None = None


class KeyMetrics(msgspec.Struct, frozen=True, kw_only=True):
    metrics: Metrics
    metadata: KeyFacts


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """What one model, provider, team ... of a day comes to, and each key's share in it."""

    metrics: Metrics
    metadata: dict[str, str] = {}
    api_key_breakdown: dict[str, KeyMetrics] = {}


class Breakdown(msgspec.Struct, frozen=True, kw_only=True):
    models: dict[str, Part] = {}
    model_groups: dict[str, Part] = {}
    providers: dict[str, Part] = {}
    endpoints: dict[str, Part] = {}
    api_keys: dict[str, KeyMetrics] = {}
    entities: dict[str, Part] = {}
    mcp_servers: dict[str, Part] = {}


class ActivityDay(msgspec.Struct, frozen=True, kw_only=True):
    date: str
    metrics: Metrics
    breakdown: Breakdown


class ActivityTotals(msgspec.Struct, frozen=True, kw_only=True):
    """Of the page's rows."""

    total_spend: Decimal
    total_prompt_tokens: int
    total_completion_tokens: int
    total_tokens: int
    total_api_requests: int
    total_successful_requests: int
    total_failed_requests: int
    total_cache_read_input_tokens: int
    total_cache_creation_input_tokens: int
    page: int
    total_pages: int
    has_more: bool


class DailyActivity(msgspec.Struct, frozen=True, kw_only=True):
    results: list[ActivityDay]
    metadata: ActivityTotals
