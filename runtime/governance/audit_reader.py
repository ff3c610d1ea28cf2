"""Reads the audit log. Implements `functions.ports.governance.Audit`."""

from collections.abc import AsyncIterator, Sequence

from piccolo.query.functions import Count

from runtime.governance.tenancy import Predicate
from runtime.postgres.database import Database
from runtime.postgres.row_codec import RowCodec
from schema.audit import AuditFilter, AuditQuery, AuditRecord
from schema.dates import period_of
from schema.fields import Page
from schema.tables import naive
from schema.tables.audit import AuditLog

BATCH = 500
FILTERS = ("changed_by", "changed_by_api_key", "action", "table_name", "object_id")


class AuditReader:
    """Reads rows of the audit log. Every method raises DatabaseUnavailable, or InvalidRequest for a bad
    date."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._codec = RowCodec(AuditLog, AuditRecord)

    async def page(self, query: AuditQuery) -> Page[AuditRecord]:
        rows, total = AuditLog.select(), AuditLog.select(Count(alias="total"))
        for condition in self._conditions(query):
            rows, total = rows.where(condition), total.where(condition)  # type: ignore[arg-type]
        sorted_by = self._codec.columns[query.sort_by]
        rows = rows.order_by(sorted_by, AuditLog.updated_at, AuditLog.id, ascending=query.sort_order == "asc")
        rows = rows.limit(query.page_size).offset((query.page - 1) * query.page_size)
        async with self._database.transaction():
            found = await rows
            counted = await total
        return Page(records=[self._codec.decode(row) for row in found], total=counted[0]["total"])

    async def find(self, id: str) -> AuditRecord | None:
        with self._database.asking():
            row = await AuditLog.select().where(AuditLog.id == id).first()
        return None if row is None else self._codec.decode(row)

    async def everything(self, query: AuditFilter) -> AsyncIterator[AuditRecord]:
        """All rows that fit, oldest first. They are read in batches of 500: each batch begins after the last
        row of the one before."""
        conditions = self._conditions(query)
        last: Predicate | None = None
        while True:
            rows = AuditLog.select()
            for condition in [*conditions, *([last] if last is not None else [])]:
                rows = rows.where(condition)  # type: ignore[arg-type]
            with self._database.asking():
                found = await rows.order_by(AuditLog.updated_at, AuditLog.id).limit(BATCH)
            for row in found:
                yield self._codec.decode(row)
            if len(found) < BATCH:
                return
            at, id = found[-1]["updated_at"], found[-1]["id"]
            after = (AuditLog.updated_at > at) | ((AuditLog.updated_at == at) & (AuditLog.id > id))
            last = (AuditLog.updated_at >= at) & after  # the first half lets Postgres use an index

    def _conditions(self, query: AuditFilter) -> Sequence[Predicate]:
        start, end = period_of(query.start_date, query.end_date)
        found: list[Predicate] = [
            self._codec.columns[name] == value
            for name in FILTERS
            if (value := getattr(query, name)) is not None
        ]
        if start is not None:
            found.append(AuditLog.updated_at >= naive(start))
        if end is not None:
            found.append(AuditLog.updated_at < naive(end))
        return found
