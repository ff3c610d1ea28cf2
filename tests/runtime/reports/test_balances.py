"""What was spent before a call is what its owner's rows before it come to, from days and rows together."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import asyncpg
import pytest

from runtime.books.insert import insert_rows
from runtime.postgres.database import Database
from runtime.postgres.partitions import ensure_partition, months_of
from runtime.reports import balances
from runtime.reports.balances import NO_SUMS, NO_TIME, OF_MODELS, BalanceReader
from runtime.reports.sums import ReportReader
from schema.call_budgets import BalanceBefore, BudgetOwner
from schema.ledger.rows import SpendRow
from schema.money import usd
from tests.runtime.attempts import make_row

FIRST = datetime(2026, 3, 30, 7, tzinfo=UTC)
ROWS = [
    make_row(
        f"req-{n:03}",
        started_at=FIRST + timedelta(hours=n // 2),
        cost_nano=n + 1,
        key_hash=f"key-{n % 2}",
        user_id=f"user-{n % 3}",
        team_id=f"team-{n % 2}",
        organization_id="acme" if n % 5 else None,
        end_user=f"eve-{n % 2}" if n % 3 else None,
        model_group=f"model-{n % 2}",
        tags=("prod",) if n % 4 else (),
    )
    for n in range(200)
]
CALL = ROWS[150]
OWNERS: Mapping[str, tuple[BudgetOwner, Callable[[SpendRow], bool]]] = {
    "key": (BudgetOwner(kind="key", id="key-0"), lambda row: row.key_hash == "key-0"),
    "user": (BudgetOwner(kind="user", id="user-0"), lambda row: row.user_id == "user-0"),
    "team": (BudgetOwner(kind="team", id="team-0"), lambda row: row.team_id == "team-0"),
    "member": (
        BudgetOwner(kind="member", id="team-0", part="user-0"),
        lambda row: (row.team_id, row.user_id) == ("team-0", "user-0"),
    ),
    "organization": (
        BudgetOwner(kind="organization", id="acme"),
        lambda row: row.organization_id == "acme",
    ),
    "customer": (BudgetOwner(kind="customer", id="eve-1"), lambda row: row.end_user == "eve-1"),
    "tag": (BudgetOwner(kind="tag", id="prod"), lambda row: "prod" in row.tags),
    "global": (BudgetOwner(kind="global"), lambda row: True),
    "of a model": (
        BudgetOwner(kind="team", id="team-0", model="model-0"),
        lambda row: (row.team_id, row.model_group) == ("team-0", "model-0"),
    ),
}
SINCE = (
    None,
    datetime(2026, 3, 31, tzinfo=UTC),
    datetime(2026, 3, 31, 22, tzinfo=UTC),
    CALL.started_at - timedelta(hours=2),
    CALL.started_at,
)


def before(dsn: str, owner: BudgetOwner, *since: datetime | None) -> list[BalanceBefore]:
    async def run() -> list[BalanceBefore]:
        connection = await asyncpg.connect(dsn)
        for month in months_of(ROWS):
            await ensure_partition(connection, month)
        await insert_rows(connection, ROWS)
        await connection.close()
        database = await Database.connect(dsn)
        try:
            reader = BalanceReader(database, ReportReader(database))
            return await reader.before(CALL, [(owner, each) for each in since])
        finally:
            await database.close()

    return asyncio.run(run())


@pytest.mark.parametrize("name", OWNERS)
def test_it_is_the_sum_of_the_rows_before(postgres_dsn: str, name: str) -> None:
    owner, owns = OWNERS[name]
    place = (CALL.started_at, CALL.request_id)
    for since, found in zip(SINCE, before(postgres_dsn, owner, *SINCE), strict=True):
        earlier = [
            row.cost_nano
            for row in ROWS
            if owns(row)
            and (row.started_at, row.request_id) < place
            and (since is None or row.started_at >= since)
        ]
        assert (found.spent, found.untold) == (usd(sum(earlier)), None), since


@pytest.mark.parametrize(
    ("owner", "why"),
    [
        (BudgetOwner(kind="project", id="p"), NO_SUMS),
        (BudgetOwner(kind="end_user"), NO_SUMS),
        (BudgetOwner(kind="team", id="team-0", model="openai/*"), OF_MODELS),
    ],
)
def test_what_no_sums_are_kept_for_is_said_so(postgres_dsn: str, owner: BudgetOwner, why: str) -> None:
    assert before(postgres_dsn, owner, None) == [BalanceBefore(spent=None, untold=why)]


def test_the_sums_of_all_budgets_share_one_limit_of_time(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def slow(self: object, *args: object) -> Decimal:
        await asyncio.sleep(60)
        return Decimal(0)

    monkeypatch.setattr(balances, "ALL_S", 0.2)
    monkeypatch.setattr(balances._EarlierSums, "_sum_of_days", slow)
    owner = BudgetOwner(kind="team", id="team-0")
    found = before(postgres_dsn, owner, CALL.started_at - timedelta(hours=2), None, *SINCE[1:3])
    assert [each.untold for each in found] == [None, NO_TIME, NO_TIME, NO_TIME]


def test_a_sum_that_several_budgets_need_is_made_once(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    within = balances._EarlierSums._within

    async def counted(
        self: balances._EarlierSums, sql: str, values: Sequence[object]
    ) -> asyncpg.Record | None:
        made.append(sql)
        return await within(self, sql, values)

    monkeypatch.setattr(balances._EarlierSums, "_within", counted)
    owner = BudgetOwner(kind="team", id="team-0")
    first, second, third = before(postgres_dsn, owner, None, None, datetime(2026, 3, 31, tzinfo=UTC))
    assert first == second
    assert third.spent is not None
    assert len(made) == 1
