"""What rows add to the counters of their owners."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal

import asyncpg
import pytest

from runtime.books.insert import insert_rows
from runtime.postgres.database import Database
from runtime.postgres.partitions import ensure_partition
from schema.alerts import AlertKind
from schema.ledger.rows import Charge
from tests.conftest import execute
from tests.functions.booked import OWNERS, book, fetch
from tests.runtime.attempts import make_row

USD = 10**9
MEMBER = "money:member:red:alice"


@pytest.mark.parametrize(("epoch", "spend"), [(0, 0), (1, 2)])
def test_what_a_member_spent_for_ever_has_the_windows_that_are_over(
    postgres_dsn: str, epoch: int, spend: int
) -> None:
    execute(
        postgres_dsn,
        *OWNERS,
        f"""INSERT INTO "Switchgear_Account" (account, kind, object_id, part, epoch)
            VALUES ('{MEMBER}', 'member', 'red', 'alice', 1)""",
    )
    charge = Charge(MEMBER, epoch, "w", 2 * USD, 2 * USD, "member", "red", "alice")

    async def run() -> None:
        database = await Database.connect(postgres_dsn)
        await book(database, make_row(cost_nano=2 * USD, charges=(charge,)))
        (member,) = await fetch(database, 'SELECT spend, total_spend FROM "LiteLLM_TeamMembership"')
        assert (member["spend"], member["total_spend"]) == (Decimal(spend), Decimal(2))
        await database.close()

    asyncio.run(run())


@pytest.mark.parametrize("began", [None, datetime(2026, 11, 29, tzinfo=UTC)])
def test_a_budget_that_is_crossed_has_its_window(postgres_dsn: str, began: datetime | None) -> None:
    account = "money:team:red"
    execute(
        postgres_dsn,
        *OWNERS,
        """UPDATE "LiteLLM_TeamTable" SET max_budget = 1 WHERE team_id = 'red'""",
        f"""INSERT INTO "Switchgear_Account" (account, kind, object_id, part, epoch, window_start)
            VALUES ('{account}', 'team', 'red', '', 1, {"NULL" if began is None else f"'{began}'"})""",
    )
    charge = Charge(account, 1, "w", 2 * USD, 2 * USD, "team", "red", "")

    async def run() -> None:
        connection = await asyncpg.connect(postgres_dsn)
        row = make_row(cost_nano=2 * USD, charges=(charge,), team_id="red")
        await ensure_partition(connection, row.started_at.date())
        (crossed,) = await insert_rows(connection, [row])
        assert (crossed.kind, crossed.budget.object, crossed.since) == (
            AlertKind.BUDGET_REACHED,
            "team:red",
            began,
        )
        await connection.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("holder", "table", "where"),
    [
        ("team:red", "LiteLLM_TeamTable", "team_id = 'red'"),
        ("user:alice", "LiteLLM_UserTable", "user_id = 'alice'"),
    ],
)
@pytest.mark.parametrize(
    ("metadata", "kind"),
    [
        ('{"temp_budget_increase": 2, "temp_budget_expiry": "2999-01-01T00:00:00Z"}', None),
        ('{"temp_budget_increase": 0.3, "temp_budget_expiry": "2999-01-01T00:00:00Z"}', AlertKind.BUDGET_85),
        (
            '{"temp_budget_increase": 2, "temp_budget_expiry": "2001-01-01T00:00:00Z"}',
            AlertKind.BUDGET_REACHED,
        ),
        ('{"temp_budget_increase": "much", "temp_budget_expiry": "soon"}', AlertKind.BUDGET_REACHED),
        ('{"temp_budget_increase": "NaN", "temp_budget_expiry": "2999-01-01"}', AlertKind.BUDGET_REACHED),
        ("[]", AlertKind.BUDGET_REACHED),
    ],
)
def test_a_temporary_increase_counts_while_it_runs(
    postgres_dsn: str, holder: str, table: str, where: str, metadata: str, kind: AlertKind | None
) -> None:
    execute(
        postgres_dsn,
        *OWNERS,
        f"""UPDATE "{table}" SET max_budget = 1, metadata = '{metadata}' WHERE {where}""",
    )

    async def run() -> None:
        connection = await asyncpg.connect(postgres_dsn)
        row = make_row(cost_nano=6 * USD // 5, team_id="red", user_id="alice")
        await ensure_partition(connection, row.started_at.date())
        crossed = await insert_rows(connection, [row])
        found = [each.kind for each in crossed if each.budget.object == holder]
        assert found == ([] if kind is None else [kind])
        await connection.close()

    asyncio.run(run())
