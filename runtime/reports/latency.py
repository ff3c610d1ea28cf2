"""Reads percentiles from the histograms of durations. The ledger's rows are never read. Implements
`functions.ports.spend.Timings`."""

from collections.abc import Mapping
from itertools import groupby
from operator import itemgetter
from types import MappingProxyType
from typing import Any

from functions.contract.roles import Scope
from runtime.books.latency import COUNTS, OF_ALL, OF_MODELS, OF_OWNERS, Histograms
from runtime.governance.tenancy import reach_in_sql
from runtime.postgres.conditions import Conditions
from runtime.postgres.database import Database
from runtime.postgres.errors import asking
from schema.errors.requests import InvalidRequest
from schema.latency import LatencyGroup, LatencyStep, TimedCalls, WantedLatency
from schema.ledger.histogram import BOUNDS_MS, percentiles_of

BUCKETS = len(BOUNDS_MS) + 1
MAX_COUNTS = 200_000
"""The most counts (steps x groups x buckets) that one report adds up."""
SUMMED = ", ".join(
    f"ARRAY[{', '.join(f'switchgear_sum({name}[{place}])' for place in range(1, BUCKETS + 1))}] AS {name}"
    for name in COUNTS
)
"""The SQL of the summed histograms: one sum for each bucket. Summing the rows of all histograms, unnested,
took two to three times as long."""
NOTHING = "''::text"
"""What is shown where nothing is told apart."""
COLUMNS: Mapping[LatencyGroup, str] = MappingProxyType(
    {
        LatencyGroup.MODEL: "model_group",
        LatencyGroup.TEAM: "team_id",
        LatencyGroup.KEY: "api_key",
        LatencyGroup.USER: "user_id",
        LatencyGroup.PROVIDER: "custom_llm_provider",
    }
)
STEPS: Mapping[LatencyStep, str] = MappingProxyType(
    {LatencyStep.HOUR: "date || 'T' || hour", LatencyStep.DAY: "date", LatencyStep.TOTAL: NOTHING}
)


class LatencyReader:
    """Reads percentiles within a scope."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def timed(self, wanted: WantedLatency, *, scope: Scope) -> list[TimedCalls]:
        """The percentiles of each step and group, by step, then by group. Raises DatabaseUnavailable, and
        InvalidRequest for a report that is too large and for text that no column can hold."""
        sql, values = _query(wanted, scope)
        with asking():
            async with self._database.connection() as connection, connection.transaction(readonly=True):
                await connection.execute("SET LOCAL plan_cache_mode = force_custom_plan")
                rows = await connection.fetch(sql, *values)
        if len(rows) > MAX_COUNTS:
            raise InvalidRequest(
                "start_date: too many steps and groups for one report; ask for fewer days, or filter.",
                param="start_date",
            )
        told = groupby(rows, itemgetter(0, 1))
        return [_timed(at, group, list(counts)) for (at, group), counts in told]


def histograms_for(wanted: WantedLatency, scope: Scope) -> Histograms:
    """The shortest table of histograms that has all columns of the report."""
    used = {COLUMNS[each] for each in (wanted.by, *wanted.where) if each in COLUMNS}
    if scope.everything and used <= set(OF_MODELS.subject):
        return OF_MODELS
    return OF_OWNERS if used <= set(OF_OWNERS.subject) else OF_ALL


def _query(wanted: WantedLatency, scope: Scope) -> tuple[str, list[object]]:
    conditions = Conditions()
    conditions.add("hour <> ''" if wanted.step is LatencyStep.HOUR else "hour = ''")
    conditions.add("date >= {}", wanted.first)
    conditions.add("date <= {}", wanted.last)
    for filtered, values in wanted.where.items():
        conditions.among(COLUMNS[filtered], values)
    reach_in_sql(conditions, scope, user="user_id")
    step, group = (f'({each}) COLLATE "C"' for each in (STEPS[wanted.step], COLUMNS.get(wanted.by, NOTHING)))
    counted = " UNION ALL ".join(
        f"SELECT {number} AS kind, place - 1 AS bucket, calls"
        f" FROM unnest({name}) WITH ORDINALITY AS of_{name}(calls, place) WHERE calls > 0"
        for number, name in enumerate(COUNTS)
    )
    return (
        f"SELECT at, grp, kind, bucket, calls FROM (SELECT {step} AS at, {group} AS grp, {SUMMED}"
        f' FROM "{histograms_for(wanted, scope).table}"{conditions.where} GROUP BY 1, 2) AS summed,'
        f" LATERAL ({counted}) AS counted ORDER BY 1, 2 LIMIT {MAX_COUNTS + 1}",
        conditions.values,
    )


def _timed(at: str, group: str, rows: list[Any]) -> TimedCalls:  # asyncpg's records are untyped
    counts: tuple[dict[int, int], dict[int, int]] = ({}, {})
    for _, _, kind, bucket, calls in rows:
        counts[kind][bucket] = calls
    return TimedCalls(
        at=at, group=group, duration_ms=percentiles_of(counts[0]), ttft_ms=percentiles_of(counts[1])
    )
