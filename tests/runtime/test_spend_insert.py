"""What rows add to the counters of their owners."""

import asyncio
from decimal import Decimal

import pytest

from runtime.database import Database
from schema.spend import Charge
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
