"""The spend ledger as it is asked for and answered, in LiteLLM's names."""

from datetime import date, datetime
from decimal import Decimal

import msgspec

from schema.dates import period_of
from schema.ledger.rows import Outcome, SpendRow, usage_of
from schema.ledger.spend_metadata import (
    ErrorInformation,
    SpendMetadata,
    cost_breakdown,
    held_cost,
    usage_object,
)
from schema.money import usd
from schema.reports import TopQuery


class SpendQuery(msgspec.Struct, frozen=True, kw_only=True):
    """GET /spend/logs. Dates are UTC, `YYYY-MM-DD` or `YYYY-MM-DD HH:MM:SS`, the end included. With both
    dates and `summarize` (the default, as at LiteLLM) the answer has sums by day, else rows."""

    request_id: str | None = None
    api_key: str | None = None
    """A key or its hash."""
    user_id: str | None = None
    start_date: str | None = None
    end_date: str | None = None
    summarize: bool = True
    limit: int = 1000
    """At most 10,000."""


class SpendDay(msgspec.Struct, frozen=True, kw_only=True, rename={"day": "startTime"}):
    """The sums of one UTC day, in dollars: in all, by user, by public name of the model, and by hash of the
    key."""

    day: str
    """`YYYY-MM-DD`"""
    spend: Decimal
    users: dict[str, Decimal]
    models: dict[str, Decimal]
    api_keys: dict[str, Decimal]


def period(query: SpendQuery) -> tuple[datetime | None, datetime | None]:
    """The query's times, as `period_of` has them."""
    return period_of(query.start_date, query.end_date)


class SpendLog(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename={
        "started_at": "startTime",
        "ended_at": "endTime",
        "first_token_at": "completionStartTime",
        "provider": "custom_llm_provider",
    },
):
    """A row as `GET /spend/logs` answers it: LiteLLM's fields, with `spend` in dollars, then fields of our
    own."""

    request_id: str
    call_type: str
    api_key: str
    spend: Decimal
    total_tokens: int
    prompt_tokens: int
    completion_tokens: int
    started_at: datetime
    ended_at: datetime
    first_token_at: datetime | None
    request_duration_ms: int
    model: str
    model_id: str
    model_group: str
    provider: str
    api_base: str
    user: str
    team_id: str | None
    end_user: str | None
    requester_ip_address: str | None
    litellm_call_id: str
    status: str
    metadata: SpendMetadata
    outcome: str
    http_status: int
    error_class: str | None
    error_message: str | None
    cached_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    estimated: bool
    streamed: bool
    price_source: str | None
    """`genai-prices`, `config` or `local`; null where the price is unknown and the cost is booked as zero."""
    price_version: str | None
    price_effective: date | None
    service_tier: str
    corrects: str | None
    organization_id: str | None = None
    session_id: str | None = None
    request_tags: tuple[str, ...] = ()


def metadata_of(row: SpendRow) -> SpendMetadata:
    """The row's `metadata`, as it is stored and as it is answered."""
    failed = None
    if row.error_class is not None:
        failed = ErrorInformation(
            error_code=str(row.http_status),
            error_class=row.error_class,
            error_message=row.error_message,
        )
    return SpendMetadata(
        user_api_key=row.key_hash,
        user_api_key_alias=row.key_alias,
        user_api_key_user_id=row.user_id,
        user_api_key_team_id=row.team_id,
        user_api_key_org_id=row.organization_id,
        requester_ip_address=row.requester_ip,
        user_agent=row.user_agent,
        usage_object=usage_object(usage_of(row)),
        cost_breakdown=cost_breakdown(row.cost_parts),
        error_information=failed,
        held_cost=held_cost(row.held_nano),
    )


def spend_log(row: SpendRow) -> SpendLog:
    """The row in its wire form."""
    return SpendLog(
        request_id=row.request_id,
        call_type=row.call_type,
        api_key=row.key_hash,
        spend=usd(row.cost_nano),
        total_tokens=row.prompt_tokens + row.completion_tokens,
        prompt_tokens=row.prompt_tokens,
        completion_tokens=row.completion_tokens,
        started_at=row.started_at,
        ended_at=row.ended_at,
        first_token_at=row.first_token_at,
        request_duration_ms=row.duration_ms,
        model=row.model,
        model_id=row.model_id,
        model_group=row.model_group,
        provider=row.provider,
        api_base=row.api_base,
        user=row.user_id,
        team_id=row.team_id,
        end_user=row.end_user,
        requester_ip_address=row.requester_ip,
        litellm_call_id=row.call_id,
        status="success" if row.outcome is Outcome.OK else "failure",
        metadata=metadata_of(row),
        outcome=row.outcome.value,
        http_status=row.http_status,
        error_class=row.error_class,
        error_message=row.error_message,
        cached_tokens=row.cached_tokens,
        cache_write_tokens=row.cache_write_tokens,
        reasoning_tokens=row.reasoning_tokens,
        estimated=row.estimated,
        streamed=row.streamed,
        price_source=row.price_source,
        price_version=row.price_version,
        price_effective=row.price_effective,
        service_tier=row.service_tier,
        corrects=row.corrects,
        organization_id=row.organization_id,
        session_id=row.session_id,
        request_tags=row.tags,
    )


class UsersQuery(TopQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    user_id: str | None = None


class TagSpend(msgspec.Struct, frozen=True, kw_only=True):
    individual_request_tag: str
    log_count: int
    total_spend: Decimal
