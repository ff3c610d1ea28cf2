"""What was spent of a budget when a call began, from the rollups and the ledger's rows. Implements
`functions.ports.spend.Balances`.

Whole days come from the rollups. The rows of the call's own day, and of the day in which the window began,
are added up one by one. Their number and the time for them are limited: beyond that the sum is not told. All
budgets of a call share one limit of time, and a sum that two of them need is made once.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import asyncpg

from functions.contract.roles import Reach, Scope
from runtime.postgres.conditions import Conditions
from runtime.postgres.database import Database
from runtime.postgres.errors import asking
from runtime.reports.log_filter import TAGGED
from runtime.reports.sums import ReportReader
from schema.call_budgets import BalanceBefore, BudgetOwner
from schema.dates import Days
from schema.ledger.rows import SpendRow
from schema.ledger.sums import Dimension, SumsQuery
from schema.tables import naive

MAX_ROWS = 200_000
"""The most rows of a part of a day that are added up."""
ROWS_S = 1.0
"""How long the adding up of rows may take."""
ALL_S = 3.0
"""How long the sums of all budgets of a call may take together."""
TOO_MANY = "that day has too many calls to add up"
NO_TIME = "there was no time to add it up"
NO_SUMS = "no sums are kept for this kind of budget"
OF_MODELS = "sums are kept by the names of models, and the budget is for a pattern of names"
EVERYBODY = Scope(reaches=frozenset({Reach.ALL}))

_HASHES = """
    SELECT token, rotation_count FROM "LiteLLM_VerificationToken" WHERE key_id = $1
    UNION ALL
    SELECT old.token, NULL FROM "LiteLLM_DeprecatedVerificationToken" old
    JOIN "LiteLLM_VerificationToken" new ON new.token = old.active_token_id WHERE new.key_id = $1
    LIMIT 1000
"""

OwnerFilter = list[tuple[Dimension, str, tuple[str, ...]]]
"""Filters: the rollups' dimension, the column of the rows, and the values."""


class BalanceReader:
    """Reads what was spent before calls. Raises DatabaseUnavailable."""

    def __init__(self, database: Database, reports: ReportReader) -> None:
        self._database = database
        self._reports = reports

    async def before(
        self, row: SpendRow, budgets: Sequence[tuple[BudgetOwner, datetime | None]]
    ) -> list[BalanceBefore]:
        """For each owner and moment: what the owner's calls cost that began before the row's call, from that
        moment on. None for the moment: from the first call on."""
        sums = _EarlierSums(self._database, self._reports, row)
        known: dict[tuple[BudgetOwner, datetime | None], BalanceBefore] = {}
        deadline = asyncio.get_running_loop().time() + ALL_S
        for budget in dict.fromkeys(budgets):
            try:
                async with asyncio.timeout_at(deadline):
                    known[budget] = await sums.before(*budget)
            except TimeoutError:
                known[budget] = BalanceBefore(spent=None, untold=NO_TIME)
        return [known[budget] for budget in budgets]


class _EarlierSums:
    """The sums before one row's call. Each is made once."""

    def __init__(self, database: Database, reports: ReportReader, row: SpendRow) -> None:
        self._database = database
        self._reports = reports
        self._row = row
        self._of_days: dict[tuple[object, ...], Decimal] = {}
        self._of_rows: dict[tuple[object, ...], Decimal | None] = {}

    async def before(self, owner: BudgetOwner, since: datetime | None) -> BalanceBefore:
        row = self._row
        if owner.model is not None and "*" in owner.model:
            return BalanceBefore(spent=None, untold=OF_MODELS)
        found = await self._where(owner)
        if found is None:
            return BalanceBefore(spent=None, untold=NO_SUMS)
        where, at_least = found
        day = row.started_at.date()
        first = None if since is None else since.astimezone(UTC).date()
        spent = Decimal(0)
        if since is not None and first is not None and since > _midnight(first):
            end = min(row.started_at, _midnight(first + timedelta(days=1)))
            if end == row.started_at:
                return await self._whole(await self._rows(where, since), Decimal(0), at_least=at_least)
            part = await self._rows(where, since, end)
            if part is None:
                return BalanceBefore(spent=None, untold=TOO_MANY)
            spent, first = part, first + timedelta(days=1)
        if first is None or first < day:
            spent += await self._days(where, first, day - timedelta(days=1))
        return await self._whole(await self._rows(where, _midnight(day)), spent, at_least=at_least)

    async def _whole(self, last: Decimal | None, spent: Decimal, *, at_least: bool) -> BalanceBefore:
        if last is None:
            return BalanceBefore(spent=None, untold=TOO_MANY)
        return BalanceBefore(spent=spent + last, at_least=at_least)

    async def _where(self, owner: BudgetOwner) -> tuple[OwnerFilter, bool] | None:
        """The filters for the owner's calls, and whether they may miss some. None: no sums are kept."""
        at_least = False
        found: OwnerFilter
        match owner.kind:
            case "key":
                hashes, at_least = await self._hashes(owner)
                found = [(Dimension.API_KEY, "api_key", hashes)]
            case "user":
                found = [(Dimension.USER, '"user"', (owner.id,))]
            case "team":
                found = [(Dimension.TEAM, "team_id", (owner.id,))]
            case "member":
                found = [(Dimension.TEAM, "team_id", (owner.id,)), (Dimension.USER, '"user"', (owner.part,))]
            case "organization":
                found = [(Dimension.ORGANIZATION, "organization_id", (owner.id,))]
            case "customer":
                found = [(Dimension.END_USER, "end_user", (owner.id,))]
            case "tag":
                found = [(Dimension.TAG, "", (owner.id,))]
            case "global":
                found = []
            case _:
                return None
        if owner.model is not None:
            found.append((Dimension.MODEL_GROUP, "model_group", (owner.model,)))
        return found, at_least

    async def _hashes(self, owner: BudgetOwner) -> tuple[tuple[str, ...], bool]:
        """The hashes that the key has and had. A key's id is its first hash. Those between are known while
        their grace lasts."""
        with asking():
            async with self._database.connection() as connection:
                rows = await connection.fetch(_HASHES, owner.id)
        hashes = {owner.id, self._row.key_hash, *(each["token"] for each in rows)}
        rotations = max((each["rotation_count"] or 0 for each in rows), default=0)
        return tuple(sorted(hashes)), len(hashes) < rotations + 1

    async def _days(self, where: OwnerFilter, first: date | None, last: date) -> Decimal:
        key = (*where, first, last)
        if key not in self._of_days:
            self._of_days[key] = await self._sum_of_days(where, first, last)
        return self._of_days[key]

    async def _sum_of_days(self, where: OwnerFilter, first: date | None, last: date) -> Decimal:
        query = SumsQuery(
            by=((),),
            days=Days(None if first is None else first.isoformat(), last.isoformat()),
            where={dimension: values for dimension, _, values in where},
            only=("spend",),
        )
        return sum(
            (each.metrics.spend for each in await self._reports.sums(query, scope=EVERYBODY)), Decimal(0)
        )

    async def _rows(self, where: OwnerFilter, start: datetime, end: datetime | None = None) -> Decimal | None:
        key = (*where, start, end)
        if key not in self._of_rows:
            self._of_rows[key] = await self._sum_of_rows(where, start, end)
        return self._of_rows[key]

    async def _sum_of_rows(self, where: OwnerFilter, start: datetime, end: datetime | None) -> Decimal | None:
        """What the rows from `start` on cost: up to `end`, else up to the row. None: they are too many. A
        correction of the row comes at the same moment, and is no call before it."""
        row = self._row
        conditions = Conditions()
        conditions.add('"startTime" >= {}', naive(start))
        if end is not None:
            conditions.add('"startTime" < {}', naive(end))
        else:
            at = naive(row.started_at)
            conditions.add('"startTime" <= {}', at)
            conditions.add('("startTime" < {} OR request_id < {})', at, row.request_id)
            conditions.add("corrects IS DISTINCT FROM {}", row.request_id)
        for dimension, column, values in where:
            if dimension is Dimension.TAG:
                conditions.add(TAGGED, values[0])
            else:
                conditions.among(column, values)
        found = f'SELECT spend FROM "LiteLLM_SpendLogs"{conditions.where} LIMIT {MAX_ROWS + 1}'
        sums = await self._within(
            f"SELECT count(*) AS n, coalesce(sum(spend), 0) AS spent FROM ({found}) AS found",
            conditions.values,
        )
        return None if sums is None or sums["n"] > MAX_ROWS else Decimal(sums["spent"])

    async def _within(self, sql: str, values: Sequence[object]) -> asyncpg.Record | None:
        with asking():
            async with self._database.connection() as connection:
                try:
                    async with connection.transaction(readonly=True):
                        await connection.execute(
                            f"SET LOCAL statement_timeout = {int(ROWS_S * 1000)};"
                            " SET LOCAL plan_cache_mode = force_custom_plan"
                        )
                        return await connection.fetchrow(sql, *values)
                except asyncpg.QueryCanceledError:
                    return None


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
