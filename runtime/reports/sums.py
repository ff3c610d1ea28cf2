"""Sums from the rollups. The ledger itself is never read. Implements `functions.ports.spend.Reports`."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Protocol

import msgspec

from functions.contract.roles import Scope
from runtime.postgres.database import Database
from runtime.postgres.errors import asking
from runtime.reports import sums_sql
from schema.errors.requests import InvalidRequest
from schema.fields import Page
from schema.ledger.sums import Dimension, Lines, Metrics, Name, Sums, SumsQuery
from schema.money import usd

MAX_GROUPS = 50_000
"""The most groups in one report. Each group costs the worker time."""
MAX_PAGED = 200_000
"""The most rows of a rollup that pages reach, and that are counted."""
MAX_LINES = 200_000
"""The most lines in one report that Postgres writes as JSON."""

SETTINGS = "SET LOCAL work_mem = '24MB'; SET LOCAL plan_cache_mode = force_custom_plan"
"""With its default of 4 MB for `work_mem`, Postgres would write to disk for the sums of a month."""

_NAMES: Mapping[Dimension, str] = MappingProxyType(
    {
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
)


class _SumsRecord(Protocol):
    """A row, as asyncpg gives it."""

    def __getitem__(self, column: str | int | slice) -> Any: ...  # an asyncpg.Record's values are untyped
    def __iter__(self) -> Iterator[Any]: ...


class ReportReader:
    """Reads sums within a scope. Every method raises DatabaseUnavailable, or InvalidRequest for text that no
    column can hold."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def sums(self, query: SumsQuery, *, scope: Scope) -> list[Sums]:
        """The sums of each group, for every grouping in `query.by`. Raises InvalidRequest for more than
        50,000 groups."""
        columns, found = await self._groups(query, scope)
        groups = {
            sums_sql.mask(columns, by): (number, [(each, columns.index(each)) for each in by])
            for number, by in enumerate(query.by)
        }
        at = len(columns)
        made = []
        for row in found:
            number, places = groups[row[at]]
            of = {each: row[place] for each, place in places}
            made.append(Sums(of=of, metrics=_metrics(row, at + 1), group=number))
        return made

    async def spent_by_day(
        self, kinds: Sequence[Dimension], query: SumsQuery, *, scope: Scope
    ) -> list[tuple[str, Dimension, dict[str, Decimal]]]:
        """The dollars spent, by name, for each day and each of these dimensions. Raises what `sums`
        raises."""
        by = tuple((Dimension.DATE, kind) for kind in kinds)
        source = sums_sql.source_of(msgspec.structs.replace(query, by=by), scope)
        sql = sums_sql.spent_by_day(source, kinds, MAX_GROUPS + 1)
        found = await self._fetch(sql, source.conditions.values)
        if sum(len(row["names"]) for row in found) > MAX_GROUPS:
            raise _too_large(MAX_GROUPS)
        named = {sums_sql.mask(source.columns, each): each[1] for each in by}
        return [
            (row["date"], named[row["mask"]], dict(zip(row["names"], map(usd, row["spends"]), strict=True)))
            for row in found
        ]

    async def _groups(self, query: SumsQuery, scope: Scope) -> tuple[list[Dimension], list[_SumsRecord]]:
        source = sums_sql.source_of(query, scope)
        limit = MAX_GROUPS + 1 if query.top is None else min(query.top, MAX_GROUPS)
        found = await self._fetch(sums_sql.grouped(source, query, limit), source.conditions.values)
        if len(found) > MAX_GROUPS:
            raise _too_large(MAX_GROUPS)
        return source.columns, found

    async def days_of_the_dearest(self, query: SumsQuery, *, scope: Scope) -> list[Sums]:
        """The sums by day of the values that cost the most in the whole period: `query.top` values for each
        of `query.by` (one dimension each). One pass over the table gives all of them."""
        source = sums_sql.source_of(query, scope)
        sql = sums_sql.days_of_the_dearest(source, query.top)
        return [
            Sums(
                of={Dimension.DATE: row[1], source.columns[row[0]]: row[2]},
                metrics=_metrics(row, 3),
                group=row[0],
            )
            for row in await self._fetch(sql, source.conditions.values)
        ]

    async def rows(self, query: SumsQuery, *, page: int, size: int, scope: Scope) -> Page[Sums]:
        """One page of the rollup's own rows, the latest day first. `query.by` says which dimensions are
        shown. No more than 200,000 rows are counted. Raises InvalidRequest for a page beyond them."""
        table, columns, conditions = sums_sql.source_of(query, scope)
        shown = ", ".join(each.value for each in columns)
        if page * size > MAX_PAGED:
            raise InvalidRequest(
                f"page: pages end after {MAX_PAGED:,} rows of the daily sums; ask for fewer days, or filter.",
                param="page",
            )
        counted = f'SELECT FROM "{table}"{conditions.where} LIMIT {MAX_PAGED}'
        total = await self._fetch(f"SELECT count(*) AS n FROM ({counted}) AS counted", conditions.values)
        found = await self._fetch(
            f'SELECT {shown}, {sums_sql.PLAIN} FROM "{table}"{conditions.where} ORDER BY date DESC, id DESC'
            f" LIMIT {int(size)} OFFSET {int(page - 1) * int(size)}",
            conditions.values,
        )
        records = [
            Sums(of=dict(zip(columns, row, strict=False)), metrics=_metrics(row, len(columns)))
            for row in found
        ]
        return Page(records=records, total=total[0]["n"])

    async def lines(self, query: SumsQuery, *, scope: Scope) -> list[Lines]:
        """The groups, each with its lines by model and key. Raises InvalidRequest for more than 200,000
        lines."""
        source = sums_sql.source_of(query, scope, also=(Dimension.MODEL, Dimension.API_KEY))
        found = await self._fetch(sums_sql.lines(source, MAX_LINES + 1), source.conditions.values)
        if sum(row["n"] for row in found) > MAX_LINES:
            raise _too_large(MAX_LINES)
        return [
            Lines(
                of=dict(zip(source.columns, row, strict=False)),
                spend=row["spend"],
                lines=msgspec.Raw(row["lines"]),
            )
            for row in found
        ]

    async def names(self, kind: Dimension, ids: Collection[str]) -> Mapping[str, Name]:
        """The names of these ids, by id. An id without a row is left out."""
        if kind not in _NAMES or not ids:
            return {}
        found = await self._fetch(_NAMES[kind], [list(ids)])
        return {
            row["id"]: Name(alias=row["alias"], key_name=row["key_name"], team_id=row["team_id"])
            for row in found
        }

    async def _fetch(self, sql: str, values: list[object]) -> list[_SumsRecord]:
        with asking():
            async with self._database.connection() as connection, connection.transaction(readonly=True):
                await connection.execute(SETTINGS)
                return list(await connection.fetch(sql, *values))


def _metrics(row: _SumsRecord, at: int) -> Metrics:
    """The metrics of a row, from the column `at` on. They are read by position, which is faster than by name:
    a large report has thousands of rows."""
    return Metrics(*row[at:])


def _too_large(most: int) -> InvalidRequest:
    return InvalidRequest(
        f"start_date: the report has over {most:,} lines; ask for fewer days, or filter.", param="start_date"
    )
