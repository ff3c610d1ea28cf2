"""Reads the alerts from Postgres. Implements `functions.ports.telemetry.Alerts`."""

from collections.abc import Sequence

from piccolo.query.functions import Count

from runtime.postgres.database import Database
from runtime.postgres.row_codec import RowCodec
from schema.alerts import AlertRecord
from schema.tables.alerts import Alert


class AlertReader:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._codec = RowCodec(Alert, AlertRecord)

    async def page(self, *, open_only: bool, offset: int, limit: int) -> tuple[Sequence[AlertRecord], int]:
        """One page of the alerts, newest first, and how many there are in all. Raises DatabaseUnavailable."""
        rows, total = Alert.select(), Alert.select(Count(alias="total"))
        if open_only:
            rows, total = rows.where(Alert.ended_at.is_null()), total.where(Alert.ended_at.is_null())
        rows = rows.order_by(Alert.first_at, Alert.id, ascending=False).offset(offset).limit(limit)
        async with self._database.transaction():
            found, counted = await rows, await total
        return [self._codec.decode(row) for row in found], counted[0]["total"]
