"""The spend ledger: its rows as a list, by page and as a file, and who has spent the most."""

from collections.abc import AsyncIterator
from typing import TypeVar

import msgspec

from functions.answers.downloads import exported
from functions.contract.function import Download, function
from functions.contract.roles import Access
from functions.ports.context import ReportContext
from functions.rules.pages import check_page, check_size, pages_of
from schema.dates import days_of
from schema.errors.requests import InvalidRequest, UnsupportedParameter
from schema.keys import KeyRecord
from schema.ledger.rows import SpendRow
from schema.ledger.sums import Dimension, SumsQuery
from schema.log_page import (
    LogExportQuery,
    LogFilter,
    LogPage,
    LogPageQuery,
    LogPlace,
    SessionPage,
    cursor_of,
    place_of,
)
from schema.reports import PeriodQuery, TopQuery
from schema.secret import hash_of
from schema.spend import SpendDay, SpendLog, SpendQuery, TagSpend, UsersQuery, session_log, spend_log
from schema.teams import TeamRecord
from schema.users import UserRecord

MAX_ROWS = 10_000
MAX_PAGE = 1_000
MAX_LISTED = 1_000
F = TypeVar("F", bound=LogFilter)
WIDE = ("request_id", "session_id", "search")
"""Filters that find few rows in the whole ledger. A page without any of them needs both dates."""


@function("GET", "/spend/logs", access=Access.SPEND_READ)
async def logs(request: SpendQuery, ctx: ReportContext) -> list[SpendLog] | list[SpendDay]:
    """List calls and what they cost, newest first, within the caller's reach: its own, its teams', or all.

    With both dates the answer has sums by day instead, unless `summarize` is false or `request_id` is given.
    This is LiteLLM's rule.
    """
    check_size(request.limit, most=MAX_ROWS, param="limit")
    if request.api_key is not None:
        request = msgspec.structs.replace(request, api_key=hash_of(request.api_key))
    scope = ctx.call.scope
    both = request.start_date is not None and request.end_date is not None
    if request.summarize and both and request.request_id is None:
        return list(await ctx.spend.days(request, scope=scope))
    return [spend_log(row) for row in await ctx.spend.rows(request, scope=scope)]


@function("GET", "/spend/logs/v2", aliases=("/spend/logs/ui",), access=Access.SPEND_READ)
async def log_page(request: LogPageQuery, ctx: ReportContext) -> LogPage | SessionPage:
    """List calls by page, filtered and sorted. `next_cursor` leads to the rows after the page. With
    `group_by_session`, a session is one row, with the number and the cost of its calls."""
    check_page(request.page, request.page_size, most=MAX_PAGE)
    if request.cursor is not None and (
        request.group_by_session or request.sort_by != "startTime" or request.page != 1
    ):
        raise InvalidRequest(
            "cursor: only without page and group_by_session, and sorted by startTime.", param="cursor"
        )
    if not any(getattr(request, name) is not None for name in WIDE):
        _check_dates(request)
    if request.group_by_session:
        return await _session_page(request, ctx)
    found = await ctx.log.page(
        _hashed(request),
        after=None if request.cursor is None else place_of(request.cursor),
        scope=ctx.call.scope,
    )
    goes_on = found.more and request.sort_by == "startTime"
    return LogPage(
        data=[spend_log(row) for row in found.rows],
        total=found.total,
        page=request.page,
        page_size=request.page_size,
        total_pages=pages_of(found.total, request.page_size),
        total_is=found.total_is,
        next_cursor=cursor_of(_place(found.rows[-1])) if goes_on else None,
    )


async def _session_page(request: LogPageQuery, ctx: ReportContext) -> SessionPage:
    found = await ctx.log.sessions(_hashed(request), scope=ctx.call.scope)
    return SessionPage(
        data=[session_log(*session) for session in found.sessions],
        total=found.total,
        page=request.page,
        page_size=request.page_size,
        total_pages=pages_of(found.total, request.page_size),
        total_is="exact",
    )


@function("GET", "/spend/logs/export", access=Access.SPEND_READ)
async def export(request: LogExportQuery, ctx: ReportContext) -> Download:
    """Download every call that fits the filters, oldest first, as JSON lines or CSV."""
    _check_dates(request)
    rows = _as_logs(ctx.log.everything(_hashed(request), scope=ctx.call.scope))
    first = await anext(rows, None)  # an error with a status is raised here, before the file begins
    return exported(first, rows, kind=SpendLog, name="spend", format=request.format)


@function("GET", "/spend/keys", access=Access.SPEND_READ)
async def keys(request: TopQuery, ctx: ReportContext) -> list[KeyRecord]:
    """List keys, those with the most spend first."""
    return await ctx.keys.dearest(call=ctx.call, limit=_limit(request.limit))


@function("GET", "/spend/users", access=Access.SPEND_READ)
async def users(request: UsersQuery, ctx: ReportContext) -> list[UserRecord]:
    """List users, those with the most spend first, or show one user."""
    if request.user_id is not None:
        return await ctx.users.some([request.user_id], call=ctx.call)
    return await ctx.users.dearest(call=ctx.call, limit=_limit(request.limit))


@function("GET", "/spend/teams", access=Access.SPEND_READ)
async def teams(request: TopQuery, ctx: ReportContext) -> list[TeamRecord]:
    """List teams, those with the most spend first."""
    return await ctx.teams.dearest(call=ctx.call, limit=_limit(request.limit))


@function("GET", "/spend/tags", access=Access.SPEND_READ)
async def tags(request: PeriodQuery, ctx: ReportContext) -> list[TagSpend]:
    """List request tags and what their calls cost, the most spend first. A call counts for each of its
    tags."""
    query = SumsQuery(
        by=((Dimension.TAG,),), days=days_of(request.start_date, request.end_date), top=MAX_LISTED
    )
    return [
        TagSpend(
            individual_request_tag=each.of[Dimension.TAG],
            log_count=each.metrics.api_requests,
            total_spend=each.metrics.spend,
        )
        for each in await ctx.reports.sums(query, scope=ctx.call.scope)
    ]


def _check_dates(request: LogFilter) -> None:
    for name in ("start_date", "end_date"):
        if getattr(request, name) is None:
            raise InvalidRequest(f"{name}: please say from when to when (UTC, YYYY-MM-DD).", param=name)


def _hashed(request: F) -> F:
    """The filter, checked, with a key's hash in place of the key. Raises UnsupportedParameter or
    InvalidRequest."""
    if request.span_type is not None:
        raise UnsupportedParameter(
            "span_type: this log holds model calls alone; leave it out.", param="span_type"
        )
    for name in ("min_spend", "max_spend"):
        value = getattr(request, name)
        if value is not None and not value.is_finite():
            raise InvalidRequest(f"{name}: expected dollars, found {value}", param=name)
    if request.api_key is None:
        return request
    return msgspec.structs.replace(request, api_key=hash_of(request.api_key))


def _limit(limit: int) -> int:
    check_size(limit, most=MAX_LISTED, param="limit")
    return limit


def _place(row: SpendRow) -> LogPlace:
    return LogPlace(row.started_at, row.request_id)


async def _as_logs(rows: AsyncIterator[SpendRow]) -> AsyncIterator[SpendLog]:
    async for row in rows:
        yield spend_log(row)
