"""Spend rows into Postgres: one statement a batch, and the counters of keys and users with it."""

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal

import asyncpg
import msgspec

from models_registry.price import usd
from schema.spend import Outcome, SpendRow
from schema.tables import naive
from schema.tables.partitions import create_partition, month_of, partition_name

PARTITION_LOCK_KEY = 0x53575250
"""The advisory lock's number ("SWRP"): one process at a time makes a partition."""

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
)
"""In the order of `_values`."""

_NAMES = ", ".join(f'"{name}"' for name, _ in COLUMNS)
_ARRAYS = ", ".join(f"${place}::{kind}[]" for place, (_, kind) in enumerate(COLUMNS, 1))
_INSERT = (
    f'INSERT INTO "LiteLLM_SpendLogs" ({_NAMES}) SELECT * FROM unnest({_ARRAYS})'
    ' ON CONFLICT (request_id, "startTime") DO NOTHING RETURNING api_key, "user", spend'
)
_CHARGED: tuple[tuple[str, str, str], ...] = (
    ("user", "LiteLLM_UserTable", "user_id"),
    ("api_key", "LiteLLM_VerificationToken", "token"),
)
"""Ledger column, table, id column: in the order that everyone locks them in."""


async def insert_rows(connection: asyncpg.Connection, rows: Sequence[SpendRow]) -> None:
    """Book a batch in one transaction. A row that is there already changes nothing, so a batch
    whose commit was in doubt can simply be sent again."""
    arrays = list(zip(*(_values(row) for row in rows), strict=True))
    async with connection.transaction():
        booked = await connection.fetch(_INSERT, *arrays)
        for column, table, id_column in _CHARGED:
            amounts = _sums(booked, column)
            if amounts:
                await _charge(connection, amounts, table=table, id_column=id_column)


async def ensure_partition(connection: asyncpg.Connection, month: date) -> None:
    """Make the partition of a month unless it is there."""
    async with connection.transaction():
        await connection.execute("SET LOCAL lock_timeout = '5s'")
        await connection.execute(f"SELECT pg_advisory_xact_lock({PARTITION_LOCK_KEY})")
        name = f'"{partition_name(month)}"'
        if await connection.fetchval("SELECT to_regclass($1) IS NULL", name):
            for statement in create_partition(month):
                await connection.execute(statement)


def months_of(rows: Iterable[SpendRow]) -> set[date]:
    """The months, by their first day, that the rows fall into."""
    return {month_of(row.started_at.date()) for row in rows}


async def _charge(
    connection: asyncpg.Connection, amounts: dict[str, Decimal], *, table: str, id_column: str
) -> None:
    """Add to the counters. Rows are locked in the order of their ids, so that two workers wait for
    each other instead of deadlocking."""
    ids = sorted(amounts)
    await connection.execute(
        f'SELECT 1 FROM "{table}" WHERE {id_column} = ANY($1) ORDER BY {id_column} FOR NO KEY UPDATE', ids
    )
    await connection.execute(
        f'UPDATE "{table}" AS charged SET spend = spend + added.amount'
        " FROM unnest($1::text[], $2::numeric[]) AS added(id, amount)"
        f" WHERE charged.{id_column} = added.id",
        ids,
        [amounts[each] for each in ids],
    )


def _sums(booked: Iterable[asyncpg.Record], column: str) -> dict[str, Decimal]:
    """What each id owes; calls that cost nothing touch no counter."""
    sums: dict[str, Decimal] = {}
    for row in booked:
        if row["spend"] and row[column]:
            sums[row[column]] = sums.get(row[column], Decimal(0)) + row["spend"]
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
        _metadata(row),
        row.team_id,
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
    )


def _metadata(row: SpendRow) -> str:
    """The keys of LiteLLM's `metadata` that its dashboards read."""
    facts: dict[str, object] = {
        "user_api_key": row.key_hash,
        "user_api_key_alias": row.key_alias,
        "user_api_key_user_id": row.user_id,
        "user_api_key_team_id": row.team_id,
        "requester_ip_address": row.requester_ip,
        "user_agent": row.user_agent,
    }
    if row.error_class is not None:
        facts["error_information"] = {
            "error_code": str(row.http_status),
            "error_class": row.error_class,
            "error_message": row.error_message,
        }
    return msgspec.json.encode(facts).decode()
