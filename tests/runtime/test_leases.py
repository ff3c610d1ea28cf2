"""Leases in Postgres, as one worker sees them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC
from typing import TypeVar

import asyncpg

from runtime.corrections import Corrections
from runtime.database import Database
from runtime.leases import Leases
from runtime.slices import Need, Slice
from schema.corrections import Correction, Kind
from schema.limits import Meter, Rule
from schema.spend import Charge, Outcome, SpendRow
from tests.functions.booked import book, fetch
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
        await Corrections(database).correct(
            [Correction(request_id="req-1", cost_nano=50 * CENT)],
            kind=Kind.MANUAL,
            reason="the bill",
            call=make_call(ADMIN),
        )
        assert (await account(database, EVERYTHING))["spent"] == 2 * CENT

    with_leases(postgres_dsn, scenario)


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
