"""Spend rows into Postgres: one statement a batch, with what they take out of leases and add to the
counters of keys, users, teams, members, organizations and customers, and to the daily sums."""

import time
from collections.abc import Iterable, Iterator, Sequence

import asyncpg
import msgspec

from runtime.books import rollups
from runtime.books.account_charges import charge_accounts, crossed_in, with_windows
from runtime.books.counters import COUNTERS, Counter, Sums, add_to, owners_of
from runtime.books.crossings import (
    NO_CUSTOMER_BUDGET,
    Crossed,
    CustomerBudget,
    Named,
    crossings,
    holder_of,
    increase_at,
)
from schema.ledger.rows import Outcome, SpendRow
from schema.money import usd
from schema.spend import metadata_of
from schema.tables import naive
from schema.wire import to_json

COLUMNS: tuple[tuple[str, str], ...] = (
    ("request_id", "text"),
    ("call_type", "text"),
    ("api_key", "text"),
    ("spend", "numeric"),
    ("total_tokens", "bigint"),
    ("prompt_tokens", "bigint"),
    ("completion_tokens", "bigint"),
    ("startTime", "timestamp"),
    ("endTime", "timestamp"),
    ("request_duration_ms", "bigint"),
    ("completionStartTime", "timestamp"),
    ("model", "text"),
    ("model_id", "text"),
    ("model_group", "text"),
    ("custom_llm_provider", "text"),
    ("api_base", "text"),
    ("user", "text"),
    ("metadata", "jsonb"),
    ("team_id", "text"),
    ("organization_id", "text"),
    ("end_user", "text"),
    ("requester_ip_address", "text"),
    ("status", "text"),
    ("litellm_call_id", "text"),
    ("key_alias", "text"),
    ("user_agent", "text"),
    ("outcome", "text"),
    ("http_status", "integer"),
    ("error_class", "text"),
    ("error_message", "text"),
    ("estimated", "boolean"),
    ("cached_tokens", "bigint"),
    ("cache_write_tokens", "bigint"),
    ("reasoning_tokens", "bigint"),
    ("ttft_ms", "bigint"),
    ("streamed", "boolean"),
    ("price_source", "text"),
    ("price_version", "text"),
    ("price_effective", "date"),
    ("service_tier", "text"),
    ("key_id", "text"),
    ("charged", "jsonb"),
    ("request_tags", "jsonb"),
    ("session_id", "text"),
)
"""In the order of `_values`."""

_COLUMN_NAMES = tuple(name for name, _ in COLUMNS)
_NAMES = ", ".join(f'"{name}"' for name, _ in COLUMNS)
_ARRAYS = ", ".join(f"${place}::{kind}[]" for place, (_, kind) in enumerate(COLUMNS, 1))
_INSERT = (
    f'INSERT INTO "LiteLLM_SpendLogs" ({_NAMES}) SELECT * FROM unnest({_ARRAYS})'
    ' ON CONFLICT (request_id, "startTime") DO NOTHING RETURNING request_id'
)


async def insert_rows(
    connection: asyncpg.Connection,
    rows: Sequence[SpendRow],
    customer_budget: CustomerBudget = NO_CUSTOMER_BUDGET,
) -> list[Crossed]:
    """Book rows in a transaction of their own; those that are there already change nothing."""
    async with connection.transaction():
        return await book_rows(connection, rows, may_be_there=True, customer_budget=customer_budget)


async def book_rows(
    connection: asyncpg.Connection,
    rows: Sequence[SpendRow],
    *,
    may_be_there: bool,
    customer_budget: CustomerBudget = NO_CUSTOMER_BUDGET,
) -> list[Crossed]:
    """Book rows in the transaction under way: the rows, what they take out of leases, the counters. Gives
    the thresholds that were crossed. Only what was inserted counts: a row that is there already
    changes nothing, or raises UniqueViolationError where none `may_be_there`."""
    if not rows:
        return []
    await connection.execute("SELECT set_config('switchgear.bookkeeping', 'on', true)")
    values = [_values(row) for row in rows]
    if may_be_there:
        new = {found["request_id"] for found in await connection.fetch(_INSERT, *zip(*values, strict=True))}
        rows = [row for row in rows if row.request_id in new]
    else:
        await connection.copy_records_to_table("LiteLLM_SpendLogs", records=values, columns=_COLUMN_NAMES)
    sums = _sums(rows)
    charges = [charge for row in rows for charge in row.charges]
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
    connection: asyncpg.Connection, counter: Counter, sums: Sums, customer_budget: CustomerBudget
) -> list[Crossed]:
    """Add to the counters. Gives the thresholds that were crossed."""
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
        Named(holder=holder_of(counter.kind, row["id"], row["part"])),
        before=row["spend"] - row["now"],
        after=row["spend"],
        soft=row["soft_budget"],
        limit=limit,
        since=None,
    )


def _sums(booked: Iterable[SpendRow]) -> dict[str, Sums]:
    """What each owes, by kind; calls that cost nothing touch no counter."""
    sums: dict[str, Sums] = {}
    for row in booked:
        if not row.cost_nano:
            continue
        key = row.key_id or row.key_hash
        owners = owners_of(row.organization_id, row.team_id, row.user_id, key, row.end_user)
        for kind, id, part in owners:
            of_kind = sums.setdefault(kind, {})
            window, ever = of_kind.get((id, part), (0, 0))
            of_kind[id, part] = (window + row.cost_nano, ever + row.cost_nano)
    return sums


def _values(row: SpendRow) -> tuple[object, ...]:
    first = row.first_token_at
    return (
        row.request_id,
        row.call_type,
        row.key_hash,
        usd(row.cost_nano),
        row.prompt_tokens + row.completion_tokens,
        row.prompt_tokens,
        row.completion_tokens,
        naive(row.started_at),
        naive(row.ended_at),
        row.duration_ms,
        None if first is None else naive(first),
        row.model,
        row.model_id,
        row.model_group,
        row.provider,
        row.api_base,
        row.user_id,
        to_json(metadata_of(row)).decode(),
        row.team_id,
        row.organization_id,
        row.end_user,
        row.requester_ip,
        "success" if row.outcome is Outcome.OK else "failure",
        row.call_id,
        row.key_alias,
        row.user_agent,
        row.outcome.value,
        row.http_status,
        row.error_class,
        row.error_message,
        row.estimated,
        row.cached_tokens,
        row.cache_write_tokens,
        row.reasoning_tokens,
        None if first is None else int((first - row.started_at).total_seconds() * 1000),
        row.streamed,
        row.price_source,
        row.price_version,
        row.price_effective,
        row.service_tier,
        row.key_id if row.key_id and row.key_id != row.key_hash else None,
        _charged(row),
        msgspec.json.encode(row.tags).decode() if row.tags else "[]",
        row.session_id,
    )


def _charged(row: SpendRow) -> str | None:
    """The budgets whose money stands in their own account: nothing else says that they were charged."""
    epochs = {charge.account: charge.epoch for charge in row.charges if not charge.kind}
    return msgspec.json.encode(epochs).decode() if epochs else None
