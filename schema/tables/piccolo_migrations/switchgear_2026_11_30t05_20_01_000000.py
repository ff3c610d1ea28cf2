"""How histograms are added up, their indexes, and the histograms of what is booked already.

Hours are filled for the last 35 days, for which they are kept.
"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.table import Table

from schema.ledger.histogram import BOUNDS_MS

ID = "2026-11-30T05:20:01:000000"
VERSION = "1.38.0"
DESCRIPTION = "histograms: sums, indexes, backfill"

ADD_COUNTS = """
CREATE FUNCTION switchgear_add_counts(one bigint[], other bigint[]) RETURNS bigint[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(array_agg(coalesce(a, 0) + coalesce(b, 0) ORDER BY place), '{}')
    FROM unnest(one, other) WITH ORDINALITY AS both_of(a, b, place)
$$
"""

COUNTS_OF = """
CREATE FUNCTION switchgear_counts_of(buckets int[]) RETURNS bigint[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(array_agg(coalesce(calls, 0) ORDER BY place), '{}')
    FROM generate_series(0, (SELECT max(found) FROM unnest(buckets) AS found)) AS place
    LEFT JOIN (
        SELECT found, count(*) AS calls FROM unnest(buckets) AS found WHERE found IS NOT NULL GROUP BY found
    ) AS counted ON found = place
$$
"""

DEFAULTS = tuple(
    f"""ALTER TABLE "Switchgear_Latency" ALTER COLUMN {stamp} SET DEFAULT (now() AT TIME ZONE 'utc')"""
    for stamp in ("created_at", "updated_at")
)

INDEXES = (
    'CREATE INDEX "Switchgear_Latency_day_idx" ON "Switchgear_Latency" (date) WHERE hour = \'\'',
    'CREATE INDEX "Switchgear_Latency_hour_idx" ON "Switchgear_Latency" (date) WHERE hour <> \'\'',
)


BUCKET = f"width_bucket({{}}::bigint, '{{{{{', '.join(map(str, BOUNDS_MS))}}}}}'::bigint[])"
KEY = "date, hour, api_key, user_id, team_id, organization_id, model_group, model, custom_llm_provider"
FILL = f"""
INSERT INTO "Switchgear_Latency" (id, {KEY}, duration_counts, ttft_counts)
SELECT switchgear_daily_id({KEY}), * FROM (
    SELECT to_char("startTime", 'YYYY-MM-DD') AS date,
        CASE WHEN of_hours THEN to_char("startTime", 'HH24') ELSE '' END AS hour,
        api_key, coalesce("user", '') AS user_id, coalesce(team_id, '') AS team_id,
        coalesce(organization_id, '') AS organization_id,
        CASE WHEN error_class = 'ModelNotFound' THEN '' ELSE coalesce(model_group, '') END AS model_group,
        model, coalesce(custom_llm_provider, '') AS custom_llm_provider,
        switchgear_counts_of(array_agg({BUCKET.format("request_duration_ms")})),
        switchgear_counts_of(array_agg({BUCKET.format("ttft_ms")}))
    FROM "LiteLLM_SpendLogs", (VALUES (true), (false)) AS grain(of_hours)
    WHERE corrects IS NULL AND outcome <> 'refused' AND request_id !~ '-a[1-9][0-9]{{0,3}}$'
        AND (NOT of_hours OR "startTime" >= (now() AT TIME ZONE 'utc')::date - 35)
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9
) AS counted
"""


class RawTable(Table):
    """Piccolo's way to SQL of one's own."""


async def run() -> None:
    for statement in (ADD_COUNTS, COUNTS_OF, *DEFAULTS, *INDEXES, FILL):
        await RawTable.raw(statement.replace("{", "{{").replace("}", "}}"))


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="switchgear", description=DESCRIPTION)
    manager.add_raw(run)
    return manager
