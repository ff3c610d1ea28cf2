"""The ledger by day and model, for reconciliation with a bill: the sums, and the rows with a cost that is an
upper bound."""

from datetime import date, datetime

import asyncpg

from models_registry.bills.lines import Booked, OpenRow
from runtime.corrections.rows import SUMS
from schema.errors.requests import InvalidRequest
from schema.money import NANO_PER_USD
from schema.tables import naive

MAX_GROUPS = 50_000
MAX_OPEN = 100_000
TIMEOUT_S = 120
"""The limit in seconds is long: one admin may have the calls of a whole year summed."""

_SUMS = """
    SELECT "startTime"::date AS day, model, sum(spend) AS spend,
           count(*) FILTER (WHERE corrects IS NULL) AS rows
    FROM "LiteLLM_SpendLogs"
    WHERE "startTime" >= $1 AND "startTime" < $2 AND model <> '' AND cache_hit IS DISTINCT FROM 'True'
      AND ($3::text IS NULL OR custom_llm_provider = $3)
    GROUP BY 1, 2 HAVING bool_or(spend <> 0 OR total_tokens > 0) ORDER BY 1, 2 LIMIT $4
"""

_OPEN = f"""
    SELECT o."startTime"::date AS day, o.model, o.request_id, o.outcome = 'uncertain' AS uncertain,
           o.spend + sums.spend_more_otherwise AS ceiling, o.spend + sums.spend_more AS cost
    FROM "LiteLLM_SpendLogs" o, LATERAL ({SUMS}) sums
    WHERE o.corrects IS NULL AND (o.outcome = 'uncertain' OR o.estimated)
      AND o."startTime" >= $1 AND o."startTime" < $2 AND o.model <> ''
      AND ($3::text IS NULL OR o.custom_llm_provider = $3)
      AND NOT coalesce(sums.kinds && ARRAY['manual'], false)
    LIMIT $4
"""
"""The rows that are open for a bill. A correction by an earlier bill leaves its row open, since a later
export may know better. A correction by hand closes its row."""


async def booked_days(
    connection: asyncpg.Connection, start: datetime, end: datetime, *, provider: str | None
) -> list[Booked]:
    """The booked days of a period. The transaction must be `repeatable_read`, so that both queries see the
    same ledger. Raises InvalidRequest for a period with more than 50,000 sums or 100,000 open rows."""
    await connection.execute(f"SET LOCAL statement_timeout = '{TIMEOUT_S}s'")
    period = (naive(start), naive(end), provider)
    sums = await connection.fetch(_SUMS, *period, MAX_GROUPS + 1, timeout=TIMEOUT_S)
    rows = await connection.fetch(_OPEN, *period, MAX_OPEN + 1, timeout=TIMEOUT_S)
    if len(sums) > MAX_GROUPS or len(rows) > MAX_OPEN:
        raise InvalidRequest("end_date: too much for one report; ask for fewer days.", param="end_date")
    open_rows: dict[tuple[date, str], list[OpenRow]] = {}
    for row in rows:
        found = OpenRow(
            request_id=row["request_id"],
            ceiling_nano=int(row["ceiling"] * NANO_PER_USD),
            cost_nano=int(row["cost"] * NANO_PER_USD),
            uncertain=row["uncertain"],
        )
        open_rows.setdefault((row["day"], row["model"]), []).append(found)
    return [
        Booked(
            day=row["day"],
            model=row["model"],
            cost_nano=int(row["spend"] * NANO_PER_USD),
            rows=row["rows"],
            open=tuple(open_rows.get((row["day"], row["model"]), ())),
        )
        for row in sums
    ]
