"""The spend ledger's record: one row an upstream attempt, one a refused authenticated call."""

import enum
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import msgspec

from schema.errors import InvalidRequest
from schema.spend_metadata import ErrorInformation, SpendMetadata, cost_breakdown, held_cost, usage_object
from schema.usage import RareMeters, Usage

EARLIER = "-a[1-9][0-9]{0,3}$"
"""The end of such an id, for Postgres too. Not so long that a UUID's last group could be taken for it."""
_EARLIER = re.compile(EARLIER)


class Outcome(enum.Enum):
    """What became of the attempt. LiteLLM's `status` is success for OK and failure for the rest."""

    OK = "ok"
    REFUSED = "refused"
    """Turned away by this gateway before anything was sent."""
    FAILED = "failed"
    CANCELLED = "cancelled"
    """The client left; the tokens are an upper bound of what was produced."""
    UNCERTAIN = "uncertain"
    """Sent, and nobody knows what the provider will charge."""


class Charge(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What an attempt takes out of one budget: `taken` leaves the lease, `cost` was spent. The money
    spent stands in the row of `kind`, `object_id` and `part`, or in the account itself."""

    account: str
    epoch: int
    worker: str
    taken_nano: int
    cost_nano: int
    kind: str
    object_id: str
    part: str


class SpendRow(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A row of `LiteLLM_SpendLogs`. Times are UTC and aware; money is integer nano-USD. Journals hold it by
    position: a new field goes to the end, with a default."""

    request_id: str
    """The call's; of an attempt that was not its last, as `earlier_id` has it."""
    call_id: str
    """The client's own id for the call where it sent one, else the request id."""
    call_type: str
    """`acompletion`, `aembedding`: the peer's words, which dashboards filter on."""
    key_hash: str
    key_alias: str | None
    user_id: str
    team_id: str | None
    organization_id: str | None = None
    end_user: str | None
    requester_ip: str | None
    user_agent: str | None
    model_group: str
    """The public name asked for."""
    model: str
    """The provider's own name; empty on a refusal before routing."""
    model_id: str
    provider: str
    api_base: str
    started_at: datetime
    first_token_at: datetime | None
    ended_at: datetime
    duration_ms: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    estimated: bool
    cost_nano: int
    price_source: str | None = None
    """Where the price came from; None: the price is unknown, and the cost is booked as zero."""
    streamed: bool
    outcome: Outcome
    http_status: int
    """How the attempt ended, as a status; of a call's last one mostly what the caller was answered. 499 where
    the caller left."""
    error_class: str | None
    error_message: str | None
    key_id: str = ""
    """By which the key's counter is kept; the hash where it is empty. In no column of the row."""
    charges: tuple[Charge, ...] = ()
    """Of the budgets the attempt was held on. In no column of the row."""
    price_version: str | None = None
    """Of the price's source: the package's version, or the hash of the config's price fields."""
    price_effective: date | None = None
    """Since when that price holds, as far as its source says."""
    service_tier: str = ""
    """What the provider says it served; empty: its standard tier."""
    rare: RareMeters | None = None
    cost_parts: tuple[int, ...] = ()
    """The cost by what it is for, in the order of `models_registry.price.Parts`; empty where it is 0."""
    input_reported: bool = False
    """Of an estimate: the provider did report the input. In the row's metadata."""
    corrects: str | None = None
    """The request id of the row that this one corrects: its sums are differences, and no call is counted."""
    tags: tuple[str, ...] = ()
    """Request tags: the call's, its key's and its team's."""
    session_id: str | None = None
    final: bool = True
    """False of an attempt after which its call went on to another: no call is counted."""
    held_nano: int | None = None
    """What budgets held for the attempt, where it cost more. In the row's metadata."""


class SpendQuery(msgspec.Struct, frozen=True, kw_only=True):
    """GET /spend/logs. Dates are UTC, `YYYY-MM-DD` or `YYYY-MM-DD HH:MM:SS`, the end included.
    Dates with `summarize` (the default, as at LiteLLM) give sums by day; without, rows."""

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
    """One UTC day's sums in dollars: in all, by user, by public model name, by key hash."""

    day: str
    """`YYYY-MM-DD`"""
    spend: Decimal
    users: dict[str, Decimal]
    models: dict[str, Decimal]
    api_keys: dict[str, Decimal]


def period(query: SpendQuery) -> tuple[datetime | None, datetime | None]:
    """The query's times, as `period_of` has them."""
    return period_of(query.start_date, query.end_date)


def period_of(start_date: str | None, end_date: str | None) -> tuple[datetime | None, datetime | None]:
    """Two dates as UTC: from the first, up to and without the second. An end date counts as a whole
    day, an end time as a whole second. Raises InvalidRequest naming the parameter."""
    start = None if start_date is None else _date("start_date", start_date)[0]
    if end_date is None:
        return start, None
    last, step = _date("end_date", end_date)
    end = last + step
    if start is not None and start >= end:
        raise InvalidRequest("end_date: expected a date not before start_date.", param="end_date")
    return start, end


def _date(name: str, text: str) -> tuple[datetime, timedelta]:
    """A date and how long it lasts."""
    for layout, step in (("%Y-%m-%d", timedelta(days=1)), ("%Y-%m-%d %H:%M:%S", timedelta(seconds=1))):
        try:
            moment = datetime.strptime(text, layout).replace(tzinfo=UTC)
            return moment, min(step, datetime.max.replace(tzinfo=UTC) - moment)
        except ValueError:
            continue
    raise InvalidRequest(
        f"{name}: expected YYYY-MM-DD or YYYY-MM-DD HH:MM:SS (UTC), found {text[:40]!r}", param=name
    )


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
    """A row as `GET /spend/logs` answers it: LiteLLM's names, `spend` in dollars, then ours."""

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
    """`genai-prices`, `config` or `local`; null: the price is unknown, and the cost is booked as zero."""
    price_version: str | None
    price_effective: date | None
    service_tier: str
    corrects: str | None
    organization_id: str | None = None
    session_id: str | None = None
    request_tags: tuple[str, ...] = ()


def earlier_id(request_id: str, attempt: int) -> str:
    """The row of an attempt after which its call went on: `<call>-a1` of the first."""
    return f"{request_id}-a{attempt}"


def is_earlier_id(request_id: str) -> bool:
    return _EARLIER.search(request_id) is not None


def usage_of(row: SpendRow) -> Usage:
    """What the row says was used: with the row's duration, all that a price needs."""
    return Usage(
        prompt_tokens=row.prompt_tokens,
        completion_tokens=row.completion_tokens,
        cached_tokens=row.cached_tokens,
        cache_write_tokens=row.cache_write_tokens,
        reasoning_tokens=row.reasoning_tokens,
        estimated=row.estimated,
        input_reported=row.input_reported,
        service_tier=row.service_tier,
        rare=row.rare,
    )


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
        spend=Decimal(row.cost_nano).scaleb(-9),
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
