"""Reads of the spend ledger. Implements `functions.context.Spend`."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

import msgspec
from piccolo.columns.combination import Where, WhereRaw

from functions.roles import Scope
from models_registry.price import NANO_PER_USD
from runtime.database import Database
from runtime.database_errors import asking
from runtime.tenancy import Nothing, spend_reach, within
from schema.errors import InvalidRequest
from schema.spend import Outcome, SpendDay, SpendQuery, SpendRow, period
from schema.spend_metadata import SpendMetadata, parts_of, rare_of
from schema.tables import aware, naive
from schema.tables.spend_logs import SpendLog

_METADATA = msgspec.json.Decoder(SpendMetadata)
MAX_ROWS = 10_000
MAX_GROUPS = 100_000
"""Groups of (day, user, model, key) in one report."""

_DAYS = """
    SELECT "startTime"::date AS day, coalesce("user", '') AS user_id, coalesce(model_group, '') AS model,
           api_key, sum(spend) AS spend
    FROM "LiteLLM_SpendLogs"
    WHERE ($1::text IS NULL OR request_id = $1)
      AND ($2::text IS NULL OR api_key = $2) AND ($3::text IS NULL OR "user" = $3)
      AND ($4::timestamp IS NULL OR "startTime" >= $4) AND ($5::timestamp IS NULL OR "startTime" < $5)
      AND ($6 OR "user" = $7 OR api_key = $8 OR team_id = ANY ($9) OR organization_id = ANY ($10))
    GROUP BY 1, 2, 3, 4 ORDER BY 1 LIMIT $11
"""


class _Group(Protocol):
    """One row of `_DAYS`."""

    def __getitem__(self, column: str) -> Any: ...  # an asyncpg.Record's values are untyped


class SpendReader:
    """Rows and sums. Every method raises DatabaseUnavailable, or InvalidRequest for bad dates."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def rows(self, query: SpendQuery, *, scope: Scope) -> list[SpendRow]:
        """Newest first. `query.api_key` is a hash here."""
        if not 1 <= query.limit <= MAX_ROWS:
            raise InvalidRequest(f"limit: expected 1 to {MAX_ROWS}, found {query.limit}", param="limit")
        start, end = period(query)
        select = SpendLog.select()
        for condition in _conditions(query):
            select = select.where(condition)
        try:
            scoped = within(SpendLog, scope)
        except Nothing:
            return []
        if scoped is not None:
            select = select.where(scoped)  # type: ignore[arg-type]  # Piccolo's own union of conditions
        if start is not None:
            select = select.where(SpendLog.start_time >= naive(start))
        if end is not None:
            select = select.where(SpendLog.start_time < naive(end))
        select = select.order_by(SpendLog.start_time, SpendLog.request_id, ascending=False)
        with asking():
            found = await select.limit(query.limit)
        return [spend_row(row) for row in found]

    async def days(self, query: SpendQuery, *, scope: Scope) -> list[SpendDay]:
        """Oldest day first; days without calls are absent."""
        start, end = period(query)
        with asking():
            async with self._database.connection() as connection:
                groups = await connection.fetch(
                    _DAYS,
                    query.request_id,
                    query.api_key,
                    query.user_id,
                    _optional(start),
                    _optional(end),
                    *spend_reach(scope),
                    MAX_GROUPS + 1,
                )
        if len(groups) > MAX_GROUPS:
            raise InvalidRequest(
                "start_date: the report is too large; ask for fewer days.", param="start_date"
            )
        return _summed(groups)


def _conditions(query: SpendQuery) -> list[Where | WhereRaw]:
    wanted = (
        (SpendLog.request_id, query.request_id),
        (SpendLog.api_key, query.api_key),
        (SpendLog.user, query.user_id),
    )
    return [column == value for column, value in wanted if value is not None]


def _optional(moment: datetime | None) -> datetime | None:
    return None if moment is None else naive(moment)


def _summed(groups: Sequence[_Group]) -> list[SpendDay]:
    """The groups by day; sums stay exact until they are written as numbers."""
    days: dict[str, tuple[dict[str, Decimal], dict[str, Decimal], dict[str, Decimal]]] = {}
    for group in groups:
        sums = days.setdefault(group["day"].isoformat(), ({}, {}, {}))
        for kind, name in zip(sums, (group["user_id"], group["model"], group["api_key"]), strict=True):
            kind[name] = kind.get(name, Decimal(0)) + group["spend"]
    return [
        SpendDay(
            day=day,
            spend=float(sum(keys.values())),
            users={name: float(spend) for name, spend in users.items()},
            models={name: float(spend) for name, spend in models.items()},
            api_keys={name: float(spend) for name, spend in keys.items()},
        )
        for day, (users, models, keys) in days.items()
    ]


def spend_row(row: Mapping[str, Any]) -> SpendRow:
    """A row as Piccolo or asyncpg gives it: values by column, of the columns' own types."""
    first = row["completionStartTime"]
    metadata = _metadata(row["metadata"])
    used, costs = metadata.usage_object, metadata.cost_breakdown
    return SpendRow(
        request_id=row["request_id"],
        call_id=row["litellm_call_id"] or row["request_id"],
        call_type=row["call_type"],
        key_hash=row["api_key"],
        key_alias=row["key_alias"],
        user_id=row["user"] or "",
        team_id=row["team_id"],
        organization_id=row["organization_id"],
        end_user=row["end_user"],
        requester_ip=row["requester_ip_address"],
        user_agent=row["user_agent"],
        model_group=row["model_group"] or "",
        model=row["model"],
        model_id=row["model_id"] or "",
        provider=row["custom_llm_provider"] or "",
        api_base=row["api_base"] or "",
        started_at=aware(row["startTime"]),
        first_token_at=None if first is None else aware(first),
        ended_at=aware(row["endTime"]),
        duration_ms=row["request_duration_ms"] or 0,
        prompt_tokens=row["prompt_tokens"],
        completion_tokens=row["completion_tokens"],
        cached_tokens=row["cached_tokens"],
        cache_write_tokens=row["cache_write_tokens"],
        reasoning_tokens=row["reasoning_tokens"],
        estimated=row["estimated"],
        cost_nano=int(row["spend"] * NANO_PER_USD),
        price_source=row["price_source"],
        streamed=row["streamed"],
        outcome=Outcome(row["outcome"]),
        http_status=row["http_status"],
        error_class=row["error_class"],
        error_message=row["error_message"],
        price_version=row["price_version"],
        price_effective=row["price_effective"],
        service_tier=row["service_tier"],
        rare=None if used is None else rare_of(used),
        cost_parts=() if costs is None else parts_of(costs),
        input_reported=used is not None and used.input_reported,
        corrects=row["corrects"],
    )


def _metadata(text: str | None) -> SpendMetadata:
    """What a row's metadata says; nothing where it is not of this gateway's making."""
    try:
        return _METADATA.decode(text or "{}")
    except msgspec.DecodeError:
        return SpendMetadata()
