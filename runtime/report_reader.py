"""Sums out of the daily rollups; the log is never read. Implements `functions.context.Reports`."""

from collections.abc import Collection, Mapping, Sequence, Set
from decimal import Decimal
from typing import Any, Protocol

import msgspec

from functions.roles import Reach, Scope
from runtime import rollups
from runtime.database import Database
from runtime.database_errors import asking
from runtime.sql_text import Conditions
from runtime.tenancy import reach_in_sql
from schema.errors import InvalidRequest
from schema.governance import Page
from schema.sums import Dimension, Lines, Metrics, Name, Sums, SumsQuery

MAX_GROUPS = 50_000
"""Groups in one report: each is work for the worker."""
MAX_PAGED = 200_000
"""Rows that pages go through, and that are counted."""
MAX_LINES = 200_000
"""Lines in one report that Postgres writes as JSON."""

SETTINGS = "SET LOCAL work_mem = '24MB'; SET LOCAL plan_cache_mode = force_custom_plan"
"""With its own 4 MB Postgres writes to disk for the sum of a month."""

_PLAIN = ", ".join(rollups.METRICS)
_NAMES: Mapping[Dimension, str] = {
    Dimension.API_KEY: """
        SELECT token AS id, key_alias AS alias, key_name, team_id FROM "LiteLLM_VerificationToken"
        WHERE token = ANY ($1)
        UNION ALL
        (SELECT DISTINCT ON (token) token, key_alias, key_name, team_id
         FROM "LiteLLM_DeletedVerificationToken" d
         WHERE token = ANY ($1)
           AND NOT EXISTS (SELECT FROM "LiteLLM_VerificationToken" v WHERE v.token = d.token)
         ORDER BY token, deleted_at DESC)
    """,
    Dimension.TEAM: """
        SELECT team_id AS id, team_alias AS alias, NULL AS key_name, team_id FROM "LiteLLM_TeamTable"
        WHERE team_id = ANY ($1)
    """,
    Dimension.ORGANIZATION: """
        SELECT organization_id AS id, organization_alias AS alias, NULL AS key_name, NULL AS team_id
        FROM "LiteLLM_OrganizationTable" WHERE organization_id = ANY ($1)
    """,
    Dimension.USER: """
        SELECT user_id AS id, coalesce(user_email, user_alias) AS alias, NULL AS key_name, NULL AS team_id
        FROM "LiteLLM_UserTable" WHERE user_id = ANY ($1)
    """,
    Dimension.END_USER: """
        SELECT user_id AS id, alias, NULL AS key_name, NULL AS team_id FROM "LiteLLM_EndUserTable"
        WHERE user_id = ANY ($1)
    """,
}


PEOPLE = frozenset({Dimension.API_KEY, Dimension.USER, Dimension.END_USER, Dimension.TAG})
"""What there can be thousands of. Groupings without them share a first sum, which is short."""
_LINES = """
    SELECT {by}, sum(spend) AS spend, count(*) AS n, '[' || string_agg('{{"model":' || to_json(model)
        || ',"api_key":' || to_json(api_key) || ',"spend":' || spend
        || ',"total_tokens":' || total_tokens || '}}', ',') || ']' AS lines
    FROM (
        SELECT {by}, model, api_key, sum(spend) AS spend,
            sum(prompt_tokens + completion_tokens)::bigint AS total_tokens
        FROM "{table}"{where} GROUP BY {by}, model, api_key LIMIT {limit}
    ) AS summed GROUP BY {by} ORDER BY {by}
"""
"""JSON by hand: with Postgres' functions for it a month takes a third longer."""


class _Record(Protocol):
    """What asyncpg gives."""

    def __getitem__(self, column: str) -> Any: ...  # an asyncpg.Record's values are untyped


class ReportReader:
    """Every method raises DatabaseUnavailable, or InvalidRequest for text that no column can hold."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def sums(self, query: SumsQuery, *, scope: Scope) -> list[Sums]:
        """Raises InvalidRequest for a report of over 50,000 groups."""
        wanted = query.only or rollups.METRICS
        columns, found = await self._groups(query, scope, wanted)
        groups = {
            _mask(columns, by): (number, [(each, each.value) for each in by])
            for number, by in enumerate(query.by)
        }
        made = []
        for row in found:
            number, named = groups[row["mask"]]
            of = {each: row[name] for each, name in named}
            made.append(Sums(of=of, metrics=_metrics(row, wanted), group=number))
        return made

    async def spent_by_day(
        self, kinds: Sequence[Dimension], query: SumsQuery, *, scope: Scope
    ) -> list[tuple[str, Dimension, str, Decimal]]:
        """Dollars by day and each of these: as `sums`, with less around each of what can be thousands."""
        by = tuple((Dimension.DATE, kind) for kind in kinds)
        query = msgspec.structs.replace(query, by=by)
        columns, found = await self._groups(query, scope, ("spend",))
        named = {_mask(columns, each): (each[1], each[1].value) for each in by}
        return [
            (row["date"], kind, row[name], row["spend"])
            for row in found
            for kind, name in (named[row["mask"]],)
        ]

    async def _groups(
        self, query: SumsQuery, scope: Scope, wanted: Collection[str]
    ) -> tuple[list[Dimension], list[_Record]]:
        table, columns, conditions = _parts(query, scope)
        groupings = ", ".join(f"({', '.join(each.value for each in by)})" for by in query.by)
        asked = [each.value for each in columns]
        listed = "".join(f"{name}, " for name in asked)
        masks = f"GROUPING({', '.join(asked)})" if asked else "0"
        order = ", ".join(asked) or "1"
        if query.top is not None:
            order = f"spend DESC, {order}"
        limit = MAX_GROUPS + 1 if query.top is None else min(query.top, MAX_GROUPS)
        source = f'"{table}"{conditions.where}'
        if len(query.by) > 1 and not PEOPLE & set(columns):
            source = f"(SELECT {listed}{_sums(wanted)} FROM {source} GROUP BY {', '.join(asked)}) AS folded"
        sql = (
            f"SELECT {listed}{masks} AS mask, {_sums(wanted)} FROM {source}"
            f" GROUP BY GROUPING SETS ({groupings}) ORDER BY {order} LIMIT {limit}"
        )
        found = await self._fetch(sql, conditions.values)
        if len(found) > MAX_GROUPS:
            raise _too_large(MAX_GROUPS)
        return columns, found

    async def days_of_the_dearest(self, query: SumsQuery, *, scope: Scope) -> list[Sums]:
        """By day, of the `query.top` of each of `query.by` (one dimension each) that cost the most in the
        whole period. One sum over the table for all of them."""
        table, columns, conditions = _parts(query, scope)
        asked, sums, day = [each.value for each in columns], _sums(rollups.METRICS), Dimension.DATE
        listed = ", ".join((day.value, *asked))
        base = f'SELECT {listed}, {sums} FROM "{table}"{conditions.where} GROUP BY {listed}'
        parts = [
            f"SELECT {number} AS number, date, {name} AS id, {sums} FROM base WHERE {name} IN (SELECT {name}"
            f" FROM base GROUP BY {name} ORDER BY sum(spend) DESC, {name} LIMIT {query.top})"
            f" GROUP BY date, {name}"
            for number, name in enumerate(asked)
        ]
        sql = f"WITH base AS MATERIALIZED ({base}) {' UNION ALL '.join(parts)} ORDER BY number, date, id"
        return [
            Sums(
                of={day: row["date"], columns[row["number"]]: row["id"]},
                metrics=_metrics(row, rollups.METRICS),
                group=row["number"],
            )
            for row in await self._fetch(sql, conditions.values)
        ]

    async def rows(self, query: SumsQuery, *, page: int, size: int, scope: Scope) -> Page[Sums]:
        """The rollup's own rows, the latest day first, by page; `query.by` says what is shown of each. Raises
        InvalidRequest for a page beyond the first 200,000 rows; no more are counted."""
        table, columns, conditions = _parts(query, scope)
        shown = ", ".join(each.value for each in columns)
        if page * size > MAX_PAGED:
            raise InvalidRequest(
                f"page: pages end after {MAX_PAGED:,} rows of the daily sums; ask for fewer days, or filter.",
                param="page",
            )
        counted = f'SELECT FROM "{table}"{conditions.where} LIMIT {MAX_PAGED}'
        total = await self._fetch(f"SELECT count(*) AS n FROM ({counted}) AS counted", conditions.values)
        found = await self._fetch(
            f'SELECT {shown}, {_PLAIN} FROM "{table}"{conditions.where} ORDER BY date DESC, id DESC'
            f" LIMIT {int(size)} OFFSET {int(page - 1) * int(size)}",
            conditions.values,
        )
        records = [
            Sums(of={each: row[each.value] for each in columns}, metrics=_metrics(row, rollups.METRICS))
            for row in found
        ]
        return Page(records=records, total=total[0]["n"])

    async def lines(self, query: SumsQuery, *, scope: Scope) -> list[Lines]:
        """Groups with their lines by model and key. Raises InvalidRequest for over 200,000 lines."""
        table, columns, conditions = _parts(query, scope, also=(Dimension.MODEL, Dimension.API_KEY))
        by = ", ".join(each.value for each in columns)
        sql = _LINES.format(by=by, table=table, where=conditions.where, limit=MAX_LINES + 1)
        found = await self._fetch(sql, conditions.values)
        if sum(row["n"] for row in found) > MAX_LINES:
            raise _too_large(MAX_LINES)
        return [
            Lines(
                of={each: row[each.value] for each in columns},
                spend=row["spend"],
                lines=msgspec.Raw(row["lines"].encode()),
            )
            for row in found
        ]

    async def names(self, kind: Dimension, ids: Collection[str]) -> Mapping[str, Name]:
        """What these are called; who is not there has no name."""
        if kind not in _NAMES or not ids:
            return {}
        found = await self._fetch(_NAMES[kind], [list(ids)])
        return {
            row["id"]: Name(alias=row["alias"], key_name=row["key_name"], team_id=row["team_id"])
            for row in found
        }

    async def _fetch(self, sql: str, values: list[object]) -> list[_Record]:
        with asking():
            async with self._database.connection() as connection, connection.transaction(readonly=True):
                await connection.execute(SETTINGS)
                return list(await connection.fetch(sql, *values))


def _parts(
    query: SumsQuery, scope: Scope, *, also: Collection[Dimension] = ()
) -> tuple[str, list[Dimension], Conditions]:
    """The table that can answer, every dimension shown, and what rows count. Raises InvalidRequest where
    no table has what is asked for together."""
    columns = list(dict.fromkeys(each for by in query.by for each in by))
    used = {*columns, *query.where, *query.without, *also}
    if {Dimension.TAG, Dimension.END_USER} <= used:
        raise InvalidRequest("end_user: there are no sums by tag and end user at once.", param="end_user")
    conditions = Conditions()
    if query.days.first is not None:
        conditions.add("date >= {}", query.days.first)
    if query.days.last is not None:
        conditions.add("date <= {}", query.days.last)
    for dimension, values in query.where.items():
        conditions.among(dimension.value, values)
    for dimension, values in query.without.items():
        conditions.add(f"{dimension.value} <> ALL ({{}}::text[])", list(values))
    reach_in_sql(conditions, scope, user="user_id")
    rollup = _rollup(used, needs_owner=Reach.ALL not in scope.reaches)
    return rollup.table, columns, conditions


def _rollup(used: Set[Dimension], *, needs_owner: bool) -> rollups.Rollup:
    """The shortest that has all of this; `needs_owner`: whose calls they are, too."""
    if Dimension.TAG in used:
        return rollups.OF_TAGS
    if Dimension.END_USER not in used:
        return rollups.EVERYTHING
    if needs_owner or not used <= {Dimension.DATE, Dimension.END_USER}:
        return rollups.OF_END_USERS
    return rollups.END_USER_TOTALS


def _mask(columns: list[Dimension], by: Collection[Dimension]) -> int:
    """What GROUPING() says of a group by these: a bit for each column that it is not by."""
    return int("".join("0" if each in by else "1" for each in columns) or "0", 2)


def _sums(names: Collection[str]) -> str:
    return ", ".join(
        f"coalesce(sum({name}), 0)" + ("" if name in rollups.MONEY else "::bigint") + f" AS {name}"
        for name in names
    )


def _metrics(row: _Record, names: Collection[str]) -> Metrics:
    values = {name: row[name] for name in names}
    tokens = values.get("prompt_tokens", 0) + values.get("completion_tokens", 0)
    return Metrics(total_tokens=tokens, **values)


def _too_large(most: int) -> InvalidRequest:
    return InvalidRequest(
        f"start_date: the report has over {most:,} lines; ask for fewer days, or filter.", param="start_date"
    )
