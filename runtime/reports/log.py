"""Reads rows of the ledger: one page, or all that fit a filter. Implements `functions.ports.spend.Log`."""

from collections.abc import AsyncIterator, Mapping, Sequence
from types import MappingProxyType

import asyncpg

from functions.contract.roles import Scope
from runtime.books.stored_row import SELECTED, StoredRow, spend_row
from runtime.governance.tenancy import reach_in_sql
from runtime.postgres.conditions import Conditions
from runtime.postgres.database import Database
from runtime.postgres.errors import asking
from runtime.reports.log_filter import add_filters, counted_by, summed_alike
from runtime.reports.sums import ReportReader
from schema.errors.requests import InvalidRequest
from schema.ledger.rows import SpendRow
from schema.log_page import (
    FoundRows,
    FoundSessions,
    LogFilter,
    LoggedSession,
    LogPageQuery,
    LogPlace,
    TotalIs,
)
from schema.tables import naive

COUNTED = 10_000
"""The most rows that are counted one by one. Where there are more, the rollups say how many."""
COUNT_S = 0.1
"""How long counting may take. Where no index finds the rows, Postgres must not read all of them just to
count."""
SEARCH_S = 10.0
"""How long the search for the rows of a page may take."""
SETTINGS = "SET LOCAL statement_timeout = {}; SET LOCAL plan_cache_mode = force_custom_plan"
"""Postgres must plan each query for its own values. A plan for any value uses the index of time, also where
the value is so rare that another index is better."""
REACHABLE = 10_000
"""How many rows may come before a page that is asked for by number. A cursor has no such limit."""
SORTED = 100_000
"""The most rows that are sorted by a column without an index. Time and spend have indexes."""
TAGGED_KEYS = 20
"""The most keys of one tag that are looked up. Rows of a tag with more keys are frequent, so Postgres soon
finds them in the order of time."""
BATCH = 1_000

SELECT = f'SELECT {SELECTED} FROM "LiteLLM_SpendLogs"'
SORTS: Mapping[str, str] = MappingProxyType(
    {
        "startTime": '"startTime"',
        "endTime": '"endTime"',
        "spend": "spend",
        "total_tokens": "total_tokens",
        "request_duration_ms": "request_duration_ms",
        "model": "model",
        "ttft_ms": "ttft_ms",
    }
)
INDEXED = frozenset({"startTime", "spend"})

GROUP = "coalesce(nullif(session_id, ''), request_id)"
"""What a row is grouped by."""
SESSION_SORTS: Mapping[str, str] = MappingProxyType(
    {
        "startTime": "newest",
        "endTime": "ended",
        "spend": "session_spend",
        "total_tokens": "tokens",
        "request_duration_ms": "lasted",
        "model": "a_model",
        "ttft_ms": "ttft",
    }
)
SESSIONS = f"""
    WITH grouped AS (
        SELECT {GROUP} AS name, max("startTime") AS newest, max("endTime") AS ended,
            sum(spend) AS session_spend, sum(total_tokens) AS tokens, sum(request_duration_ms) AS lasted,
            max(model) AS a_model,
            min(ttft_ms) AS ttft, count(*) AS session_count,
            (array_agg(request_id ORDER BY "startTime" DESC, request_id DESC))[1] AS rid
        FROM "LiteLLM_SpendLogs"{{where}} GROUP BY 1),
    wanted AS (
        SELECT *, count(*) OVER () AS session_total, row_number() OVER (ORDER BY {{order}}) AS place
        FROM grouped ORDER BY place LIMIT {{size}} OFFSET {{offset}})
    SELECT log.*, session_count, session_spend, session_total FROM wanted
    JOIN (SELECT {SELECTED} FROM "LiteLLM_SpendLogs") AS log
        ON log.request_id = rid AND log."startTime" = newest
    ORDER BY place
"""

_KEYS_OF_ALIAS = """
    SELECT token FROM "LiteLLM_VerificationToken" WHERE key_alias = $1
    UNION SELECT token FROM "LiteLLM_DeletedVerificationToken" WHERE key_alias = $1
    ORDER BY 1 LIMIT 1000
"""
_KEYS_OF_TAG = 'SELECT DISTINCT api_key FROM "Switchgear_DailyTagSpend" WHERE tag = $1 LIMIT $2'


class LogReader:
    """Reads rows of the ledger within a scope. Every method raises DatabaseUnavailable, or InvalidRequest for
    a bad date and for text that no column can hold."""

    def __init__(self, database: Database, reports: ReportReader) -> None:
        self._database = database
        self._reports = reports

    async def page(self, query: LogPageQuery, *, after: LogPlace | None, scope: Scope) -> FoundRows:
        """The rows on one page, or the rows after a place. Raises InvalidRequest for a page too far down, and
        where too many rows would have to be sorted or searched."""
        offset = 0 if after is not None else (query.page - 1) * query.page_size
        if offset > REACHABLE:
            raise InvalidRequest(
                f"page: a page may begin within the first {REACHABLE:,} rows; go on with next_cursor.",
                param="page",
            )
        conditions = await self._conditions(query, scope)
        counted = await self._count(conditions, COUNTED + 1)
        few = counted is not None and counted <= COUNTED
        if query.sort_by not in INDEXED and not few:
            await self._check_sortable(query, conditions)
        sql = _page_sql(query, conditions, after, sort_all=few)
        rows = await self._search(f"{sql} LIMIT {int(query.page_size) + 1} OFFSET {int(offset)}", conditions)
        found = [spend_row(row) for row in rows[: query.page_size]]
        total, total_is = await self._total(query, counted, offset + len(rows), scope)
        return FoundRows(rows=found, more=len(rows) > query.page_size, total=total, total_is=total_is)

    async def sessions(self, query: LogPageQuery, *, scope: Scope) -> FoundSessions:
        """The sessions on one page. A row without a session is one of its own. Raises InvalidRequest for a
        page too far down, and where too many rows would have to be grouped or searched."""
        offset = (query.page - 1) * query.page_size
        if offset > REACHABLE:
            raise InvalidRequest(f"page: it may begin within the first {REACHABLE:,} sessions.", param="page")
        conditions = await self._conditions(query, scope)
        counted = await self._count(conditions, SORTED + 1)
        if counted is None or counted > SORTED:
            raise InvalidRequest(
                f"group_by_session: over {SORTED:,} rows would have to be grouped; ask for a shorter "
                "time, or filter.",
                param="group_by_session",
            )
        sort, direction = SESSION_SORTS[query.sort_by], query.sort_order
        sql = SESSIONS.format(
            where=conditions.where,
            order=f"{sort} {direction} NULLS LAST, newest {direction}, rid {direction}",
            size=int(query.page_size),
            offset=int(offset),
        )
        rows = await self._search(sql, conditions)
        total = rows[0]["session_total"] if rows else await self._session_total(conditions)
        sessions = [LoggedSession(spend_row(row), row["session_count"], row["session_spend"]) for row in rows]
        return FoundSessions(sessions=sessions, total=total)

    async def _session_total(self, conditions: Conditions) -> int:
        """How many sessions there are, where the page has none of them."""
        sql = f'SELECT count(DISTINCT {GROUP}) AS n FROM "LiteLLM_SpendLogs"{conditions.where}'
        rows = await self._search(sql, conditions)
        return int(rows[0]["n"])

    async def everything(self, query: LogFilter, *, scope: Scope) -> AsyncIterator[SpendRow]:
        """All rows that fit, oldest first. They are read in batches of 1000: each batch begins after the last
        row of the one before. So a slow download holds no connection, and keeps no old row versions in
        Postgres."""
        after: LogPlace | None = None
        while True:
            conditions = await self._conditions(query, scope)
            if after is not None:
                _add_place(conditions, ">", after)
            sql = f'{SELECT}{conditions.where} ORDER BY "startTime", request_id LIMIT {BATCH}'
            rows = [spend_row(row) for row in await self._search(sql, conditions)]
            for row in rows:
                yield row
            if len(rows) < BATCH:
                return
            after = LogPlace(rows[-1].started_at, rows[-1].request_id)

    async def _conditions(self, query: LogFilter, scope: Scope) -> Conditions:
        conditions = Conditions()
        add_filters(conditions, query)
        reach_in_sql(conditions, scope, user='"user"')
        if query.key_alias is not None:
            keys = await self._fetch(_KEYS_OF_ALIAS, [query.key_alias])
            conditions.among("api_key", [row["token"] for row in keys])
        if query.tag is not None:
            keys = await self._fetch(_KEYS_OF_TAG, [query.tag, TAGGED_KEYS + 1])
            if len(keys) <= TAGGED_KEYS:  # the index on keys finds the rows
                conditions.among("api_key", [row["api_key"] for row in keys])
        return conditions

    async def _total(
        self, query: LogPageQuery, counted: int | None, seen: int, scope: Scope
    ) -> tuple[int, TotalIs]:
        if counted is not None and counted <= COUNTED:
            return counted, "exact"
        alike = summed_alike(query)
        if alike is None:
            return max(counted or 0, seen), "at_least"
        (sums,) = await self._reports.sums(alike, scope=scope)
        return int(getattr(sums.metrics, counted_by(query))), "rollups"

    async def _check_sortable(self, query: LogPageQuery, conditions: Conditions) -> None:
        counted = await self._count(conditions, SORTED + 1)
        if counted is None or counted > SORTED:
            raise InvalidRequest(
                f"sort_by: over {SORTED:,} rows would have to be sorted by {query.sort_by}; ask for a "
                "shorter time, filter, or sort by startTime or spend.",
                param="sort_by",
            )

    async def _count(self, conditions: Conditions, most: int) -> int | None:
        """How many rows meet the conditions, counted up to `most`. None where counting takes too long."""
        found = f'SELECT FROM "LiteLLM_SpendLogs"{conditions.where} LIMIT {most}'
        rows = await self._within(COUNT_S, f"SELECT count(*) AS n FROM ({found}) AS found", conditions.values)
        return None if rows is None else int(rows[0]["n"])

    async def _search(self, sql: str, conditions: Conditions) -> list[StoredRow]:
        rows = await self._within(SEARCH_S, sql, conditions.values)
        if rows is None:
            raise InvalidRequest(
                f"start_date: the rows of this time could not be looked through in {SEARCH_S:.0f} s; ask for "
                "a shorter one, or filter by key, user, team, model, end user or session.",
                param="start_date",
            )
        return rows

    async def _within(self, limit_s: float, sql: str, values: Sequence[object]) -> list[StoredRow] | None:
        with asking():
            async with self._database.connection() as connection:
                try:
                    async with connection.transaction(readonly=True):
                        await connection.execute(SETTINGS.format(int(limit_s * 1000)))
                        return list(await connection.fetch(sql, *values))
                except asyncpg.QueryCanceledError:
                    return None

    async def _fetch(self, sql: str, values: Sequence[object]) -> list[StoredRow]:
        with asking():
            async with self._database.connection() as connection:
                return list(await connection.fetch(sql, *values))


def _add_place(conditions: Conditions, than: str, place: LogPlace) -> None:
    """Add the condition that a row comes after a place. It is not written as `(a, b) < (c, d)`: beside an end
    date, Postgres would then read the index from the end and not from the place."""
    at = naive(place.started_at)
    conditions.add(f'"startTime" {than}= {{}}', at)
    conditions.add(f'("startTime" {than} {{}} OR request_id {than} {{}})', at, place.request_id)


def _page_sql(query: LogPageQuery, conditions: Conditions, after: LogPlace | None, *, sort_all: bool) -> str:
    direction = query.sort_order
    if after is not None:
        _add_place(conditions, "<" if direction == "desc" else ">", after)
    order = f'"startTime" {direction}, request_id {direction}'
    if query.sort_by == "spend":
        # `spend + 0` keeps Postgres from the index on spend: it could read long there until it finds few rows
        order = f"spend{' + 0' if sort_all else ''} {direction}, {order}"
    elif query.sort_by != "startTime":
        order = f"{SORTS[query.sort_by]} {direction} NULLS LAST, {order}"
    return f"{SELECT}{conditions.where} ORDER BY {order}"
