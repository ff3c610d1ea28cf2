"""The log page: how the ledger's rows are asked for, sorted, paged and exported. LiteLLM's names."""

import base64
import binascii
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal, NamedTuple

import msgspec

from schema.errors.requests import InvalidRequest
from schema.ledger.rows import SpendRow
from schema.spend import SessionLog, SpendLog

Sorted = Literal["startTime", "endTime", "spend", "total_tokens", "request_duration_ms", "model", "ttft_ms"]
TotalIs = Literal["exact", "at_least", "rollups"]


class LogFilter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which rows are wanted. Dates are UTC, `YYYY-MM-DD` or `YYYY-MM-DD HH:MM:SS`, the end included."""

    start_date: str | None = None
    end_date: str | None = None
    api_key: str | None = None
    """A key or its hash."""
    user_id: str | None = None
    team_id: str | None = None
    organization_id: str | None = None
    end_user: str | None = None
    request_id: str | None = None
    """The id of a row, of the answer that the client was sent, or of the call."""
    session_id: str | None = None
    model: str | None = None
    model_id: str | None = None
    model_group: str | None = None
    key_alias: str | None = None
    """The alias that the row's key has, or had when it was deleted."""
    tag: str | None = None
    min_spend: Decimal | None = None
    max_spend: Decimal | None = None
    status_filter: Literal["success", "failure"] | None = None
    outcome: Literal["ok", "refused", "failed", "cancelled", "uncertain"] | None = None
    """What became of the request. LiteLLM has no such parameter."""
    cache_hit_filter: Literal["hit", "miss", "true", "false", "True", "False"] | None = None
    error_code: str | None = None
    """The status that the caller got, or the class of the error."""
    error_message: str | None = None
    """A part of the error's message."""
    search: str | None = None
    """The id of a row, an answer, a call or a session."""
    span_type: str | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"  # `api_key` may be a key


class LogPageQuery(LogFilter, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """GET /spend/logs/v2. Pages count from 1; `cursor` is the `next_cursor` of the page before."""

    sort_by: Sorted = "startTime"
    sort_order: Literal["asc", "desc"] = "desc"
    page: int = 1
    page_size: int = 50
    cursor: str | None = None
    group_by_session: bool = False
    """Whether each session is one row: its newest. Sorting then goes by the sums of the sessions."""


class LogExportQuery(LogFilter, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """GET /spend/logs/export: every row that fits the filter, oldest first."""

    format: Literal["jsonl", "csv"] = "jsonl"


class LogPlace(NamedTuple):
    """Where in the log a page ended."""

    started_at: datetime
    request_id: str


class FoundRows(msgspec.Struct, frozen=True, kw_only=True):
    """A page of rows. `total` is the number of all rows that fit the filter; `total_is` says how it is
    known."""

    rows: list[SpendRow]
    more: bool
    total: int
    total_is: TotalIs


class LoggedSession(NamedTuple):
    """A session as a row of a page: its newest row, and the sums of its rows that fit the filter."""

    row: SpendRow
    calls: int
    spend: Decimal
    """In dollars."""


class FoundSessions(msgspec.Struct, frozen=True, kw_only=True):
    """A page of sessions. `total` is the number of all sessions that fit the filter."""

    sessions: list[LoggedSession]
    total: int


class LogPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the log. `total_is` is `exact` where few enough rows fit to be counted, `rollups` where the
    daily sums gave the number of requests, and `at_least` where the sums don't know it. `next_cursor` is null
    on the last page, and where rows are not in the order of time."""

    data: list[SpendLog]
    total: int
    page: int
    page_size: int
    total_pages: int
    total_is: TotalIs
    next_cursor: str | None = None


class SessionPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the log with a row for each session. Its other fields are those of a LogPage."""

    data: list[SessionLog]
    total: int
    page: int
    page_size: int
    total_pages: int
    total_is: TotalIs
    next_cursor: str | None = None


def cursor_of(place: LogPlace) -> str:
    """A place as a text that can stand in a URL."""
    text = f"{place.started_at.astimezone(UTC).isoformat()}|{place.request_id}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def place_of(cursor: str) -> LogPlace:
    """The place that a cursor stands for. Raises InvalidRequest for a text that no page gave."""
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
        moment, _, request_id = text.partition("|")
        place = LogPlace(datetime.fromisoformat(moment), request_id)
        if place.started_at.tzinfo is None or not request_id:
            raise ValueError(text)
    except (ValueError, binascii.Error) as exc:
        raise InvalidRequest("cursor: expected the next_cursor of a page.", param="cursor") from exc
    return place
