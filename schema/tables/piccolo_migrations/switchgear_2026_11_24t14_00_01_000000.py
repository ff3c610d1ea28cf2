"""Daily sums in SQL: their digest, indexes, the sums of what is booked already, LiteLLM's names for
them as views, and the ledger's indexes for its log page.

The views have the columns that LiteLLM's tables and views of the same names have; what this gateway
does not do (savings, compression, MCP tools) is zero or empty in them.
"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.table import Table

ID = "2026-11-24T14:00:01:000000"
VERSION = "1.38.0"
DESCRIPTION = "daily rollups: digest, indexes, backfill, views; indexes of the log page"

ROLLUPS: tuple[str, ...] = (
    "Switchgear_DailySpend",
    "Switchgear_DailyEndUserSpend",
    "Switchgear_DailyTagSpend",
    "Switchgear_DailyEndUserTotal",
)

ID_FUNCTION = r"""
CREATE FUNCTION switchgear_daily_id(VARIADIC parts text[]) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT left(encode(sha256(string_agg(convert_to(part, 'UTF8'), '\x00'::bytea ORDER BY place)), 'hex'), 32)
    FROM unnest(parts) WITH ORDINALITY AS named(part, place)
$$
"""

INDEXES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Switchgear_DailySpend", ("date", "id")),
    ("Switchgear_DailySpend", ("api_key", "date")),
    ("Switchgear_DailySpend", ("user_id", "date")),
    ("Switchgear_DailySpend", ("team_id", "date")),
    ("Switchgear_DailySpend", ("organization_id", "date")),
    ("Switchgear_DailyEndUserSpend", ("date", "id")),
    ("Switchgear_DailyEndUserSpend", ("end_user", "date")),
    ("Switchgear_DailyEndUserSpend", ("api_key", "date")),
    ("Switchgear_DailyTagSpend", ("date", "id")),
    ("Switchgear_DailyTagSpend", ("tag", "date")),
    ("Switchgear_DailyEndUserTotal", ("date",)),
)

LOG_PAGE: tuple[str, ...] = (
    'DROP INDEX "LiteLLM_SpendLogs_end_user_idx"',
    'CREATE INDEX "LiteLLM_SpendLogs_end_user_startTime_idx" ON "LiteLLM_SpendLogs" (end_user, "startTime")'
    " WHERE end_user IS NOT NULL",
    'CREATE INDEX "LiteLLM_SpendLogs_session_id_idx" ON "LiteLLM_SpendLogs" (session_id)'
    " WHERE session_id IS NOT NULL",
    'CREATE INDEX "LiteLLM_SpendLogs_model_group_startTime_idx"'
    ' ON "LiteLLM_SpendLogs" (model_group, "startTime")',
    'CREATE INDEX "LiteLLM_SpendLogs_model_startTime_idx" ON "LiteLLM_SpendLogs" (model, "startTime")',
    'CREATE INDEX "LiteLLM_SpendLogs_spend_idx" ON "LiteLLM_SpendLogs" (spend)',
    'CREATE INDEX "LiteLLM_SpendLogs_failure_idx" ON "LiteLLM_SpendLogs" ("startTime", request_id)'
    " WHERE status = 'failure'",
)

KEY_OF_A_ROW = """
    to_char("startTime", 'YYYY-MM-DD') AS date, api_key, coalesce("user", '') AS user_id,
    coalesce(team_id, '') AS team_id, coalesce(organization_id, '') AS organization_id,
    CASE WHEN error_class = 'ModelNotFound' THEN '' ELSE coalesce(model_group, '') END AS model_group,
    model, coalesce(custom_llm_provider, '') AS custom_llm_provider, call_type AS endpoint
"""

SUMS = """
    sum(spend), sum(prompt_tokens), sum(completion_tokens), sum(cached_tokens), sum(cache_write_tokens),
    sum(reasoning_tokens), count(*), count(*) FILTER (WHERE outcome = 'ok'),
    count(*) FILTER (WHERE outcome <> 'ok'), count(*) FILTER (WHERE outcome = 'refused'),
    count(*) FILTER (WHERE outcome = 'uncertain'),
    coalesce(sum(spend) FILTER (WHERE outcome = 'uncertain'), 0),
    coalesce(sum(request_duration_ms) FILTER (WHERE outcome <> 'refused'), 0),
    count(*) FILTER (WHERE outcome <> 'refused'), coalesce(sum(ttft_ms), 0), count(ttft_ms),
    count(*) FILTER (WHERE http_status = 429)
"""

KEY = "date, api_key, user_id, team_id, organization_id, model_group, model, custom_llm_provider, endpoint"
METRICS = (
    "spend, prompt_tokens, completion_tokens, cache_read_input_tokens, cache_creation_input_tokens,"
    " reasoning_tokens, api_requests, successful_requests, failed_requests, refused_requests,"
    " uncertain_requests, uncertain_spend, total_response_time_ms, timed_requests, total_ttft_ms,"
    " ttft_requests, rate_limited_requests"
)

TOTALS = ", ".join(f"sum({name.strip()})" for name in METRICS.split(","))

FILL: tuple[str, ...] = (
    f"""INSERT INTO "Switchgear_DailySpend" (id, {KEY}, {METRICS})
    SELECT switchgear_daily_id({KEY}), * FROM (
        SELECT {KEY_OF_A_ROW}, {SUMS} FROM "LiteLLM_SpendLogs" GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9
    ) AS summed""",
    f"""INSERT INTO "Switchgear_DailyEndUserSpend" (id, {KEY}, end_user, {METRICS})
    SELECT switchgear_daily_id({KEY}, end_user), * FROM (
        SELECT {KEY_OF_A_ROW}, end_user, {SUMS} FROM "LiteLLM_SpendLogs" WHERE end_user <> ''
        GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
    ) AS summed""",
    f"""INSERT INTO "Switchgear_DailyTagSpend" (id, {KEY}, tag, {METRICS})
    SELECT switchgear_daily_id({KEY}, tag), * FROM (
        SELECT {KEY_OF_A_ROW}, tag, {SUMS} FROM "LiteLLM_SpendLogs",
            LATERAL (SELECT DISTINCT jsonb_array_elements_text(request_tags) AS tag) AS tagged
        WHERE jsonb_typeof(request_tags) = 'array'
        GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
    ) AS summed""",
    f"""INSERT INTO "Switchgear_DailyEndUserTotal" (id, date, end_user, {METRICS})
    SELECT switchgear_daily_id(date, end_user), date, end_user, {TOTALS}
    FROM "Switchgear_DailyEndUserSpend" GROUP BY date, end_user""",
)
"""The sums of the whole ledger, into empty tables."""

DAILY = """
    id, {entity}date, api_key, model, model_group, custom_llm_provider, ''::text AS mcp_namespaced_tool_name,
    endpoint, prompt_tokens, completion_tokens, cache_read_input_tokens, cache_creation_input_tokens,
    0::bigint AS compression_saved_tokens, spend, 0::numeric AS compression_savings_spend,
    0::numeric AS prompt_caching_savings_spend, 0::numeric AS gateway_injected_caching_savings_spend,
    0::numeric AS autorouter_savings_spend, api_requests, successful_requests, failed_requests,
    total_response_time_ms, timed_requests, created_at, updated_at
"""

SINCE = "WHERE date >= to_char((now() AT TIME ZONE 'utc')::date - 30, 'YYYY-MM-DD')"


def daily(entity: str, source: str, where: str = "") -> str:
    return f'SELECT {DAILY.format(entity=f"{entity}, ")} FROM "{source}" {where}'


VIEWS: tuple[tuple[str, str], ...] = (
    ("LiteLLM_DailyUserSpend", daily("user_id", "Switchgear_DailySpend")),
    ("LiteLLM_DailyTeamSpend", daily("team_id", "Switchgear_DailySpend", "WHERE team_id <> ''")),
    (
        "LiteLLM_DailyOrganizationSpend",
        daily("organization_id", "Switchgear_DailySpend", "WHERE organization_id <> ''"),
    ),
    (
        "LiteLLM_DailyEndUserSpend",
        daily("end_user AS end_user_id", "Switchgear_DailyEndUserSpend"),
    ),
    ("LiteLLM_DailyTagSpend", daily("NULL::text AS request_id, tag", "Switchgear_DailyTagSpend")),
    (
        "LiteLLM_DailyGlobalSpend",
        """SELECT min(id) AS id, date, model, model_group, custom_llm_provider,
            ''::text AS mcp_namespaced_tool_name, endpoint, sum(prompt_tokens)::bigint AS prompt_tokens,
            sum(completion_tokens)::bigint AS completion_tokens,
            sum(cache_read_input_tokens)::bigint AS cache_read_input_tokens,
            sum(cache_creation_input_tokens)::bigint AS cache_creation_input_tokens,
            0::bigint AS compression_saved_tokens, sum(spend) AS spend,
            0::numeric AS compression_savings_spend, 0::numeric AS prompt_caching_savings_spend,
            0::numeric AS gateway_injected_caching_savings_spend, 0::numeric AS autorouter_savings_spend,
            sum(api_requests)::bigint AS api_requests,
            sum(successful_requests)::bigint AS successful_requests,
            sum(failed_requests)::bigint AS failed_requests,
            sum(total_response_time_ms)::bigint AS total_response_time_ms,
            sum(timed_requests)::bigint AS timed_requests, min(created_at) AS created_at,
            max(updated_at) AS updated_at
        FROM "Switchgear_DailySpend" GROUP BY date, model, model_group, custom_llm_provider, endpoint""",
    ),
    (
        "MonthlyGlobalSpend",
        f"""SELECT date::date AS date, sum(spend) AS spend FROM "Switchgear_DailySpend" {SINCE}
        GROUP BY 1""",
    ),
    (
        "MonthlyGlobalSpendPerKey",
        f"""SELECT date::date AS date, sum(spend) AS spend, api_key FROM "Switchgear_DailySpend" {SINCE}
        GROUP BY 1, 3""",
    ),
    (
        "MonthlyGlobalSpendPerUserPerKey",
        f"""SELECT date::date AS date, sum(spend) AS spend, api_key, user_id AS "user"
        FROM "Switchgear_DailySpend" {SINCE} GROUP BY 1, 3, 4""",
    ),
    (
        "Last30dKeysBySpend",
        f"""SELECT summed.api_key, key_alias, key_name, total_spend FROM (
            SELECT api_key, sum(spend) AS total_spend FROM "Switchgear_DailySpend" {SINCE} GROUP BY 1
        ) AS summed LEFT JOIN "LiteLLM_VerificationToken" ON token = summed.api_key
        ORDER BY total_spend DESC""",
    ),
    (
        "Last30dModelsBySpend",
        f"""SELECT model, sum(spend) AS total_spend FROM "Switchgear_DailySpend" {SINCE} AND model <> ''
        GROUP BY 1 ORDER BY total_spend DESC""",
    ),
    (
        "Last30dTopEndUsersSpend",
        f"""SELECT end_user, sum(api_requests)::bigint AS total_events, sum(spend) AS total_spend
        FROM "Switchgear_DailyEndUserSpend" {SINCE} AND end_user <> user_id
        GROUP BY 1 ORDER BY total_spend DESC LIMIT 100""",
    ),
    (
        "DailyTagSpend",
        """SELECT tag AS individual_request_tag, date::date AS spend_date,
            sum(api_requests)::bigint AS log_count, sum(spend) AS total_spend
        FROM "Switchgear_DailyTagSpend" GROUP BY 1, 2""",
    ),
)


class RawTable(Table):
    """Piccolo's way to SQL of one's own."""


def statements() -> list[str]:
    sql = [ID_FUNCTION]
    for table in ROLLUPS:
        # room on the page: most writes add to a row that is there, and move no index entry
        sql.append(f'ALTER TABLE "{table}" SET (fillfactor = 70)')
        for column in ("created_at", "updated_at"):
            sql.append(
                f"""ALTER TABLE "{table}" ALTER COLUMN {column} SET DEFAULT (now() AT TIME ZONE 'utc')"""
            )
    sql += FILL
    for table, columns in INDEXES:
        listed = ", ".join(f'"{column}"' for column in columns)
        sql.append(f'CREATE INDEX "{table}_{"_".join(columns)}_idx" ON "{table}" ({listed})')
    sql += LOG_PAGE
    sql += [f'CREATE VIEW "{name}" AS {query}' for name, query in VIEWS]
    return sql


async def run() -> None:
    for statement in statements():
        await RawTable.raw(statement.replace("{", "{{").replace("}", "}}"))


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="switchgear", description=DESCRIPTION)
    manager.add_raw(run)
    return manager
