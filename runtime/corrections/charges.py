"""Charges corrections to the counters and accounts to which the corrected row was charged.

A window that is over is not changed: only the window under way counts against a budget. No sum falls below
zero: a counter may have been reset meanwhile.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import asyncpg
import msgspec

from runtime.books.counters import COUNTERS, CounterId, CounterSums, OwnersOfRow, add_to, owners_of
from runtime.limits.rules import Level
from schema.tables import aware


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What one correction adds to the charges of a row."""

    nano: int
    """In nano-USD. It is below zero where the row cost less than was booked."""
    started_at: datetime
    holders: tuple[CounterId, ...]
    charged: dict[str, int]
    """The accounts that themselves say how much was spent, each with its epoch when the row was booked."""

    @classmethod
    def of(cls, row: Mapping[str, object], nano: int) -> "Difference":
        """The difference for a row of the ledger, as Postgres has it."""
        started, charged = row["startTime"], row["charged"]
        assert isinstance(started, datetime)
        return cls(
            nano=nano,
            started_at=aware(started),
            holders=tuple(_holders(row)),
            charged=msgspec.json.decode(charged, type=dict[str, int]) if isinstance(charged, str) else {},
        )


def _holders(row: Mapping[str, object]) -> list[CounterId]:
    """The holders to whose counters booking added the row's cost."""
    tags = row["request_tags"]

    def named(*columns: str) -> str | None:
        return next((str(row[column]) for column in columns if row[column]), None)

    return owners_of(
        OwnersOfRow(
            organization=named("organization_id"),
            team=named("team_id"),
            user=named("user"),
            key=named("key_id", "api_key"),
            customer=named("end_user"),
            project=named("project_id"),
            tags=msgspec.json.decode(tags, type=tuple[str, ...]) if isinstance(tags, str) else (),
        )
    )


def account_of(holder: CounterId) -> str:
    """The account of a holder's main budget."""
    kind, id, part = holder
    return f"money:{Level(kind=kind, who='', subject='', id=id, part=part).account}"


async def charge(connection: asyncpg.Connection, differences: Sequence[Difference]) -> None:
    """Charge these differences. This must run in the transaction that inserted the correction rows, after
    them."""
    if not differences:
        return
    names = {account_of(holder) for each in differences for holder in each.holders}
    names |= {name for each in differences for name in each.charged}
    accounts = await connection.fetch(
        'SELECT account, window_start FROM "Switchgear_Account" WHERE account = ANY($1::text[])'
        " ORDER BY account FOR UPDATE",
        sorted(names),
    )
    await _charge_accounts(connection, differences)
    began = {row["account"]: row["window_start"] for row in accounts if row["window_start"] is not None}
    sums = summed(differences, began)
    for counter in COUNTERS:
        if counter.kind in sums:
            sql = counter.update("greatest(0, {} + {})")
            await add_to(connection, counter, sums[counter.kind], sql)


def summed(differences: Iterable[Difference], began: Mapping[str, datetime]) -> dict[str, CounterSums]:
    """What to add to each counter, by kind of holder. `began` says when the window under way of each account
    began."""
    sums: dict[str, CounterSums] = {}
    for each in differences:
        for holder in each.holders:
            kind, *key = holder
            start = began.get(account_of(holder))
            present = start is None or each.started_at >= start
            of_kind = sums.setdefault(kind, {})
            window, ever = of_kind.get((key[0], key[1]), (0, 0))
            of_kind[key[0], key[1]] = (window + (each.nano if present else 0), ever + each.nano)
    return sums


async def _charge_accounts(connection: asyncpg.Connection, differences: Sequence[Difference]) -> None:
    sums: dict[tuple[str, int], int] = {}
    for each in differences:
        for account, epoch in each.charged.items():
            sums[account, epoch] = sums.get((account, epoch), 0) + each.nano
    if sums:
        ordered = sorted(sums)
        await connection.execute(
            'UPDATE "Switchgear_Account" a SET spent = greatest(0, a.spent + c.nano)'
            " FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS c(account, epoch, nano)"
            " WHERE a.account = c.account AND a.epoch = c.epoch",
            [account for account, _ in ordered],
            [epoch for _, epoch in ordered],
            [sums[key] for key in ordered],
        )
