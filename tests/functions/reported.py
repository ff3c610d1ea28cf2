"""Rows in the ledger of a `House`, and what every report answers."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import msgspec

from functions import activity, global_spend, latency, spend, spend_reports
from schema.ledger.rows import SpendRow
from tests.functions import booked
from tests.functions.governed import Body, House, cases
from tests.runtime.attempts import make_row

MONTH: Body = {"start_date": "2026-11-01", "end_date": "2026-11-30"}


async def book(house: House, *rows: SpendRow) -> None:
    await booked.book(house.database, *rows)


def row_at(number: int, day: int = 20, **more: object) -> SpendRow:
    """A call of November 2026, `number` seconds after noon."""
    started_at = datetime(2026, 11, day, 12, tzinfo=UTC) + timedelta(seconds=number)
    row = make_row(f"req-{number}", started_at=started_at, first_token_at=started_at, ended_at=started_at)
    return msgspec.structs.replace(row, **more)


async def text_of(pieces: AsyncIterator[bytes]) -> str:
    return b"".join([piece async for piece in pieces]).decode()


CHARTS = cases(
    (spend.logs, MONTH),
    (spend.tags, {}),
    (spend_reports.key, {**MONTH, "api_key": "a" * 64}),
    (spend_reports.user, {**MONTH, "internal_user_id": "alice"}),
    (spend_reports.team, {**MONTH, "team_id": "red"}),
    (spend_reports.organization, {**MONTH, "organization_id": "acme"}),
    (global_spend.total, {}),
    (global_spend.logs, {}),
    (global_spend.keys, {}),
    (global_spend.models, {}),
    (global_spend.teams, {}),
    (global_spend.provider, MONTH),
    (global_spend.tags, MONTH),
    (global_spend.end_users, {}),
    (global_spend.report, MONTH),
    (global_spend.report, {**MONTH, "group_by": "customer"}),
    (global_spend.report, {**MONTH, "group_by": "api_key"}),
    (latency.latency, MONTH),
    (activity.user, MONTH),
    (activity.team, MONTH),
    (activity.organization, MONTH),
    (activity.customer, MONTH),
    (activity.tag, MONTH),
    (activity.user_aggregated, MONTH),
    (activity.team_aggregated, MONTH),
    (activity.organization_aggregated, MONTH),
    (activity.customer_aggregated, MONTH),
    (activity.tag_aggregated, MONTH),
    (activity.requests, MONTH),
    (activity.models, MONTH),
    (activity.exceptions, {**MONTH, "model_group": "gpt-4"}),
    (activity.cache_hits, MONTH),
)
"""Every report that sums, each with a query that all rows of `row_at` fit."""
