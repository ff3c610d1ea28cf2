"""Reads the ledger: rows, and sums by day. Implements `functions.ports.spend.Spend`."""

from collections.abc import Iterable
from decimal import Decimal

from piccolo.columns.combination import Where, WhereRaw

from functions.contract.roles import Scope
from runtime.books.stored_row import spend_row
from runtime.governance.tenancy import within
from runtime.postgres.database import Database
from runtime.reports.log_filter import KNOWN_AS
from runtime.reports.sums import ReportReader
from schema.dates import days_of
from schema.errors.requests import InvalidRequest
from schema.ledger.rows import EARLIER, SpendRow
from schema.ledger.sums import Dimension, SumsQuery
from schema.spend import SpendDay, SpendQuery, period
from schema.tables import naive
from schema.tables.spend_logs import SpendLog

MAX_ROWS = 10_000
KINDS = (Dimension.USER, Dimension.MODEL_GROUP, Dimension.API_KEY)
"""The dimensions by which each day is summed."""


class SpendReader:
    """Reads rows of the ledger, and sums by day. Every method raises DatabaseUnavailable, or InvalidRequest
    for bad dates."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reports = ReportReader(database)

    async def rows(self, query: SpendQuery, *, scope: Scope) -> list[SpendRow]:
        """The rows that fit, newest first. `query.api_key` is a key's hash here. Raises InvalidRequest for a
        limit that is not 1 to 10,000."""
        if not 1 <= query.limit <= MAX_ROWS:
            raise InvalidRequest(f"limit: expected 1 to {MAX_ROWS}, found {query.limit}", param="limit")
        start, end = period(query)
        scoped = within(SpendLog, scope)
        if scoped is None:
            return []
        conditions = (*_conditions(query), *scoped)
        select = SpendLog.select().where(*conditions)  # type: ignore[arg-type]  # Piccolo's own union of conditions
        if start is not None:
            select = select.where(SpendLog.start_time >= naive(start))
        if end is not None:
            select = select.where(SpendLog.start_time < naive(end))
        select = select.order_by(SpendLog.start_time, SpendLog.request_id, ascending=False)
        with self._database.asking():
            found = await select.limit(query.limit)
        return [spend_row(row) for row in found]

    async def days(self, query: SpendQuery, *, scope: Scope) -> list[SpendDay]:
        """The sums of each day from the rollups, oldest day first. Days without calls are left out."""
        wanted = ((Dimension.API_KEY, query.api_key), (Dimension.USER, query.user_id))
        query_of_days = SumsQuery(
            by=(),
            days=days_of(query.start_date, query.end_date),
            where={kind: (value,) for kind, value in wanted if value is not None},
        )
        return _by_day(await self._reports.spent_by_day(KINDS, query_of_days, scope=scope))


def _conditions(query: SpendQuery) -> list[Where | WhereRaw]:
    known_as: list[Where | WhereRaw] = []
    if query.request_id is not None:
        asked = query.request_id
        known_as.append(WhereRaw(KNOWN_AS.format("{}", "{}"), asked, asked, asked, EARLIER))
    wanted = (
        (SpendLog.api_key, query.api_key),
        (SpendLog.user, query.user_id),
    )
    return known_as + [column == value for column, value in wanted if value is not None]


def _by_day(spent: Iterable[tuple[str, Dimension, dict[str, Decimal]]]) -> list[SpendDay]:
    days: dict[str, dict[Dimension, dict[str, Decimal]]] = {}
    for day, kind, dollars in spent:
        days.setdefault(day, {})[kind] = dollars
    return [
        SpendDay(
            day=day,
            spend=sum(kinds[Dimension.API_KEY].values(), start=Decimal(0)),
            users=kinds[Dimension.USER],
            models=kinds[Dimension.MODEL_GROUP],
            api_keys=kinds[Dimension.API_KEY],
        )
        for day, kinds in days.items()
    ]
