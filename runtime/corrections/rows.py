"""Reads rows of the ledger together with their corrections."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import asyncpg
import msgspec

from functions.contract.roles import Scope
from runtime.books.stored_row import spend_row
from runtime.governance.tenancy import spend_reach
from schema.corrections import Corrected, CorrectionKind, UncertainQuery, UsageGiven
from schema.dates import period_of
from schema.errors.requests import InvalidRequest
from schema.ledger.rows import usage_of
from schema.money import NANO_PER_USD
from schema.recosting import RecostRequest
from schema.tables import naive

PREFETCH = 500
COUNTS = UsageGiven.__struct_fields__
"""The counts of a row that a correction may change."""

SUMS = f"""
    SELECT count(*) AS corrections,
           {", ".join(f"coalesce(sum(c.{name}), 0) AS {name}_more" for name in ("spend", *COUNTS))},
           array_remove(array_agg(DISTINCT c.correction), NULL) AS kinds,
           coalesce(sum(c.spend) FILTER (WHERE c.correction <> 'invoice'), 0) AS spend_more_otherwise
    FROM "LiteLLM_SpendLogs" c
    WHERE c.corrects = o.request_id AND c."startTime" = o."startTime"
"""
"""Sums over the corrections of a row `o`. A correction has its row's time, so that Postgres reads one
partition."""

_OPEN = f"""
    SELECT o.*, sums.* FROM "LiteLLM_SpendLogs" o, LATERAL ({SUMS}) sums
    WHERE o.corrects IS NULL AND (o.outcome = 'uncertain' OR o.estimated)
      AND ($1::timestamp IS NULL OR o."startTime" >= $1) AND ($2::timestamp IS NULL OR o."startTime" < $2)
      AND ($3::text IS NULL OR o.model_group = $3 OR o.model = $3)
      AND ($4 OR o."user" = $5 OR o.api_key = $6 OR o.team_id = ANY ($7) OR o.organization_id = ANY ($8))
      AND ($9::timestamp IS NULL OR (o."startTime", o.request_id) > ($9, $10::text))
      AND NOT coalesce(sums.kinds && ARRAY['manual', 'invoice'], false)
    ORDER BY o."startTime", o.request_id LIMIT $11
"""


_PRICED = f"""
    SELECT o.*, sums.* FROM "LiteLLM_SpendLogs" o, LATERAL ({SUMS}) sums
    WHERE o.corrects IS NULL AND o.outcome <> 'refused' AND o.model <> ''
      AND (o.outcome = 'ok' OR o.total_tokens > 0 OR o.spend > 0) AND o.cache_hit IS DISTINCT FROM 'True'
      AND o."startTime" >= $1 AND ($2::timestamp IS NULL OR o."startTime" < $2)
      AND ($3::text IS NULL OR o.model_group = $3 OR o.model = $3)
      AND ($4::text IS NULL OR o.model_id = $4) AND ($5::text IS NULL OR o.custom_llm_provider = $5)
      AND ($6::timestamp IS NULL OR (o."startTime", o.request_id) > ($6, $7::text))
    ORDER BY o."startTime", o.request_id LIMIT $8
"""
"""The rows that have a price, or should have one. Attempts that cost nothing because the provider refused
them, because they never reached it, or because the response cache answered, are left out: no price was used
for them."""


def corrected(row: Mapping[str, Any]) -> Corrected:
    """The corrected row in a record that has the row's columns and its SUMS."""
    original = spend_row(row)
    more = {name: getattr(original, name) + int(row[f"{name}_more"]) for name in COUNTS}
    usage = msgspec.structs.replace(usage_of(original), **more)
    return Corrected(
        original=original,
        cost_nano=original.cost_nano + int(row["spend_more"] * NANO_PER_USD),
        usage=usage,
        kinds=frozenset(CorrectionKind(kind) for kind in row["kinds"] or ()),
        count=row["corrections"],
    )


async def found_row(connection: asyncpg.Connection, request_id: str) -> Corrected | None:
    """One row with its corrections. None where no row has this id."""
    row = await connection.fetchrow(
        f'SELECT o.*, sums.* FROM "LiteLLM_SpendLogs" o, LATERAL ({SUMS}) sums WHERE o.request_id = $1'
        ' ORDER BY o."startTime" LIMIT 1',
        request_id,
    )
    return None if row is None else corrected(row)


async def open_rows(connection: asyncpg.Connection, query: UncertainQuery, scope: Scope) -> list[Corrected]:
    """One page of the rows with a cost that is still an upper bound, oldest first. `query.after` says where
    the page begins. Raises InvalidRequest for a bad date or cursor."""
    start, end = period_of(query.start_date, query.end_date)
    after_time, after_id = (None, None) if query.after is None else read_cursor(query.after)
    rows = await connection.fetch(
        _OPEN,
        None if start is None else naive(start),
        None if end is None else naive(end),
        query.model,
        *spend_reach(scope),
        after_time,
        after_id,
        query.page_size,
    )
    return [corrected(row) for row in rows]


async def priced_rows(connection: asyncpg.Connection, request: RecostRequest) -> AsyncIterator[Corrected]:
    """The rows that have a price, or should have one, oldest first. This must run inside a transaction: it
    reads through a cursor of Postgres. Raises InvalidRequest for a bad date or cursor."""
    start, end = period_of(request.start_date, request.end_date)
    after_time, after_id = (None, None) if request.after is None else read_cursor(request.after)
    rows = connection.cursor(
        _PRICED,
        None if start is None else naive(start),
        None if end is None else naive(end),
        request.model,
        request.model_id,
        request.provider,
        after_time,
        after_id,
        request.max_rows,
        prefetch=PREFETCH,
    )
    async for row in rows:
        yield corrected(row)


def read_cursor(text: str) -> tuple[datetime, str]:
    """The time and the request id in a cursor. Raises InvalidRequest for a text that
    `schema.corrections.cursor_after` did not make."""
    moment, _, request_id = text.partition("~")
    try:
        found = datetime.fromisoformat(moment)
    except ValueError:
        found = None
    if found is None or found.tzinfo is not None or not request_id:
        raise InvalidRequest("after: expected the `next` of the page before.", param="after")
    return found, request_id


async def locked_rows(
    connection: asyncpg.Connection, request_ids: Sequence[str]
) -> list[tuple[Corrected, asyncpg.Record]]:
    """The rows with these ids, with their corrections. They are locked in the order of their ids until the
    transaction ends. They are read after they are locked, so a transaction that waited for the lock sees the
    corrections of the one before it."""
    ids = sorted(set(request_ids))
    await connection.execute(
        'SELECT 1 FROM "LiteLLM_SpendLogs" WHERE request_id = ANY($1::text[])'
        ' ORDER BY request_id, "startTime" FOR NO KEY UPDATE',
        ids,
    )
    rows = await connection.fetch(
        f'SELECT o.*, sums.* FROM "LiteLLM_SpendLogs" o, LATERAL ({SUMS}) sums'
        ' WHERE o.request_id = ANY($1::text[]) ORDER BY o.request_id, o."startTime"',
        ids,
    )
    return [(corrected(row), row) for row in rows]
