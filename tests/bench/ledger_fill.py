"""Plausible rows for the ledger, made by Postgres itself: 30 days, 500 keys in 40 teams, 30 models.

A few keys make most of the calls, and a few models take most of them. Three keys in ten name end users, and
two in ten are tagged. Four calls in a hundred fail.
"""

import time
from collections.abc import Callable
from datetime import datetime, timedelta

import asyncpg

from runtime.postgres.partitions import ensure_partition
from schema.tables.partitions import month_of
from schema.tables.rollup_fill import FILL

KEYS, TEAMS, USERS, MODELS, ORGANIZATIONS, END_USERS = 500, 40, 200, 30, 8, 2_000
DAYS = 30

GOVERNED = (
    f"""INSERT INTO "LiteLLM_OrganizationTable" (organization_id, organization_alias, budget_id)
    SELECT 'org-' || n, 'Organization ' || n, 'shared' FROM generate_series(0, {ORGANIZATIONS - 1}) AS n""",
    f"""INSERT INTO "LiteLLM_TeamTable" (team_id, team_alias, organization_id)
    SELECT 'team-' || n, 'Team ' || n, 'org-' || n % {ORGANIZATIONS}
    FROM generate_series(0, {TEAMS - 1}) AS n""",
    f"""INSERT INTO "LiteLLM_UserTable" (user_id, user_email)
    SELECT 'user-' || n, 'user-' || n || '@example.com' FROM generate_series(0, {USERS - 1}) AS n""",
    f"""INSERT INTO "LiteLLM_VerificationToken" (token, key_id, key_alias, user_id, team_id)
    SELECT encode(sha256(n::text::bytea), 'hex'), 'key-' || n, 'alias-' || n, 'user-' || n % {USERS},
        'team-' || n % {TEAMS} FROM generate_series(0, {KEYS - 1}) AS n""",
)

ROWS = f"""
WITH drawn AS MATERIALIZED (
    SELECT n, $1::timestamp + random() * interval '1 day' AS at,
        floor({KEYS} * random() ^ 2)::int AS key, floor(5 * random() ^ 2)::int AS nth, random() AS fate,
        (50 * exp(4 * random()))::int AS prompt, (20 * exp(4 * random()))::int AS answer,
        (300 * exp(3 * random()))::int AS ms, random() AS label
    FROM generate_series(1, $2::int) AS n
), named AS (
    SELECT *, (key * 7 + nth) % {MODELS} AS model, key % {TEAMS} AS team, key % {USERS} AS person,
        CASE WHEN fate < 0.96 THEN 'ok' WHEN fate < 0.98 THEN 'failed' WHEN fate < 0.99 THEN 'refused'
             WHEN fate < 0.995 THEN 'cancelled' ELSE 'uncertain' END AS outcome,
        lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '-7'
            || md5(n::text || at::text) AS id
    FROM drawn
)
INSERT INTO "LiteLLM_SpendLogs" (request_id, call_type, api_key, key_alias, "user", team_id, organization_id,
    end_user, model_group, model, model_id, custom_llm_provider, api_base, "startTime", "completionStartTime",
    "endTime", request_duration_ms, ttft_ms, prompt_tokens, completion_tokens, total_tokens, cached_tokens,
    spend, status, outcome, http_status, error_class, error_message, litellm_call_id, session_id,
    request_tags, metadata, requester_ip_address, user_agent, streamed, price_source, estimated)
SELECT id, CASE WHEN model % 10 < 9 THEN 'acompletion' ELSE 'aembedding' END, h, 'alias-' || key,
    'user-' || person, 'team-' || team, 'org-' || team % {ORGANIZATIONS},
    CASE WHEN key % 10 < 3 THEN 'customer-' || floor({END_USERS} * label * label)::int END,
    'model-' || model, 'vendor-model-' || model || '-2026', md5(model::text), 'vendor-' || model % 5,
    'https://api.vendor-' || model % 5 || '.example.com/v1', at,
    CASE WHEN outcome <> 'refused' THEN at + ms * interval '0.4 milliseconds' END,
    at + ms * interval '1 millisecond', ms, CASE WHEN outcome <> 'refused' THEN (ms * 0.4)::int END,
    prompt, answer, prompt + answer, prompt / 4,
    CASE WHEN outcome = 'refused' THEN 0.000000000 ELSE round((prompt * 2000 + answer * 8000) / 1e9, 9) END,
    CASE WHEN outcome = 'ok' THEN 'success' ELSE 'failure' END, outcome,
    CASE outcome WHEN 'ok' THEN 200 WHEN 'refused' THEN 429 WHEN 'cancelled' THEN 499 ELSE 502 END,
    CASE outcome WHEN 'ok' THEN NULL WHEN 'refused' THEN 'RateLimited' ELSE 'UpstreamError' END,
    CASE outcome WHEN 'ok' THEN NULL ELSE 'The provider said no, in so many words.' END,
    CASE WHEN label < 0.1 THEN md5(id) ELSE id END,
    CASE WHEN label < 0.1 THEN 'session-' || md5((n / 8)::text || at::date::text) END,
    CASE WHEN key % 10 < 2 THEN jsonb_build_array('app:' || key, 'env:prod') ELSE '[]'::jsonb END,
    jsonb_build_object('user_api_key', h, 'user_api_key_alias', 'alias-' || key, 'user_api_key_user_id',
        'user-' || person, 'user_api_key_team_id', 'team-' || team, 'requester_ip_address', '192.0.2.7',
        'user_agent', 'OpenAI/Python 2.0'),
    '192.0.2.7', 'OpenAI/Python 2.0', label < 0.5, 'genai-prices', outcome = 'uncertain'
FROM named, LATERAL (SELECT encode(sha256(key::text::bytea), 'hex') AS h) AS hashed ORDER BY at
"""
INDEXES = """
    SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS made FROM pg_index
    WHERE indrelid = '"LiteLLM_SpendLogs"'::regclass AND NOT indisprimary ORDER BY 1
"""


async def fill(
    connection: asyncpg.Connection, rows: int, begin: datetime, days: int, said: Callable[[str], None]
) -> None:
    """Fill the tables of keys and teams, the log and the rollups with calls of so many days since `begin`
    (UTC, without a time zone). The log's indexes are made afterwards, one by one."""
    await connection.execute("SET statement_timeout = 0; SET synchronous_commit = off; SELECT setseed(0.42)")
    await connection.execute("SET maintenance_work_mem = '512MB'; SET work_mem = '256MB'")
    await connection.execute("""INSERT INTO "LiteLLM_BudgetTable" (budget_id) VALUES ('shared')""")
    for statement in GOVERNED:
        await connection.execute(statement)
    for month in sorted({month_of((begin + timedelta(days=day)).date()) for day in range(days + 1)}):
        await ensure_partition(connection, month)
    indexes = await connection.fetch(INDEXES)
    for index in indexes:
        await connection.execute(f"DROP INDEX {index['name']}")
    began = time.monotonic()
    for day in range(days):
        await connection.execute(
            ROWS,
            begin + timedelta(days=day),
            rows // days,
            timeout=3600,
        )
    said(f"filled {rows:,} rows in {time.monotonic() - began:.0f} s")
    for index in indexes:
        began = time.monotonic()
        await connection.execute(index["made"].replace(" ONLY ", " "), timeout=3600)
        said(f"made {index['name']} in {time.monotonic() - began:.0f} s")
    for statement in FILL:
        began = time.monotonic()
        await connection.execute(statement, timeout=3600)
        said(f"summed into {statement.split()[2]} in {time.monotonic() - began:.0f} s")
    await connection.execute("VACUUM ANALYZE", timeout=3600)
