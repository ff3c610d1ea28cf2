"""The daily sums and histograms of the whole ledger, as SQL: what makes them anew, in empty tables.

`runtime/books/rollups.py` comes to the same row by row. The migration that made the tables has statements of
its own, which are older than corrections and would count those as calls.
"""

from collections.abc import Mapping
from types import MappingProxyType

from schema.ledger.histogram import BOUNDS_MS
from schema.ledger.measures import MEASURE_NAMES, MEASURES, SENT

KEY: Mapping[str, str] = MappingProxyType(
    {
        "date": """to_char("startTime", 'YYYY-MM-DD')""",
        "api_key": "api_key",
        "user_id": """coalesce("user", '')""",
        "team_id": "coalesce(team_id, '')",
        "organization_id": "coalesce(organization_id, '')",
        "model_group": "CASE WHEN error_class = 'ModelNotFound' THEN '' ELSE coalesce(model_group, '') END",
        "model": "model",
        "custom_llm_provider": "coalesce(custom_llm_provider, '')",
        "endpoint": "call_type",
    }
)


def _fill(table: str, more: str, source: str) -> str:
    key = ", ".join((*KEY, *([more] if more else [])))
    shown = ", ".join(f"{made} AS {name}" for name, made in KEY.items()) + (f", {more}" if more else "")
    return f"""
        INSERT INTO "{table}" (id, {key}, {", ".join(MEASURE_NAMES)})
        SELECT switchgear_daily_id({key}), * FROM (
            SELECT {shown}, {", ".join(measure.sql for measure in MEASURES)} FROM "LiteLLM_SpendLogs"{source}
            GROUP BY {", ".join(str(place + 1) for place in range(len(KEY) + bool(more)))}
        ) AS summed
    """


def _fill_histograms() -> str:
    """The histograms of all days and all hours. The bookkeeper drops the hours that are not kept."""
    bounds = ", ".join(map(str, BOUNDS_MS))
    shown = [f"{made} AS {name}" for name, made in KEY.items() if name != "endpoint"]
    shown.insert(1, """CASE WHEN of_hours THEN to_char("startTime", 'HH24') ELSE '' END AS hour""")
    key = ", ".join(each.rpartition(" AS ")[2] for each in shown)
    counts = [
        f"switchgear_counts_of(array_agg(width_bucket({name}::bigint, '{{{bounds}}}'::bigint[])))"
        for name in ("request_duration_ms", "ttft_ms")
    ]
    return f"""
        INSERT INTO "Switchgear_Latency" (id, {key}, duration_counts, ttft_counts)
        SELECT switchgear_daily_id({key}), * FROM (
            SELECT {", ".join((*shown, *counts))}
            FROM "LiteLLM_SpendLogs", (VALUES (true), (false)) AS grain(of_hours) WHERE {SENT}
            GROUP BY {", ".join(str(place + 1) for place in range(len(shown)))}
        ) AS counted
    """


def _fold_histograms(table: str, *subject: str) -> str:
    """A short table of histograms, out of the long one. An array that has no bucket so far out adds NULL
    there, so NULL is the sum of a bucket that no array has."""
    key = ", ".join(("date", "hour", *subject))
    sums = ", ".join(
        f"array_remove(ARRAY[{', '.join(f'switchgear_sum({name}[{place}])' for place in _PLACES)}], NULL)"
        for name in ("duration_counts", "ttft_counts")
    )
    return f"""
        INSERT INTO "{table}" (id, {key}, duration_counts, ttft_counts)
        SELECT switchgear_daily_id({key}), * FROM (
            SELECT {key}, {sums} FROM "Switchgear_Latency" GROUP BY {key}
        ) AS folded
    """


_PLACES = range(1, len(BOUNDS_MS) + 2)
"""The places of the buckets in an array of Postgres."""
FOLD_HISTOGRAMS: tuple[str, ...] = (
    _fold_histograms("Switchgear_OwnerLatency", "api_key", "user_id", "team_id", "organization_id"),
    _fold_histograms("Switchgear_ModelLatency", "model_group", "custom_llm_provider"),
)
"""The short tables of histograms, from the long one."""
FILL: tuple[str, ...] = (
    _fill("Switchgear_DailySpend", "", ""),
    _fill("Switchgear_DailyEndUserSpend", "end_user", " WHERE end_user <> ''"),
    _fill(
        "Switchgear_DailyTagSpend",
        "tag",
        ", LATERAL (SELECT DISTINCT jsonb_array_elements_text(request_tags) AS tag) AS tagged"
        " WHERE jsonb_typeof(request_tags) = 'array'",
    ),
    f"""
        INSERT INTO "Switchgear_DailyEndUserTotal" (id, date, end_user, {", ".join(MEASURE_NAMES)})
        SELECT switchgear_daily_id(date, end_user), date, end_user,
            {", ".join(f"sum({name})" for name in MEASURE_NAMES)}
        FROM "Switchgear_DailyEndUserSpend" GROUP BY date, end_user
    """,
    _fill_histograms(),
    *FOLD_HISTOGRAMS,
)
