"""Puts spend rows into Postgres. A batch needs one statement for its rows. Its costs are taken out of leases,
and are added to the counters of keys, users, teams, members, organizations and customers, and to the
rollups."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import asyncpg

from runtime.books import rollups
from runtime.books.account_charges import charge_accounts, crossed_in, now_called, with_windows
from runtime.books.counters import COUNTERS, Counter, CounterSums, OwnersOfRow, add_to, owners_of
from runtime.books.crossings import (
    NO_CUSTOMER_BUDGET,
    Crossed,
    CustomerBudget,
    NamedBudget,
    crossings,
    holder_of,
    increase_at,
)
from runtime.books.strangers import enter_strangers
from schema.ledger.columns import COLUMNS, SpendColumn
from schema.ledger.rows import SpendRow
from schema.tables import naive
from schema.wire import to_json

COLUMN_NAMES = tuple(column.name for column in COLUMNS)
_NAMES = ", ".join(f'"{name}"' for name in COLUMN_NAMES)
_ARRAYS = ", ".join(f"${place}::{column.sql_type}[]" for place, column in enumerate(COLUMNS, 1))
_INSERT = (
    f'INSERT INTO "LiteLLM_SpendLogs" ({_NAMES}) SELECT * FROM unnest({_ARRAYS})'
    ' ON CONFLICT (request_id, "startTime") DO NOTHING RETURNING request_id'
)


def _json(value: object) -> str:
    return to_json(value).decode()


WRITE: Mapping[str, Callable[[Any], object]] = MappingProxyType({"timestamp": naive, "jsonb": _json})
"""How a value is changed before it goes into a column of this SQL type. (`Any`: each type takes other
values.)"""


async def insert_rows(
    connection: asyncpg.Connection,
    rows: Sequence[SpendRow],
    customer_budget: CustomerBudget = NO_CUSTOMER_BUDGET,
) -> list[Crossed]:
    """Book rows in a transaction of their own. A row that was booked before changes nothing. Gives the
    thresholds that were crossed."""
    async with connection.transaction():
        return await book_rows(connection, rows, may_be_there=True, customer_budget=customer_budget)


async def book_rows(
    connection: asyncpg.Connection,
    rows: Sequence[SpendRow],
    *,
    may_be_there: bool,
    customer_budget: CustomerBudget = NO_CUSTOMER_BUDGET,
) -> list[Crossed]:
    """Book rows in the transaction under way: insert the rows, take their costs out of leases, add them to
    the counters and the rollups. Gives the thresholds that were crossed. With `may_be_there`, a row that was
    booked before changes nothing; without it, such a row raises UniqueViolationError."""
    if not rows:
        return []
    await connection.execute("SELECT set_config('switchgear.bookkeeping', 'on', true)")
    values = stored(rows)
    if may_be_there:
        new = {found["request_id"] for found in await connection.fetch(_INSERT, *values)}
        rows = [row for row in rows if row.request_id in new]
    else:
        await connection.copy_records_to_table(
            "LiteLLM_SpendLogs", records=zip(*values, strict=True), columns=COLUMN_NAMES
        )
    sums = _sums(rows)
    charges = [charge for row in rows for charge in row.charges]
    await enter_strangers(connection, rows, {now_called(charge.account) for charge in charges})
    standings = await charge_accounts(connection, charges, customer_budget)
    for each in standings:
        kind, id, part = each.holder
        if (id, part) in sums.get(kind, {}):
            window, ever = sums[kind][id, part]
            sums[kind][id, part] = (window - each.unbooked, ever)
    crossed: list[Crossed] = []
    for counter in COUNTERS:
        if sums.get(counter.kind):
            crossed += await _charge(connection, counter, sums[counter.kind], customer_budget)
    await rollups.add(connection, rows)
    if crossed:
        crossed = await with_windows(connection, crossed, charges)
    return crossed + [each for standing in standings for each in crossed_in(standing)]


async def _charge(
    connection: asyncpg.Connection, counter: Counter, sums: CounterSums, customer_budget: CustomerBudget
) -> list[Crossed]:
    """Add the sums to one counter. Gives the thresholds that were crossed."""
    sql = counter.update("{} + {}", ", (SELECT $5::text AS budget_id, $6::numeric AS max_budget) AS others")
    sql += (
        f" RETURNING added.id, added.part, added.now, charged.spend, {counter.soft} AS soft_budget,"
        f" {counter.most} AS max_budget, {counter.increase} AS increase, {counter.expiry} AS expiry"
    )
    budget = customer_budget
    rows = await add_to(connection, counter, sums, sql, budget.budget_id, budget.max_budget)
    return [each for row in rows for each in _crossed(counter, row)]


def _crossed(counter: Counter, row: asyncpg.Record) -> Iterator[Crossed]:
    limit = row["max_budget"]
    if limit is not None:
        limit += increase_at(time.time(), row["increase"], row["expiry"])
    yield from crossings(
        NamedBudget(holder=holder_of(counter.kind, row["id"], row["part"])),
        before=row["spend"] - row["now"],
        after=row["spend"],
        soft=row["soft_budget"],
        limit=limit,
        since=None,
    )


def _sums(booked: Iterable[SpendRow]) -> dict[str, CounterSums]:
    """What to add to the counters, by kind of holder. Rows that cost nothing change no counter."""
    costs: dict[OwnersOfRow, int] = {}
    for row in booked:
        if row.cost_nano:
            held_by = OwnersOfRow(
                organization=row.organization_id,
                team=row.team_id,
                user=row.user_id,
                key=row.key_id or row.key_hash,
                customer=row.end_user,
                project=row.project_id,
                tags=row.tags,
            )
            costs[held_by] = costs.get(held_by, 0) + row.cost_nano
    sums: dict[str, CounterSums] = {}
    for held_by, cost_nano in costs.items():
        for kind, id, part in owners_of(held_by):
            of_kind = sums.setdefault(kind, {})
            window, ever = of_kind.get((id, part), (0, 0))
            of_kind[id, part] = (window + cost_nano, ever + cost_nano)
    return sums


def stored(rows: Sequence[SpendRow]) -> list[list[object]]:
    """The values of the rows as Postgres takes them, one list for each of COLUMNS."""
    return [_stored(column, list(map(column.get, rows))) for column in COLUMNS]


def _stored(column: SpendColumn, values: list[Any]) -> list[object]:
    """The values of one column, each in the form that the column's SQL type needs."""
    write = WRITE.get(column.sql_type)
    return values if write is None else [None if value is None else write(value) for value in values]
