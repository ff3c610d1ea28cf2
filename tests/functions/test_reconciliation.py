"""A provider's bill beside the ledger, and uncertain calls corrected by it."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from functions import corrections, reconciliation
from schema.errors.requests import InvalidRequest
from schema.ledger.rows import Outcome, SpendRow
from tests.conftest import execute
from tests.functions.booked import OWNED, OWNERS, book, counters, fetch, total
from tests.functions.contexts import NOW
from tests.functions.governed import Body, House, in_house
from tests.runtime.attempts import RECEIVED_AT, make_row

APPLY = {"apply": True, "reason": "the March bill"}


def call(request_id: str, cost_nano: int, at: datetime = RECEIVED_AT, **changes: Any) -> SpendRow:
    return make_row(request_id, cost_nano=cost_nano, started_at=at, **OWNED, **changes)


def uncertain(request_id: str, cost_nano: int, **changes: Any) -> SpendRow:
    return call(request_id, cost_nano, outcome=Outcome.UNCERTAIN, estimated=True, **changes)


def bill(*lines: str) -> Body:
    return {"csv": "\n".join(["date,model,cost", *lines]), "provider": "openai"}


def test_a_bill_is_shown_beside_the_ledger_and_nothing_is_written(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await book(
            house.database,
            call("sure", 10**9),
            uncertain("doubt", 4 * 10**9),
            call("other", 10**9, provider="anthropic", model="claude"),
            call("later", 10**9, RECEIVED_AT + timedelta(days=1)),
        )
        report = await house.call(reconciliation.compare, bill("2026-03-14,gpt-4,1.5"))
        (line,) = report.lines
        assert (line.date, line.rows, line.ours, line.theirs, line.difference) == (
            "2026-03-14",
            2,
            Decimal(5),
            Decimal("1.5"),
            Decimal("-3.5"),
        )
        assert (line.uncertain, line.causes) == (Decimal(4), ["uncertain_rows"])
        assert (line.corrected, line.unexplained, report.applied) == (Decimal("1.5"), Decimal(0), False)
        rows = await fetch(house.database, 'SELECT 1 FROM "LiteLLM_SpendLogs" WHERE corrects IS NOT NULL')
        assert rows == []
        longer = bill("2026-03-14,gpt-4,1.5") | {"start_date": "2026-03-01", "end_date": "2026-03-31"}
        assert len((await house.call(reconciliation.compare, longer)).lines) == 2

    in_house(postgres_dsn, scenario)


def test_uncertain_calls_are_corrected_so_that_the_sums_are_equal(postgres_dsn: str) -> None:
    execute(postgres_dsn, *OWNERS)

    async def scenario(house: House) -> None:
        doubts = [uncertain(f"u{n:04}", 1_000_003 + n) for n in range(601)]
        estimated = call("e", 7_777_777, outcome=Outcome.CANCELLED, estimated=True)
        await book(house.database, call("sure", 10**9), estimated, *doubts)
        body = bill("2026-03-14,gpt-4,1.123456789") | APPLY
        report = await house.call(reconciliation.compare, body)
        assert (report.applied, report.corrected_rows, report.unexplained) == (True, 602, Decimal(0))
        assert await counters(house.database) == [Decimal("1.123456789")] * 6
        rows = await fetch(
            house.database,
            "SELECT sum(spend) AS spend, min(spend) AS least FROM (SELECT sum(spend) AS spend FROM"
            ' "LiteLLM_SpendLogs" GROUP BY coalesce(corrects, request_id)) AS calls',
        )
        assert rows[0]["spend"] == Decimal("1.123456789")
        assert rows[0]["least"] >= 0
        assert await total(house.database, "sure") == 1
        again = await house.call(reconciliation.compare, body)
        assert (again.corrected_rows, again.difference) == (0, Decimal(0))
        assert (await house.call(corrections.uncertain)).data == []
        newer = await house.call(reconciliation.compare, bill("2026-03-14,gpt-4,1.2") | APPLY)
        assert (newer.corrected_rows, newer.unexplained) == (602, Decimal(0))
        assert await counters(house.database) == [Decimal("1.2")] * 6

    in_house(postgres_dsn, scenario)


def test_what_is_beyond_the_bounds_stays_unexplained(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await book(house.database, call("sure", 10**9), uncertain("u1", 10**9), uncertain("u2", 3 * 10**9))
        report = await house.call(reconciliation.compare, bill("2026-03-14,gpt-4,7") | APPLY)
        assert report.unexplained == Decimal(2)
        assert [await total(house.database, name) for name in ("u1", "u2")] == [1, 3]
        report = await house.call(reconciliation.compare, bill("2026-03-14,gpt-4,0.25") | APPLY)
        assert report.unexplained == Decimal("-0.75")
        assert [await total(house.database, name) for name in ("u1", "u2")] == [0, 0]

    in_house(postgres_dsn, scenario)


def test_what_an_admin_said_is_not_spread_over(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await book(house.database, uncertain("u1", 10**9), uncertain("u2", 10**9))
        await house.call(corrections.correct, {"request_id": "u1", "cost": "0.5", "reason": "known"})
        report = await house.call(reconciliation.compare, bill("2026-03-14,gpt-4,0.75") | APPLY)
        assert report.corrected_rows == 1
        assert [await total(house.database, name) for name in ("u1", "u2")] == [
            Decimal("0.5"),
            Decimal("0.25"),
        ]

    in_house(postgres_dsn, scenario)


def test_calls_of_days_that_the_bill_says_nothing_of_stay_as_they_are(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        later = RECEIVED_AT + timedelta(days=2)
        await book(house.database, uncertain("u1", 10**9), uncertain("u2", 10**9, at=later))
        body = bill("2026-03-14,gpt-4,0.5") | {"end_date": "2026-03-17"}
        report = await house.call(reconciliation.compare, body)
        assert [(line.corrected, line.causes) for line in report.lines] == [
            (Decimal("0.5"), ["uncertain_rows"]),
            (Decimal(1), ["not_in_export"]),
        ]
        with pytest.raises(InvalidRequest, match="2026-03-15") as refused:
            await house.call(reconciliation.compare, body | APPLY)
        assert refused.value.param == "end_date"
        with pytest.raises(InvalidRequest, match="2026-03-12") as refused:
            await house.call(
                reconciliation.compare, bill("2026-03-14,gpt-4,1") | {"start_date": "2026-03-12"} | APPLY
            )
        assert refused.value.param == "start_date"
        assert [await total(house.database, name) for name in ("u1", "u2")] == [1, 1]
        told = bill("2026-03-14,gpt-4,0.5", "2026-03-17,gpt-4,0") | APPLY
        await house.call(reconciliation.compare, told)
        assert [await total(house.database, name) for name in ("u1", "u2")] == [Decimal("0.5"), 0]

    in_house(postgres_dsn, scenario)


def test_a_day_that_is_not_over_is_not_settled(postgres_dsn: str) -> None:
    today, yesterday = NOW.date(), NOW.date() - timedelta(days=1)

    async def scenario(house: House) -> None:
        await book(house.database, uncertain("u", 10**9, at=NOW))
        body = bill(f"{yesterday},gpt-4,0", f"{today},gpt-4,0.5")
        assert len((await house.call(reconciliation.compare, body)).lines) == 2
        with pytest.raises(InvalidRequest, match=str(today)) as refused:
            await house.call(reconciliation.compare, body | APPLY)
        assert refused.value.param == "end_date"
        await house.call(reconciliation.compare, body | APPLY | {"end_date": str(yesterday)})
        assert await total(house.database, "u") == 1

    in_house(postgres_dsn, scenario)


def test_an_export_of_usage_is_compared_at_our_prices(postgres_dsn: str) -> None:
    usage = "start_time,model,input_tokens,output_tokens,num_model_requests\n1773446400,gpt-4,1000,100,1"

    async def scenario(house: House) -> None:
        await book(house.database, call("r", 36_000_000, model="gpt-4"))
        report = await house.call(reconciliation.compare, {"csv": usage})
        assert (report.format, report.provider, report.theirs) == (
            "openai_usage",
            "openai",
            Decimal("0.036"),
        )
        assert report.lines[0].causes == []
        with pytest.raises(InvalidRequest, match="nobodys-model"):
            await house.call(reconciliation.compare, {"csv": usage.replace("gpt-4", "nobodys-model")})

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"apply": True}, "reason"),
        ({"apply": True, "reason": ""}, "reason"),
        ({"csv": "date,model\n"}, "csv"),
        ({"start_date": "2026-03-01 10:00:00"}, "start_date"),
        ({"start_date": "2025-01-01"}, "end_date"),
        ({"end_date": "2026-03-01"}, "end_date"),
        ({"provider": ""}, "provider"),
        ({"aliases": {str(n): "m" for n in range(1_001)}}, "aliases"),
    ],
)
def test_a_comparison_that_can_not_be_is_named(postgres_dsn: str, body: Body, param: str) -> None:
    async def scenario(house: House) -> None:
        with pytest.raises(InvalidRequest) as refused:
            await house.call(reconciliation.compare, bill("2026-03-14,gpt-4,1.5") | body)
        assert refused.value.param == param

    in_house(postgres_dsn, scenario)
