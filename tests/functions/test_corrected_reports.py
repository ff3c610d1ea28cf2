"""What a correction changes in reports: it changes the money by its difference, and the number of calls not
at all."""

from decimal import Decimal
from typing import Any

from functions import activity, corrections, global_spend, spend, spend_reports
from runtime.books import latency, rollups
from schema.activity import DailyActivity
from schema.global_spend import DayOfCustomers, DayOfTeams
from schema.ledger.measures import MEASURE_NAMES
from schema.ledger.rows import Outcome
from schema.spend import SpendDay
from schema.tables.rollup_fill import FILL
from tests.functions.booked import fetch
from tests.functions.governed import House, in_house
from tests.functions.reported import MONTH, book, row_at

USD = 10**9
LABELS: dict[str, Any] = {"organization_id": "acme", "end_user": "eve", "tags": ("t",)}
ROWS = (
    row_at(1, outcome=Outcome.UNCERTAIN, estimated=True, http_status=429, cost_nano=2 * USD, **LABELS),
    row_at(2, cost_nano=4 * USD, **LABELS),
)
LEFT = Decimal("4.5")
"""What both cost after the first is corrected from 2 to 0.5."""


async def corrected(house: House) -> None:
    await book(house, *ROWS)
    await house.call(corrections.correct, {"request_id": "req-1", "cost": "0.5", "reason": "the invoice"})


def test_a_correction_adds_its_money_to_every_report_and_no_request(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await corrected(house)
        for report in (
            activity.user,
            activity.user_aggregated,
            activity.customer,
            activity.tag,
            activity.team,
        ):
            answer: DailyActivity = await house.call(report, MONTH)
            assert (answer.metadata.total_spend, answer.metadata.total_api_requests) == (LEFT, 2)
            (day,) = answer.results
            made = day.metrics
            assert (made.spend, made.uncertain_spend, made.uncertain_requests) == (LEFT, Decimal("0.5"), 1)
            assert (made.successful_requests, made.failed_requests, made.rate_limited_requests) == (1, 1, 1)
            assert (made.timed_requests, made.ttft_requests, made.total_tokens) == (2, 2, 300)
            parts = day.breakdown.endpoints
            assert {
                name: (part.metrics.spend, part.metrics.api_requests) for name, part in parts.items()
            } == {
                "acompletion": (Decimal(6), 2),
                "correction": (Decimal("-1.5"), 0),
            }
        requests = await house.call(activity.requests, MONTH)
        assert (requests.sum_api_requests, requests.sum_total_tokens) == (2, 300)
        (tag,) = await house.call(spend.tags, MONTH)
        assert (tag.total_spend, tag.log_count) == (LEFT, 2)
        (end_user,) = await house.call(global_spend.end_users)
        assert (end_user.total_spend, end_user.total_count) == (LEFT, 2)

    in_house(postgres_dsn, scenario)


def test_sums_without_requests_have_what_is_left(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await corrected(house)
        (day_of_teams,) = await house.call(global_spend.report, MONTH)
        assert isinstance(day_of_teams, DayOfTeams)
        assert [each.total_spend for each in day_of_teams.teams] == [LEFT]
        (day_of_customers,) = await house.call(global_spend.report, {**MONTH, "group_by": "customer"})
        assert isinstance(day_of_customers, DayOfCustomers)
        assert [each.total_spend for each in day_of_customers.customers] == [LEFT]
        (key,) = await house.call(spend_reports.key, {**MONTH, "api_key": "a" * 64})
        assert (key.total_cost, [each.total_cost for each in key.model_details]) == (LEFT, [LEFT])
        (day,) = await house.call(spend.logs, MONTH)
        assert isinstance(day, SpendDay)
        assert (day.spend, day.users, day.models) == (LEFT, {"alice": LEFT}, {"gpt-4": LEFT})

    in_house(postgres_dsn, scenario)


def test_sums_that_are_made_anew_count_corrections_alike(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await corrected(house)

        async def content() -> list[list[tuple[object, ...]]]:
            columns = ", ".join(MEASURE_NAMES)
            return [
                [
                    tuple(row)
                    for row in await fetch(
                        house.database, f'SELECT id, {columns} FROM "{rollup.table}" ORDER BY id'
                    )
                ]
                for rollup in rollups.ROLLUPS
            ]

        written = await content()
        assert [len(rows) for rows in written] == [2, 2, 2, 1]
        for each in (*rollups.ROLLUPS, *latency.HISTOGRAMS):
            await fetch(house.database, f'TRUNCATE "{each.table}"')
        for statement in FILL:
            await fetch(house.database, statement)
        assert await content() == written

    in_house(postgres_dsn, scenario)
