"""The spend ledger as it is asked for and answered, in LiteLLM's names."""

from datetime import date, datetime
from decimal import Decimal

import msgspec

from schema.dates import period_of
from schema.ledger.columns import COLUMNS
from schema.ledger.rows import SpendRow
from schema.ledger.spend_metadata import SpendMetadata
from schema.reports import TopQuery


class SpendQuery(msgspec.Struct, frozen=True, kw_only=True):
    """GET /spend/logs. Dates are UTC, `YYYY-MM-DD` or `YYYY-MM-DD HH:MM:SS`, the end included. With both
    dates and `summarize` (the default, as at LiteLLM) the answer has sums by day, else rows."""

    request_id: str | None = None
    """The id of a row, of the answer that the client was sent, or of the call."""
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
    rename={
        "started_at": "startTime",
        "ended_at": "endTime",
        "first_token_at": "completionStartTime",
        "provider": "custom_llm_provider",
    },
):
    """A row as `GET /spend/logs` answers it: LiteLLM's fields, with `spend` in dollars, then fields of our
    own.
    Each field is one of the ledger's columns (`schema/ledger/columns.py`), by its name on the wire.

    Fields are not keyword-only: an export makes millions of these."""

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
    response_id: str | None = None
    """The `id` of the answer that the client was sent."""
    project_id: str | None = None
    cache_hit: str = ""
    """`True` where the response cache gave the answer, and `False` where it did not."""


_GETTERS = tuple(
    get
    for field in msgspec.structs.fields(SpendLog)
    for name, _, get, *_ in COLUMNS
    if name == field.encode_name
)


class SessionLog(SpendLog, frozen=True):
    """The newest row of a session, with the sums of the session's rows that fit the filter. A row without a
    session is one of its own."""

    session_total_count: int = 1
    session_total_spend: Decimal = Decimal(0)


def session_log(row: SpendRow, count: int, spend: Decimal) -> SessionLog:
    """The newest row of a session in its wire form."""
    return SessionLog(*[*(get(row) for get in _GETTERS), count, spend])


def spend_log(row: SpendRow) -> SpendLog:
    """The row in its wire form."""
    return SpendLog(*[get(row) for get in _GETTERS])


class UsersQuery(TopQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    user_id: str | None = None


class TagSpend(msgspec.Struct, frozen=True, kw_only=True):
    individual_request_tag: str
    log_count: int
    total_spend: Decimal
