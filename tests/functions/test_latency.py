"""Percentiles of durations by day and hour, by what is told apart, and within the caller's reach."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions import corrections, keys, latency
from functions.contract.call import Caller
from functions.contract.roles import INTERNAL_USER
from runtime.books.latency import HISTOGRAMS, drop_old_hours
from schema.errors.requests import InvalidRequest
from schema.latency import TimedCalls
from schema.ledger.histogram import BOUNDS_MS, ERROR_BOUND
from schema.ledger.rows import Outcome, SpendRow
from tests.functions.booked import fetch
from tests.functions.contexts import ADMIN
from tests.functions.governed import Body, House, in_house
from tests.functions.reported import MONTH, book, row_at

DAY: Body = {"start_date": "2026-11-20", "end_date": "2026-11-20"}


def timed(number: int, ms: int, first_ms: int | None = None, day: int = 20, **more: Any) -> SpendRow:
    """A call that took `ms`, streamed where it has a first token."""
    row = row_at(number, day, duration_ms=ms, **more)
    first_at = None if first_ms is None else row.started_at + timedelta(milliseconds=first_ms)
    return row_at(number, day, **{"duration_ms": ms, "first_token_at": first_at, **more})


def near(found: int | None, exact: int) -> bool:
    return found is not None and abs(found - exact) <= exact * ERROR_BOUND + 0.5


async def asked(house: House, body: Body, by: Caller | None = None) -> list[TimedCalls]:
    report = await house.call(latency.latency, body, by or ADMIN)
    assert report.error_bound == ERROR_BOUND
    return report.results


def test_percentiles_of_a_day_are_those_of_its_calls(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await book(house, *(timed(n, n * 100, n * 10 if n % 2 else None) for n in range(1, 51)))
        await book(house, *(timed(n, n * 100) for n in range(51, 101)))
        (found,) = await asked(house, DAY)
        assert (found.at, found.group) == ("2026-11-20", "")
        assert (found.duration_ms.calls, found.ttft_ms.calls) == (100, 25)
        for value, exact in (
            (found.duration_ms.p50, 5_000),
            (found.duration_ms.p95, 9_500),
            (found.duration_ms.p99, 9_900),
            (found.ttft_ms.p50, 250),
            (found.ttft_ms.p95, 470),
        ):
            assert near(value, exact), (value, exact)

    in_house(postgres_dsn, scenario)


def test_each_bucket_is_counted_the_first_and_the_last_too(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        each = [*(end - 1 for end in BOUNDS_MS), BOUNDS_MS[-1]]
        await book(house, *(timed(n, ms) for n, ms in enumerate(each, 1)))
        (found,) = await asked(house, DAY)
        assert found.duration_ms.calls == len(each) == len(BOUNDS_MS) + 1
        assert near(found.duration_ms.p50, each[len(each) // 2])
        assert found.duration_ms.p99 == BOUNDS_MS[-1]

    in_house(postgres_dsn, scenario)


def test_refused_calls_and_attempts_after_which_the_call_went_on_are_not_timed(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await book(
            house,
            timed(1, 100),
            timed(2, 10, outcome=Outcome.REFUSED, http_status=429),
            timed(3, 50_000, request_id="req-9-a1", final=False, outcome=Outcome.FAILED, http_status=500),
            timed(4, 100, outcome=Outcome.FAILED, http_status=502),
        )
        (found,) = await asked(house, DAY)
        assert found.duration_ms.calls == 2
        assert near(found.duration_ms.p99, 100)

    in_house(postgres_dsn, scenario)


def test_a_correction_of_money_changes_no_percentile(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await book(house, timed(1, 100, cost_nano=10**9), timed(2, 900))
        before = await asked(house, DAY)
        await house.call(corrections.correct, {"request_id": "req-1", "cost": "0.5", "reason": "the invoice"})
        assert await asked(house, DAY) == before
        assert before[0].duration_ms.calls == 2

    in_house(postgres_dsn, scenario)


def test_hours_days_and_the_whole_period(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        late = datetime(2026, 11, 20, 23, 59, 59, tzinfo=UTC)
        await book(
            house, timed(1, 100), timed(2, 400, started_at=late, first_token_at=None), timed(3, 1_600, day=21)
        )
        hours = await asked(house, {**DAY, "end_date": "2026-11-21", "step": "hour"})
        assert [each.at for each in hours] == ["2026-11-20T12", "2026-11-20T23", "2026-11-21T12"]
        assert [near(each.duration_ms.p50, ms) for each, ms in zip(hours, (100, 400, 1_600), strict=True)]
        days = await asked(house, MONTH)
        assert [(each.at, each.duration_ms.calls) for each in days] == [("2026-11-20", 2), ("2026-11-21", 1)]
        (whole,) = await asked(house, {**MONTH, "step": "total"})
        assert (whole.at, whole.duration_ms.calls) == ("", 3)
        assert near(whole.duration_ms.p50, 400)

    in_house(postgres_dsn, scenario)


def test_hours_over_many_days_are_refused_by_name(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        with pytest.raises(InvalidRequest, match="step: hours are told for at most 8 days"):
            await asked(house, {**MONTH, "step": "hour"})
        with pytest.raises(InvalidRequest, match="start_date"):
            await asked(house, {})

    in_house(postgres_dsn, scenario)


def test_calls_are_told_apart_and_filtered(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        made = await house.call(keys.generate, {"key_alias": "ci"})
        await book(
            house,
            timed(1, 100, model_group="gpt", team_id="red", key_hash=made.token, user_id="ada"),
            timed(2, 400, model_group="claude", team_id=None, user_id="bob", provider="anthropic"),
        )
        for by, groups in (
            ("model", ["claude", "gpt"]),
            ("team", ["", "red"]),
            ("key", sorted([made.token, "a" * 64])),
            ("user", ["ada", "bob"]),
            ("provider", ["anthropic", "openai"]),
        ):
            found = await asked(house, {**DAY, "by": by})
            assert [each.group for each in found] == groups, by
        named = await asked(house, {**DAY, "by": "key"})
        assert [each.name for each in named if each.group == made.token] == ["ci"]
        for body, ms in (
            ({"model": "gpt"}, 100),
            ({"team_id": "red,blue"}, 100),
            ({"api_key": made.key}, 100),
            ({"user_id": "bob"}, 400),
            ({"provider": "anthropic"}, 400),
        ):
            (only,) = await asked(house, {**DAY, **body})
            assert only.duration_ms.calls == 1
            assert near(only.duration_ms.p50, ms), body

    in_house(postgres_dsn, scenario)


def test_a_member_gets_the_percentiles_of_own_calls(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await book(house, timed(1, 100, user_id="ada"), timed(2, 90_000, user_id="bob"))
        ada = Caller(role=INTERNAL_USER, key_hash="0" * 64, user_id="ada")
        (own,) = await asked(house, {**DAY, "by": "user"}, ada)
        assert (own.group, own.duration_ms.calls) == ("ada", 1)
        assert await asked(house, {**DAY, "user_id": "bob"}, ada) == []

    in_house(postgres_dsn, scenario)


def test_old_hours_are_dropped_and_their_days_stay(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        now = datetime.now(UTC)
        old, new = now - timedelta(days=36), now - timedelta(days=34)
        rows = [
            timed(1, 100, started_at=old, first_token_at=None),
            timed(2, 100, started_at=new, first_token_at=None),
        ]
        await book(house, *rows)
        async with house.database.connection() as connection:
            await drop_old_hours(connection)
        days = await asked(house, {"start_date": str(old.date()), "end_date": str(now.date())})
        assert [each.at for each in days] == [str(old.date()), str(new.date())]
        hours = [
            await asked(house, {"start_date": str(day.date()), "end_date": str(day.date()), "step": "hour"})
            for day in (old, new)
        ]
        assert [len(each) for each in hours] == [0, 1]
        for table in HISTOGRAMS:
            kept = await fetch(
                house.database, f"""SELECT date, hour <> '' FROM "{table.table}" ORDER BY 1, 2"""
            )
            assert [tuple(row) for row in kept] == [
                (str(old.date()), False),
                (str(new.date()), False),
                (str(new.date()), True),
            ]

    in_house(postgres_dsn, scenario)
