"""The statements of `just demo-data`: a company with teams, people, keys and budgets, and a month of calls.

Postgres draws the calls itself. Work is done on weekdays and by day, a few keys make most of the calls, a
provider has a bad afternoon, and five in a hundred calls don't end well.
"""

TEAMS = """
    INSERT INTO "LiteLLM_OrganizationTable" (organization_id, organization_alias, budget_id)
    VALUES ('acme', 'Acme', 'acme-month'), ('acme-labs', 'Acme Labs', 'labs-month');
    INSERT INTO "LiteLLM_TeamTable" (team_id, team_alias, organization_id, max_budget, budget_duration, models,
        budget_reset_at)
    SELECT id, id, org, budget, '30d', string_to_array(models, ','),
        date_trunc('month', now() AT TIME ZONE 'utc') + interval '1 month'
    FROM (VALUES ('research', 'acme-labs', 300, ''), ('platform', 'acme', 400, ''),
        ('support', 'acme', 380, 'gpt-5-mini,claude-haiku-4-5,llama3-local'),
        ('data', 'acme', 480, 'gpt-5,gpt-5-mini,text-embedding-3-small,gemini-2.5-pro'),
        ('legal', 'acme', 150, 'llama3-local,mistral-local,claude-sonnet-4-6')) AS t (id, org, budget, models)
"""
BUDGETS = """
    INSERT INTO "LiteLLM_BudgetTable" (budget_id, max_budget, budget_duration)
    VALUES ('acme-month', 5000, '30d'), ('labs-month', 2000, '30d'), ('trial', 5, '7d')
"""
PEOPLE = """
    INSERT INTO "LiteLLM_UserTable" (user_id, user_email, user_alias, user_role, role_source, max_budget,
        budget_duration, blocked, created_at)
    SELECT id, id || '@example.com', name, role, source, budget, CASE WHEN budget IS NOT NULL THEN '30d' END,
        blocked, now() AT TIME ZONE 'utc' - (50 + length(id)) * interval '1 day'
    FROM (VALUES ('ada', 'Ada Lovelace', 'proxy_admin', 'sql', NULL::numeric, false),
        ('grace', 'Grace Hopper', 'devops', 'api', NULL, false),
        ('bo', 'Bo Andersen', 'internal_user', 'claim', 200, false),
        ('eve', 'Eve Moreau', 'internal_user', 'claim', 400, false),
        ('kim', 'Kim Tran', 'internal_user', 'claim', NULL, false),
        ('noor', 'Noor Haddad', 'internal_user', 'claim', 120, false),
        ('luis', 'Luis Ortega', 'internal_user', 'default', 60, false),
        ('mei', 'Mei Tanaka', 'internal_user', 'claim', 300, false),
        ('otto', 'Otto Brandt', 'internal_user_viewer', 'claim', NULL, false),
        ('priya', 'Priya Nair', 'internal_user', 'scim', 200, false),
        ('sam', 'Sam Okafor', 'internal_user', 'default', 20, true))
        AS t (id, name, role, source, budget, blocked)
"""
MEMBERS = """
    INSERT INTO "LiteLLM_TeamMembership" (user_id, team_id, role)
    SELECT person, team, role FROM (VALUES ('ada', 'platform', 'admin'), ('kim', 'platform', 'user'),
        ('eve', 'research', 'admin'), ('mei', 'research', 'user'), ('priya', 'research', 'user'),
        ('bo', 'support', 'admin'), ('luis', 'support', 'user'), ('sam', 'support', 'user'),
        ('noor', 'data', 'admin'), ('kim', 'data', 'user'), ('otto', 'legal', 'admin'))
        AS t (person, team, role)
"""
KEYS = """
    INSERT INTO "LiteLLM_VerificationToken" (token, key_id, key_name, key_alias, user_id, team_id, max_budget,
        budget_duration, rpm_limit, models, blocked, expires, created_at, created_by)
    SELECT encode(sha256(('demo ' || alias)::bytea), 'hex'), 'demo-' || alias, 'sk-...' || right(md5(alias), 4),
        alias, person, team, budget, CASE WHEN budget IS NOT NULL THEN '30d' END, rpm,
        string_to_array(models, ','), blocked,
        now() AT TIME ZONE 'utc' + days * interval '1 day',
        now() AT TIME ZONE 'utc' - (40 + length(alias)) * interval '1 day', 'ada'
    FROM (VALUES ('notebook', 'eve', 'research', 150::numeric, NULL::bigint, '', NULL::boolean, NULL::int),
        ('agent', 'mei', 'research', 400, 60, '', NULL, NULL),
        ('evals', 'priya', 'research', 250, NULL, '', NULL, 21),
        ('helpdesk', NULL, 'support', 200, 300, 'gpt-5-mini,llama3-local', NULL, NULL),
        ('bo-laptop', 'bo', 'support', 120, NULL, '', NULL, 60),
        ('ci-nightly', NULL, 'platform', 110, 30, 'gpt-5-mini', NULL, 9),
        ('code-review', 'kim', 'platform', 800, NULL, '', NULL, NULL),
        ('embed-job', NULL, 'data', 90, NULL, 'text-embedding-3-small', NULL, NULL),
        ('dashboards', 'noor', 'data', 500, NULL, '', NULL, NULL),
        ('contracts', 'otto', 'legal', 150, NULL, 'llama3-local,mistral-local', NULL, NULL),
        ('old-prototype', 'sam', 'support', 20, NULL, '', true, NULL),
        ('workshop', 'luis', 'support', 10, 10, '', NULL, -3))
        AS t (alias, person, team, budget, rpm, models, blocked, days)
"""
MODELS = """
    CREATE TEMP TABLE demo_model (name text, provider text, served text, base text, input numeric, output numeric,
        ms int, low float, high float) ON COMMIT DROP;
    INSERT INTO demo_model VALUES
        ('claude-sonnet-4-6', 'anthropic', 'claude-sonnet-4-6', 'https://api.anthropic.com', 3, 15, 2600, 0, .22),
        ('gpt-5', 'openai', 'gpt-5', 'https://api.openai.com/v1', 1.25, 10, 2200, .22, .40),
        ('gpt-5-mini', 'openai', 'gpt-5-mini', 'https://api.openai.com/v1', .25, 2, 900, .40, .60),
        ('gemini-2.5-pro', 'gemini', 'gemini-2.5-pro', 'https://generativelanguage.googleapis.com', 1.25, 10, 1900,
            .60, .70),
        ('llama3-local', 'ollama', 'llama3', 'http://ollama:11434', 0, 0, 3100, .70, .82),
        ('text-embedding-3-small', 'openai', 'text-embedding-3-small', 'https://api.openai.com/v1', .02, 0, 140, .82,
            .90),
        ('claude-haiku-4-5', 'anthropic', 'claude-haiku-4-5', 'https://api.anthropic.com', 1, 5, 1000, .90, .96),
        ('mistral-local', 'ollama', 'mistral', 'http://ollama:11434', 0, 0, 2700, .96, 1.01);
    CREATE TEMP TABLE demo_key ON COMMIT DROP AS
    SELECT token, key_id, key_alias, coalesce(k.user_id, '') AS user_id, k.team_id, t.organization_id,
        (row_number() OVER (ORDER BY key_alias) - 1) / 10.0 AS low
    FROM "LiteLLM_VerificationToken" k JOIN "LiteLLM_TeamTable" t USING (team_id)
    WHERE key_id LIKE 'demo-%' AND key_alias NOT IN ('old-prototype', 'workshop')
"""
CALLS = """
    INSERT INTO "LiteLLM_SpendLogs" (request_id, call_type, api_key, key_id, key_alias, "user", team_id,
        organization_id, model_group, model, model_id, custom_llm_provider, api_base, "startTime",
        "completionStartTime", "endTime", request_duration_ms, ttft_ms, prompt_tokens, completion_tokens,
        total_tokens, cached_tokens, spend, status, outcome, http_status, error_class, error_message,
        litellm_call_id, response_id, request_tags, metadata, requester_ip_address, user_agent, streamed,
        price_source, price_version, estimated, cache_hit)
    WITH drawn AS MATERIALIZED (
        SELECT n, $1::timestamp + CASE WHEN random() < .82 THEN interval '8 hours' + random() * interval '10 hours'
                ELSE random() * interval '24 hours' END AS at,
            random() ^ 1.35 AS which_key, random() AS which_model, random() AS fate,
            (300 * exp(3.6 * random()))::int AS prompt, (60 * exp(3.4 * random()))::int AS answer,
            exp(1.7 * random() - .85) AS pace, random() AS label
        FROM generate_series(1, $2::int) AS n
    ), fated AS (
        SELECT d.*, k.token, k.key_id, k.key_alias, k.user_id, k.team_id, k.organization_id, m.name, m.provider, m.served, m.base,
            m.input, m.output, CASE WHEN m.output = 0 AND m.input > 0 THEN 0 ELSE d.answer END AS made,
            (m.ms * d.pace * (.4 + d.answer / 300.0))::int + 90 AS ms,
            d.fate - CASE WHEN $3::boolean AND m.provider = 'openai' AND extract(hour FROM d.at) = 14 THEN .22
                ELSE 0 END AS luck
        FROM drawn d JOIN demo_key k ON d.which_key >= k.low AND d.which_key < k.low + .1
            JOIN demo_model m ON d.which_model >= m.low AND d.which_model < m.high
        WHERE d.at < now() AT TIME ZONE 'utc' - interval '20 seconds'
    ), judged AS (
        SELECT *, CASE WHEN luck < .012 THEN 'failed' WHEN luck < .030 THEN 'refused' WHEN luck < .040 THEN 'cancelled'
                WHEN luck < .0425 AND input > 0 THEN 'uncertain' ELSE 'ok' END AS outcome,
            lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') AS stamp, md5(n::text || at::text) AS hash
        FROM fated
    ), priced AS (
        SELECT *, CASE WHEN outcome IN ('failed', 'refused') THEN 0 ELSE 1 END AS works,
            substr(stamp, 1, 8) || '-' || substr(stamp, 9, 4) || '-7' || substr(hash, 1, 3) || '-a' || substr(hash, 4, 3)
                || '-' || substr(hash, 7, 12) AS id
        FROM judged
    ), costed AS (
        SELECT *, works * prompt AS used, works * made AS given, works * (prompt / 4) AS cached,
            round(works * (prompt - prompt / 4) * input / 1e6, 9) AS plain,
            round(works * (prompt / 4) * input / 1e7, 9) AS reading, round(works * made * output / 1e6, 9) AS writing
        FROM priced
    )
    SELECT id, CASE WHEN output = 0 AND input > 0 THEN '/v1/embeddings' WHEN provider = 'anthropic' AND label < .4
            THEN '/v1/messages' ELSE '/v1/chat/completions' END,
        token, key_id, key_alias, user_id, team_id, organization_id, name,
        CASE outcome WHEN 'refused' THEN '' ELSE served END, md5(name), CASE outcome WHEN 'refused' THEN '' ELSE provider END,
        CASE outcome WHEN 'refused' THEN '' ELSE base END, at,
        CASE WHEN works = 1 THEN at + ms * interval '0.2 milliseconds' END,
        at + CASE outcome WHEN 'refused' THEN 3 ELSE ms END * interval '1 millisecond',
        CASE outcome WHEN 'refused' THEN 3 ELSE ms END, CASE WHEN works = 1 THEN (ms * .2)::int END,
        used, given, used + given, cached, plain + reading + writing,
        CASE WHEN outcome = 'ok' THEN 'success' ELSE 'failure' END, outcome,
        CASE outcome WHEN 'ok' THEN 200 WHEN 'refused' THEN 429 WHEN 'cancelled' THEN 499 WHEN 'uncertain' THEN 504 ELSE 502 END,
        CASE outcome WHEN 'refused' THEN 'RateLimited' WHEN 'failed' THEN 'UpstreamError' WHEN 'uncertain' THEN 'UpstreamTimeout'
            WHEN 'cancelled' THEN 'ClientLeft' END,
        CASE outcome WHEN 'refused' THEN 'The key ' || key_alias || ' may make 30 requests a minute.'
            WHEN 'failed' THEN provider || ' answered 503: the server is overloaded.'
            WHEN 'uncertain' THEN provider || ' did not answer within 60 s.' WHEN 'cancelled' THEN 'The client left.' END,
        id, CASE WHEN outcome = 'ok' THEN 'chatcmpl-' || substr(hash, 1, 24) END,
        CASE WHEN label < .3 THEN jsonb_build_array('env:prod', 'app:' || key_alias) ELSE '[]'::jsonb END,
        jsonb_build_object('user_api_key', token, 'user_api_key_alias', key_alias, 'user_api_key_user_id', user_id,
            'user_api_key_team_id', team_id, 'user_api_key_org_id', organization_id,
            'requester_ip_address', '192.0.2.' || (7 + length(key_alias)), 'user_agent', 'OpenAI/Python 2.0',
            'usage_object', jsonb_build_object('prompt_tokens', used, 'completion_tokens', given, 'total_tokens',
                used + given, 'cache_read_input_tokens', cached),
            'route', jsonb_build_object('strategy', 'simple-shuffle', 'model', name, 'id', md5(name),
                'of', 2, 'retries', CASE WHEN label BETWEEN .05 AND .09 THEN 1 ELSE 0 END,
                'passed_over', CASE WHEN label BETWEEN .05 AND .09 THEN jsonb_build_array(jsonb_build_object(
                    'model', name, 'id', md5(name || '2'), 'why', 'cooling')) ELSE '[]'::jsonb END))
            || CASE WHEN plain + reading + writing > 0 THEN jsonb_build_object('cost_breakdown', jsonb_build_object(
                'input_cost', (plain + reading)::text, 'output_cost', writing::text, 'tool_usage_cost', '0',
                'total_cost', (plain + reading + writing)::text, 'cache_read_cost', reading::text,
                'cache_creation_cost', '0', 'reasoning_cost', '0', 'additional_costs', '{}'::jsonb))
                ELSE '{}'::jsonb END,
        '192.0.2.' || (7 + length(key_alias)), 'OpenAI/Python 2.0', label < .6 AND works = 1,
        CASE WHEN input = 0 THEN 'local' ELSE 'genai-prices' END, '2026-11-20', outcome = 'uncertain', 'False'
    FROM costed
"""
COUNTERS = """
    UPDATE "LiteLLM_VerificationToken" k SET spend = s.spend FROM (SELECT api_key, sum(spend) AS spend
        FROM "Switchgear_DailySpend" WHERE date >= to_char(now() - interval '29 days', 'YYYY-MM-DD') GROUP BY 1) AS s
        WHERE k.token = s.api_key;
    UPDATE "LiteLLM_TeamTable" t SET spend = s.spend FROM (SELECT team_id, sum(spend) AS spend
        FROM "Switchgear_DailySpend" GROUP BY 1) AS s WHERE t.team_id = s.team_id;
    UPDATE "LiteLLM_UserTable" u SET spend = s.spend FROM (SELECT user_id, sum(spend) AS spend
        FROM "Switchgear_DailySpend" GROUP BY 1) AS s WHERE u.user_id = s.user_id;
    UPDATE "LiteLLM_OrganizationTable" o SET spend = s.spend FROM (SELECT organization_id, sum(spend) AS spend
        FROM "Switchgear_DailySpend" GROUP BY 1) AS s WHERE o.organization_id = s.organization_id
"""
"""What holders have spent. Research is over its budget, so that its calls are refused."""
CUSTOMERS = """
    INSERT INTO "LiteLLM_TagTable" (tag_name, description) VALUES ('env:prod', 'Calls of production'),
        ('app:helpdesk', 'The help desk')
"""
FOUND = """
    SELECT EXISTS (SELECT FROM "LiteLLM_SpendLogs") OR EXISTS (SELECT FROM "LiteLLM_VerificationToken")
        OR EXISTS (SELECT FROM "LiteLLM_TeamTable") OR EXISTS (SELECT FROM "LiteLLM_UserTable")
"""
