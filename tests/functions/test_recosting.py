"""Booked calls at other prices: what would change, and the corrections that change it."""

from decimal import Decimal
from typing import Any

import pytest

from functions import corrections, recosting
from runtime.registry.live_models import LiveModels
from schema.errors.requests import InvalidRequest
from schema.ledger.rows import Outcome, SpendRow
from tests.conftest import execute
from tests.functions.booked import OWNED, OWNERS, book, counters, fetch, total
from tests.functions.contexts import make_registry
from tests.functions.governed import Body, House, in_house
from tests.runtime.attempts import RECEIVED_AT, make_row

SINCE = {"start_date": "2026-03-01"}
FOR_GOOD = {**SINCE, "dry_run": False, "reason": "the price list was wrong"}


def priced_at(input_usd: str, output_usd: str) -> LiveModels:
    params = {
        "model": "openai/gpt-4-0613",
        "api_base": "https://api.example.com/v1",
        "api_key": "sk-x",
        "input_cost_per_token": input_usd,
        "output_cost_per_token": output_usd,
    }
    return LiveModels(make_registry({"model_list": [{"model_name": "gpt-4", "litellm_params": params}]}))


def call(request_id: str, **changes: Any) -> SpendRow:
    """100 and 50 tokens that were booked at a dollar."""
    counts = {"cached_tokens": 0, "cache_write_tokens": 0, "reasoning_tokens": 0}
    return make_row(request_id, **{"cost_nano": 10**9, **counts, **OWNED, **changes})


def test_a_dry_run_says_what_would_change_and_changes_nothing(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        house.give(prices=priced_at("0.001", "0.002"))
        later = RECEIVED_AT.replace(day=15)
        await book(
            house.database,
            call("r1"),
            call("r2", prompt_tokens=200, started_at=later),
            call("right", cost_nano=200_000_000),
            call("refused", outcome=Outcome.REFUSED, prompt_tokens=0, completion_tokens=0, cost_nano=0),
            call("failed", outcome=Outcome.FAILED, prompt_tokens=0, completion_tokens=0, cost_nano=0),
            call("gone", model_group="no-longer-there"),
            call("hit", cost_nano=0, cache_hit=True),
        )
        report = await house.call(recosting.recost, SINCE)
        assert (report.dry_run, report.rows, report.changed_rows, report.unpriced_rows) == (True, 4, 2, 1)
        assert (report.spend_before, report.spend, report.difference) == (
            Decimal(2),
            Decimal("0.5"),
            Decimal("-1.5"),
        )
        assert [(day.date, day.model, day.rows, day.spend) for day in report.days] == [
            ("2026-03-14", "gpt-4", 1, Decimal("0.2")),
            ("2026-03-15", "gpt-4", 1, Decimal("0.3")),
        ]
        assert report.next is None
        rows = await fetch(house.database, 'SELECT 1 FROM "LiteLLM_SpendLogs" WHERE corrects IS NOT NULL')
        assert rows == []

    in_house(postgres_dsn, scenario)


def test_recosting_makes_correction_rows_and_twice_changes_nothing(postgres_dsn: str) -> None:
    execute(postgres_dsn, *OWNERS)

    async def scenario(house: House) -> None:
        house.give(prices=priced_at("0.001", "0.002"))
        await book(house.database, *(call(f"r{n:04}") for n in range(1_203)))
        report = await house.call(recosting.recost, FOR_GOOD)
        assert (report.dry_run, report.changed_rows) == (False, 1_203)
        assert await counters(house.database) == [1_203 * Decimal("0.2")] * 6
        (row,) = await fetch(
            house.database, """SELECT * FROM "LiteLLM_SpendLogs" WHERE request_id = 'r0007-c1'"""
        )
        assert (row["spend"], row["correction"], row["reason"], row["price_source"]) == (
            Decimal("-0.8"),
            "recost",
            "the price list was wrong",
            "config",
        )
        again = await house.call(recosting.recost, FOR_GOOD)
        assert (again.rows, again.changed_rows, again.days) == (1_203, 0, [])
        house.give(prices=priced_at("0.003", "0.002"))
        await house.call(recosting.recost, FOR_GOOD)
        assert await total(house.database, "r0007") == Decimal("0.4")

    in_house(postgres_dsn, scenario)


def test_recosting_goes_on_where_it_stopped(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        house.give(prices=priced_at("0.001", "0.002"))
        await book(house.database, *(call(f"r{n}") for n in range(5)))
        changed, after = [], None
        for _ in range(4):
            body: Body = FOR_GOOD | {"max_rows": 2} | ({"after": after} if after else {})
            report = await house.call(recosting.recost, body)
            changed.append(report.changed_rows)
            after = report.next
            if after is None:
                break
        assert changed == [2, 2, 1]

    in_house(postgres_dsn, scenario)


def test_what_a_person_or_an_invoice_settled_is_left_alone(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        house.give(prices=priced_at("0.001", "0.002"))
        await book(house.database, call("r1"), call("r2"))
        await house.call(corrections.correct, {"request_id": "r1", "cost": 7, "reason": "the invoice"})
        report = await house.call(recosting.recost, FOR_GOOD)
        assert (report.changed_rows, report.settled_rows) == (1, 1)
        assert await total(house.database, "r1") == 7

    in_house(postgres_dsn, scenario)


def test_an_uncertain_call_is_lowered_only_where_its_counts_explain_its_cost(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        house.give(prices=priced_at("0.001", "0.002"))
        uncertain: dict[str, Any] = {"outcome": Outcome.UNCERTAIN, "estimated": True}
        parts = (400_000_000, 0, 0, 600_000_000, 0, 0, 0, 0)
        await book(
            house.database,
            call("stated", **uncertain),
            call("low", cost_nano=10**8, **uncertain),
            call("explained", cost_parts=parts, **uncertain),
        )
        report = await house.call(recosting.recost, FOR_GOOD)
        assert (report.rows, report.changed_rows, report.ceiling_rows) == (3, 2, 1)
        costs = [await total(house.database, name) for name in ("stated", "low", "explained")]
        assert costs == [1, Decimal("0.2"), Decimal("0.2")]
        house.give(prices=priced_at("0.01", "0.02"))
        await house.call(recosting.recost, FOR_GOOD)
        assert await total(house.database, "stated") == 2
        house.give(prices=priced_at("0.001", "0.002"))
        await house.call(recosting.recost, FOR_GOOD)
        assert await total(house.database, "stated") == 1

    in_house(postgres_dsn, scenario)


def test_only_what_is_asked_for_is_recosted(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        house.give(prices=priced_at("0.001", "0.002"))
        await book(house.database, call("r1"), call("r2", started_at=RECEIVED_AT.replace(day=20)))
        for narrowed in (
            {"model": "other"},
            {"model_id": "other"},
            {"provider": "anthropic"},
            {"end_date": "2026-03-13"},
            {"start_date": "2026-04-01"},
        ):
            assert (await house.call(recosting.recost, SINCE | narrowed)).rows == 0
        wanted = {"model": "gpt-4-0613", "provider": "openai", "model_id": "deployment-1"}
        assert (await house.call(recosting.recost, SINCE | wanted | {"end_date": "2026-03-14"})).rows == 1

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"start_date": "x"}, "start_date"),
        ({"dry_run": False}, "reason"),
        ({"reason": " "}, "reason"),
        ({"max_rows": 0}, "max_rows"),
        ({"after": "x"}, "after"),
    ],
)
def test_a_recost_that_can_not_be_is_named(postgres_dsn: str, body: Body, param: str) -> None:
    async def scenario(house: House) -> None:
        with pytest.raises(InvalidRequest) as refused:
            await house.call(recosting.recost, SINCE | body)
        assert refused.value.param == param

    in_house(postgres_dsn, scenario)
