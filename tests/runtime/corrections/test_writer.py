"""Corrections that are made at once, and counters that are right at all times."""

import asyncio
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime.corrections import writer
from runtime.corrections.writer import CorrectionWriter
from runtime.postgres.database import Database
from schema.corrections import Correction, CorrectionKind
from schema.errors.overload import Overloaded
from schema.ledger.rows import Outcome
from schema.money import usd
from tests.conftest import execute
from tests.functions.booked import OWNED, OWNERS, book, counters, fetch, total
from tests.functions.contexts import ADMIN, make_call
from tests.runtime.attempts import make_row

COSTS = st.integers(min_value=0, max_value=10**12)
CALL = make_call(ADMIN)


@given(
    booked=st.lists(COSTS, min_size=1, max_size=4),
    steps=st.lists(
        st.lists(
            st.tuples(st.integers(0, 3), COSTS, st.sampled_from(CorrectionKind)), min_size=1, max_size=3
        ),
        max_size=4,
    ),
)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_counters_are_the_sum_of_the_rows_at_all_times(
    postgres_dsn: str, booked: list[int], steps: list[list[tuple[int, int, CorrectionKind]]]
) -> None:
    execute(
        postgres_dsn,
        'TRUNCATE "LiteLLM_SpendLogs", "LiteLLM_VerificationToken", "LiteLLM_UserTable", "LiteLLM_TeamTable",'
        ' "LiteLLM_TeamMembership", "LiteLLM_OrganizationTable", "LiteLLM_BudgetTable",'
        ' "LiteLLM_EndUserTable" CASCADE',
        *OWNERS,
    )

    async def run() -> None:
        database = await Database.connect(postgres_dsn)
        store = CorrectionWriter(database, database)
        rows = [make_row(f"r{place}", cost_nano=cost, **OWNED) for place, cost in enumerate(booked)]
        await book(database, *rows)
        expected, ranks = dict(enumerate(booked)), dict.fromkeys(range(4), 0)
        for step in steps:
            kind = step[0][2]
            rank = list(CorrectionKind).index(kind)
            wanted = {place: cost for place, cost, _ in step}
            batch = [Correction(request_id=f"r{place}", cost_nano=cost) for place, cost in wanted.items()]
            await store.correct(batch, kind=kind, reason="x", call=CALL)
            for place, cost in wanted.items():
                if place in expected and ranks[place] <= rank and cost != expected[place]:
                    expected[place], ranks[place] = cost, rank
            assert await counters(database) == [usd(sum(expected.values()))] * 6
            for place, cost in expected.items():
                assert await total(database, f"r{place}") == usd(cost)
        await database.close()

    asyncio.run(run())


def test_two_admins_at_once_follow_each_other(postgres_dsn: str) -> None:
    execute(postgres_dsn, *OWNERS)

    async def run() -> None:
        database = await Database.connect(postgres_dsn)
        store = CorrectionWriter(database, database)
        rows = [make_row(f"r{n}", outcome=Outcome.UNCERTAIN, cost_nano=10**9, **OWNED) for n in range(6)]
        await book(database, *rows)

        async def admin(number: int) -> None:
            order = rows if number % 2 else rows[::-1]
            cost = 1_000 * (number % 4)
            batch = [Correction(request_id=row.request_id, cost_nano=cost) for row in order]
            await store.correct(batch, kind=CorrectionKind.MANUAL, reason="x", call=CALL)

        await asyncio.gather(*(admin(number) for number in range(12)))
        totals = {await total(database, row.request_id) for row in rows}
        assert len(totals) == 1
        assert totals <= {usd(cost) for cost in (0, 1_000, 2_000, 3_000)}
        assert await counters(database) == [6 * totals.pop()] * 6
        await database.close()

    asyncio.run(run())


def test_the_same_correction_by_two_admins_at_once_is_one_row(postgres_dsn: str) -> None:
    async def run() -> None:
        database = await Database.connect(postgres_dsn)
        store = CorrectionWriter(database, database)
        await book(database, make_row("r", outcome=Outcome.UNCERTAIN, cost_nano=10**9))
        wanted = [Correction(request_id="r", cost_nano=5)]
        made = await asyncio.gather(
            *(store.correct(wanted, kind=CorrectionKind.MANUAL, reason="x", call=CALL) for _ in range(8))
        )
        assert sorted(str(each[0].row_id) for each in made) == ["None"] * 7 + ["r-c1"]
        rows = await fetch(database, 'SELECT sum(spend) AS spend FROM "LiteLLM_SpendLogs"')
        assert rows[0]["spend"] == Decimal("5E-9")
        await database.close()

    asyncio.run(run())


def test_rows_that_somebody_holds_for_long_are_said_to_be_busy(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "LOCK_TIMEOUT", "50ms")

    async def run() -> None:
        database = await Database.connect(postgres_dsn)
        await book(database, make_row("r"))
        async with database.connection() as connection, connection.transaction():
            await connection.execute('SELECT 1 FROM "LiteLLM_SpendLogs" FOR UPDATE')
            with pytest.raises(Overloaded):
                await CorrectionWriter(database, database).correct(
                    [Correction(request_id="r", cost_nano=5)],
                    kind=CorrectionKind.MANUAL,
                    reason="x",
                    call=CALL,
                )
        assert await total(database, "r") == usd(make_row("r").cost_nano)
        await database.close()

    asyncio.run(run())
