"""Leases in Postgres, as one worker sees them."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC
from pathlib import Path
from typing import TypeVar

import asyncpg
import msgspec
import pytest

from runtime.corrections.writer import CorrectionWriter
from runtime.limits.leases import Leases
from runtime.limits.rules import Level
from runtime.limits.slices import Need, Slice
from runtime.postgres.database import Database
from schema.corrections import Correction, CorrectionKind
from schema.ledger.rows import Charge, Outcome, SpendRow
from schema.limits import Holder, Meter, Rule
from schema.money import usd
from tests.conftest import execute
from tests.functions.booked import OWNERS, book, fetch
from tests.functions.contexts import ADMIN, make_call
from tests.runtime.attempts import make_row

T = TypeVar("T")
CENT = 10**7
EVERYTHING = Rule(
    account="money:global",
    meter=Meter.MONEY,
    who="proxy",
    subject="everything",
    limit=100 * CENT,
    duration="1d",
)


def with_leases(dsn: str, scenario: Callable[[Database, Leases], Awaitable[T]]) -> T:
    async def run() -> T:
        database = await Database.connect(dsn)
        try:
            leases = Leases(database, UTC)
            await leases.beat()
            return await scenario(database, leases)
        finally:
            await database.close()

    return asyncio.run(run())


async def leased(leases: Leases, rule: Rule, amount: int) -> Slice:
    """A slice that is to be had."""
    (found,), _ = await leases.lease([Need(rule, amount)], leases.now_s)
    return found


async def account(database: Database, rule: Rule) -> asyncpg.Record:
    (row,) = await fetch(database, 'SELECT * FROM "Switchgear_Account" WHERE account = $1', rule.account)
    return row


def charged_to(held: Slice, request_id: str, nano: int) -> SpendRow:
    """A call that nobody knows the end of, under one budget."""
    charge = Charge(held.rule.account, held.epoch, held.worker, nano, nano, "", "", "")
    return make_row(request_id, cost_nano=nano, charges=(charge,), outcome=Outcome.UNCERTAIN, estimated=True)


def test_what_belongs_to_an_account_that_was_tidied_away_is_nothing_to_the_one_made_anew(
    postgres_dsn: str,
) -> None:
    async def scenario(database: Database, leases: Leases) -> None:
        yesterday = await leased(leases, EVERYTHING, 10 * CENT)
        await book(database, charged_to(yesterday, "req-1", 10 * CENT))
        assert (await account(database, EVERYTHING))["spent"] == 10 * CENT
        await fetch(database, """UPDATE "Switchgear_Account" SET window_end = now() - interval '2 h'""")
        await fetch(database, 'DELETE FROM "Switchgear_Lease"')
        await leases.tidy()
        assert await fetch(database, 'SELECT account FROM "Switchgear_Account"') == []
        today = await leased(leases, EVERYTHING, 10 * CENT)
        await book(database, charged_to(yesterday, "late", 5 * CENT), charged_to(today, "now", 2 * CENT))
        await CorrectionWriter(database, database).correct(
            [Correction(request_id="req-1", cost_nano=50 * CENT)],
            kind=CorrectionKind.MANUAL,
            reason="the bill",
            call=make_call(ADMIN),
        )
        assert (await account(database, EVERYTHING))["spent"] == 2 * CENT

    with_leases(postgres_dsn, scenario)


ODD = "a:b/ü +50%_c"
"""An id that an account's name has in quotes."""
MORE_OWNERS = (
    """INSERT INTO "LiteLLM_ProjectTable" (project_id, team_id) VALUES ('alpha', 'red')""",
    """INSERT INTO "LiteLLM_TagTable" (tag_name) VALUES ('nightly')""",
    f"""INSERT INTO "LiteLLM_EndUserTable" (user_id) VALUES ('{ODD}')""",
    f"""INSERT INTO "LiteLLM_TeamTable" (team_id) VALUES ('{ODD}')""",
    f"""INSERT INTO "LiteLLM_TeamMembership" (team_id, user_id) VALUES ('{ODD}', 'alice')""",
)
LIVING = (
    *(("key", "a" * 64, ""), ("team", "red", ""), ("user", "alice", ""), ("organization", "acme", "")),
    *(("member", "red", "alice"), ("customer", "carl", ""), ("project", "alpha", ""), ("tag", "nightly", "")),
    *(("customer", ODD, ""), ("team", ODD, ""), ("member", ODD, "alice")),
)
GONE = (
    *((kind, id, "") for kind, _, part in LIVING[:8] if not part for id in ("gone-1", f"{ODD}-1")),
    *(("member", "red", "gone-1"), ("member", "gone-1", "alice"), ("member", "red", ODD)),
    *(("end_user", "carl", "b"), ("customer", "nobody\0", "")),
)
"""Owners that were deleted, and customers that nobody entered. `OWNERS` and `MORE_OWNERS` have the others."""
UNFOUND = ("customer", "nobody\0", "")
"""No text of Postgres is this id: nobody looks for it."""


def test_the_slots_of_who_was_deleted_are_tidied_away_once_they_are_free(postgres_dsn: str) -> None:
    def slots(kind: str, id: str, part: str) -> Rule:
        name = Level(kind=kind, who=kind, subject=id, id=id, part=part).account
        return Rule(account=f"parallel:{name}", meter=Meter.PARALLEL, who=kind, subject=name, limit=5)

    async def there(database: Database) -> set[str]:
        return {row["account"] for row in await fetch(database, 'SELECT account FROM "Switchgear_Account"')}

    async def scenario(database: Database, leases: Leases) -> None:
        for statement in (*OWNERS, *MORE_OWNERS):
            await fetch(database, statement)
        living, gone = [slots(*each) for each in LIVING], [slots(*each) for each in GONE]
        everything = {rule.account for rule in (*living, *gone)}
        assert len(everything) == len(LIVING) + len(GONE)
        for rule in (*living, *gone):
            await leased(leases, rule, 1)
        await leases.tidy()
        assert await there(database) == everything, "calls hold them"
        await fetch(database, 'DELETE FROM "Switchgear_Lease"')
        await leases.tidy()
        assert await there(database) == everything, "they count as taken"
        await fetch(database, 'UPDATE "Switchgear_Account" SET leased = 0')
        await leases.tidy()
        assert await there(database) == {rule.account for rule in (*living, slots(*UNFOUND))}

    with_leases(postgres_dsn, scenario)


def test_an_account_that_is_tidied_away_while_a_lease_waits_is_made_anew(postgres_dsn: str) -> None:
    """The lease waits for another account of its call. What it had found of this one is gone by then."""
    hot, idle = (
        Rule(account=f"parallel:{name}", meter=Meter.PARALLEL, who="c", subject="s", limit=5)
        for name in ("customer:a-hot", "end_user:carl:b")
    )
    lock = 'SELECT 1 FROM "Switchgear_Account" WHERE account = $1 FOR UPDATE'

    async def scenario(database: Database, leases: Leases) -> None:
        for rule in (hot, idle):
            await leased(leases, rule, 1)
        await fetch(database, 'DELETE FROM "Switchgear_Lease"')
        await fetch(database, 'UPDATE "Switchgear_Account" SET leased = 0')
        async with database.connection() as held, held.transaction():
            await held.execute(lock, hot.account)
            asked = asyncio.create_task(leases.lease([Need(hot, 1), Need(idle, 1)], leases.now_s))
            while not await database.pool.fetchval(WAITING_FOR_A_LOCK, "lease"):  # noqa: ASYNC110  (Postgres tells nobody)
                await asyncio.sleep(0.01)
            await leases.tidy()
            assert (
                await fetch(database, 'SELECT 1 FROM "Switchgear_Account" WHERE account = $1', idle.account)
                == []
            )
        granted, short = await asked
        assert ({each.rule for each in granted}, short) == ({hot, idle}, [])
        assert (await account(database, idle))["leased"] == 1

    with_leases(postgres_dsn, scenario)


def test_what_can_not_be_deleted_keeps_nothing_else_from_it(
    postgres_dsn: str, caplog: pytest.LogCaptureFixture
) -> None:
    unreadable = "parallel:customer:%FF"

    async def scenario(database: Database, leases: Leases) -> None:
        await fetch(
            database,
            'INSERT INTO "Switchgear_Account" (account, kind, object_id, part) VALUES ($1, $2, $2, $2)',
            unreadable,
            "",
        )
        gone = Rule(account="parallel:end_user:carl:b", meter=Meter.PARALLEL, who="c", subject="s", limit=5)
        await leased(leases, gone, 1)
        await fetch(database, 'DELETE FROM "Switchgear_Lease"')
        await fetch(database, 'UPDATE "Switchgear_Account" SET leased = 0')
        await leases.tidy()
        left = await fetch(database, 'SELECT account FROM "Switchgear_Account"')
        assert [row["account"] for row in left] == [unreadable]

    with_leases(postgres_dsn, scenario)
    assert "could not be deleted" in caplog.text


def test_no_account_has_an_epoch_twice_however_it_is_made_or_begins_anew(postgres_dsn: str) -> None:
    async def scenario(database: Database, leases: Leases) -> None:
        epochs: list[int] = []
        for _ in range(3):
            for _ in range(3):
                epochs.append((await leased(leases, EVERYTHING, 1)).epoch)
                await fetch(database, 'UPDATE "Switchgear_Account" SET window_end = now()')
            await fetch(database, 'DELETE FROM "Switchgear_Account"')
        for _ in range(2):
            rows: Sequence[asyncpg.Record] = await fetch(
                database,
                """INSERT INTO "Switchgear_Account" (account) VALUES ('money:global') RETURNING epoch""",
            )
            epochs.append(rows[0]["epoch"])
            await fetch(database, 'DELETE FROM "Switchgear_Account"')
        assert sorted(set(epochs)) == epochs

    with_leases(postgres_dsn, scenario)


@pytest.mark.parametrize(("reset", "left"), [(False, 13 * CENT), (True, 0)])
def test_what_was_written_off_and_not_booked_is_given_back_with_the_journal(
    postgres_dsn: str, reset: bool, left: int
) -> None:
    """Of a budget with an account of its own, and of one whose money stands with a team."""
    execute(postgres_dsn, *OWNERS)
    red = msgspec.structs.replace(
        EVERYTHING, account="money:team:red", holder=Holder("team", "red"), duration=None
    )

    async def scenario(database: Database, leases: Leases) -> None:
        held, _ = await leases.lease([Need(EVERYTHING, 60 * CENT), Need(red, 60 * CENT)], leases.now_s)
        await fetch(database, "UPDATE \"Switchgear_Account\" SET spent = $1 WHERE kind = ''", 3 * CENT)
        await fetch(database, 'UPDATE "LiteLLM_TeamTable" SET spend = $1', usd(3 * CENT))
        await fetch(database, """UPDATE "Switchgear_Worker" SET seen_at = now() - interval '2 h'""")
        assert len(await leases.give_up(3600)) == 2
        assert await money(database) == [63 * CENT] * 2
        if reset:
            await fetch(database, 'UPDATE "Switchgear_Account" SET spent = 0')
            await fetch(database, 'UPDATE "LiteLLM_TeamTable" SET spend = 0')
        charges = tuple(
            Charge(
                each.rule.account,
                each.epoch,
                each.worker,
                10 * CENT,
                10 * CENT,
                each.rule.holder.kind,
                each.rule.holder.object_id,
                "",
            )
            for each in held
        )
        await book(database, make_row(cost_nano=10 * CENT, charges=charges))
        await database.pool.execute("SELECT switchgear_leave($1)", leases.worker)
        assert await money(database) == [left] * 2
        assert await fetch(database, 'SELECT * FROM "Switchgear_Lease"') == []

    with_leases(postgres_dsn, scenario)


def test_the_ledgers_page_frees_what_a_worker_held_whose_journal_is_put_aside(postgres_dsn: str) -> None:
    """With the SQL that it shows, all of which runs."""
    text = (Path(__file__).parents[3] / "docs" / "ledger.md").read_text()
    blocks = re.findall(r"^```sql\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)

    async def scenario(database: Database, leases: Leases) -> None:
        await leased(leases, EVERYTHING, 60 * CENT)
        await fetch(database, """UPDATE "Switchgear_Worker" SET seen_at = now() - interval '1 h'""")
        assert any("switchgear_leave" in block for block in blocks)
        for block in blocks:
            await database.pool.execute(block.replace("<worker>", leases.worker))
        assert (await account(database, EVERYTHING))["leased"] == 0

    with_leases(postgres_dsn, scenario)


async def money(database: Database) -> list[int]:
    """What everything and team red spent, in nano-USD."""
    (team,) = await fetch(database, 'SELECT spend FROM "LiteLLM_TeamTable"')
    return [(await account(database, EVERYTHING))["spent"], int(team["spend"] * 10**9)]


def test_the_books_give_way_where_they_lock_out_of_order(postgres_dsn: str) -> None:
    """They settle and then sign a worker off; another returns both accounts meanwhile."""
    first = msgspec.structs.replace(EVERYTHING, account="money:a", duration=None)
    second = msgspec.structs.replace(first, account="money:z")

    async def scenario(database: Database, leases: Leases) -> None:
        dead = Leases(database, UTC)
        await dead.beat()
        slices, _ = await dead.lease([Need(first, 10 * CENT), Need(second, 10 * CENT)], dead.now_s)
        held = next(each for each in slices if each.rule is second)
        mine, _ = await leases.lease([Need(first, CENT), Need(second, CENT)], leases.now_s)
        async with database.connection() as books:
            transaction = books.transaction()
            await transaction.start()
            await books.execute(
                "SELECT switchgear_settle($1, $2, $3, $4, $4)",
                [second.account],
                [held.epoch],
                [dead.worker],
                [CENT],
            )
            returning = asyncio.create_task(leases.give_back([(each, each.free) for each in mine]))
            while not await database.pool.fetchval(WAITING_FOR_A_LOCK, "return"):  # noqa: ASYNC110  (another process)
                await asyncio.sleep(0.01)
            with pytest.raises(asyncpg.LockNotAvailableError):
                await books.execute("SELECT switchgear_leave($1)", dead.worker)
            await transaction.rollback()
            assert await returning == []
            await books.execute("SELECT switchgear_leave($1)", dead.worker)
        assert [(await account(database, each))["leased"] for each in (first, second)] == [0, 0]

    with_leases(postgres_dsn, scenario)


def test_a_server_of_an_earlier_version_still_books_and_hears_what_it_must_not_add(postgres_dsn: str) -> None:
    settle = "SELECT * FROM switchgear_settle($1, $2, $3, $4, $4)"

    async def scenario(database: Database, leases: Leases) -> None:
        held = await leased(leases, EVERYTHING, 10 * CENT)
        name, worker = [EVERYTHING.account], [leases.worker]
        assert await fetch(database, settle, name, [held.epoch], worker, [3 * CENT]) == []
        (over,) = await fetch(database, settle, name, [held.epoch - 1], worker, [2 * CENT])
        assert tuple(over) == (EVERYTHING.account, 2 * CENT)
        assert (await account(database, EVERYTHING))["spent"] == 3 * CENT

    with_leases(postgres_dsn, scenario)


WAITING_FOR_A_LOCK = """SELECT count(*) > 0 FROM pg_stat_activity
    WHERE wait_event_type = 'Lock' AND datname = current_database()
        AND query LIKE '%switchgear_' || $1 || '%'"""
