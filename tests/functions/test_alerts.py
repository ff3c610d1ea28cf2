"""Alerts by page, newest first."""

import asyncio
from collections.abc import Sequence

import pytest

from functions.alerts import MAX_PAGE, alerts
from functions.ports.context import OperationsContext
from schema.alerts import AlertPage, AlertRecord, AlertsQuery
from schema.errors.requests import InvalidRequest
from tests.fakes.ports import ABSENT
from tests.functions.contexts import NOW

RECORDS = [
    AlertRecord(
        id=f"alert-{number}",
        kind="postgres_away",
        object="postgres",
        message="Postgres can't be reached.",
        host="gateway-1",
        first_at=NOW,
        last_at=NOW,
        ended_at=NOW if number % 2 else None,
    )
    for number in range(5)
]


class FakeAlerts:
    async def page(self, *, open_only: bool, offset: int, limit: int) -> tuple[Sequence[AlertRecord], int]:
        found = [each for each in RECORDS if not (open_only and each.ended_at)]
        return found[offset : offset + limit], len(found)


def page(query: AlertsQuery) -> AlertPage:
    context = OperationsContext(
        deployments=ABSENT, alerts=FakeAlerts(), metrics=ABSENT, readiness=ABSENT, paths=()
    )
    return asyncio.run(alerts(query, context))


def test_pages_count_from_one_and_together_hold_every_alert_once() -> None:
    pages = [page(AlertsQuery(page=number, page_size=2)) for number in (1, 2, 3)]
    assert [alert for each in pages for alert in each.alerts] == RECORDS
    assert {(each.total, each.total_pages) for each in pages} == {(5, 3)}


def test_alerts_that_are_over_are_left_out_where_that_is_asked() -> None:
    answer = page(AlertsQuery(open_only=True))
    assert ([alert.id for alert in answer.alerts], answer.total) == (["alert-0", "alert-2", "alert-4"], 3)


@pytest.mark.parametrize(
    "query",
    [
        AlertsQuery(page=0),
        AlertsQuery(page_size=0),
        AlertsQuery(page_size=MAX_PAGE + 1),
        AlertsQuery(page=10**9),
    ],
)
def test_a_page_that_is_none_is_refused(query: AlertsQuery) -> None:
    with pytest.raises(InvalidRequest):
        page(query)
