"""Activity by day: the queries and answers, in LiteLLM's shapes. Dollars in answers are exact sums."""

from decimal import Decimal

import msgspec

from schema.ledger.sums import Metrics
from schema.reports import PeriodQuery


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


class CacheActivity(msgspec.Struct, frozen=True, kw_only=True):
    """GET /global/activity/cache_hits: one key, endpoint and model."""

    api_key: str
    call_type: str
    """The endpoint, such as `/v1/chat/completions`."""
    model: str
    total_rows: int
    cache_hit_true_rows: int = 0
    """How many of the calls the response cache answered."""
    cached_completion_tokens: int = 0
    """The output tokens of the answers that the response cache gave."""
    generated_completion_tokens: int
    """The output tokens of the other answers."""


class AggregatedQuery(PeriodQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """GET /.../daily/activity/aggregated."""

    model: str | None = None
    """The provider's name or the public one."""
    api_key: str | None = None
    """Keys or their hashes, separated by commas: `sk-one,sk-two`."""
    breakdown: str | None = None
    """The parts that each day is broken down by, separated by commas: `model_groups,entities`. All of them
    where it is absent. `none`: the days alone."""


class UserAggregatedQuery(AggregatedQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    user_id: str | None = None


class TeamAggregatedQuery(AggregatedQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    team_ids: str | None = None


class OrganizationAggregatedQuery(AggregatedQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    organization_ids: str | None = None


class CustomerAggregatedQuery(AggregatedQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    end_user_ids: str | None = None


class TagAggregatedQuery(AggregatedQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    tags: str | None = None


class ActivityQuery(PeriodQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """GET /.../daily/activity. A page holds so many rows of the rollup, as at LiteLLM: the next page can
    begin in the middle of a day."""

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


class KeyLabels(msgspec.Struct, frozen=True, kw_only=True):
    key_alias: str | None = None
    team_id: str | None = None


class KeyMetrics(msgspec.Struct, frozen=True, kw_only=True):
    metrics: Metrics
    metadata: KeyLabels


class ActivityShare(msgspec.Struct, frozen=True, kw_only=True):
    """The sums of one model, provider or team on one day, and each key's share of them."""

    metrics: Metrics
    metadata: dict[str, str] = {}
    api_key_breakdown: dict[str, KeyMetrics] = {}


class Breakdown(msgspec.Struct, frozen=True, kw_only=True):
    models: dict[str, ActivityShare] = {}
    model_groups: dict[str, ActivityShare] = {}
    providers: dict[str, ActivityShare] = {}
    endpoints: dict[str, ActivityShare] = {}
    api_keys: dict[str, KeyMetrics] = {}
    entities: dict[str, ActivityShare] = {}
    mcp_servers: dict[str, ActivityShare] = {}


class ActivityDay(msgspec.Struct, frozen=True, kw_only=True):
    date: str
    metrics: Metrics
    breakdown: Breakdown


class ActivityTotals(msgspec.Struct, frozen=True, kw_only=True):
    """The sums of the rows of this page."""

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
