"""Reports, the log page and its files, of a gateway that serves calls: LiteLLM's shapes, over HTTP."""

import asyncio
import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from tests.conftest import execute
from tests.databases import dsn_of
from tests.e2e.gateway import Gateway, query, serving
from tests.fakes.answers import COMPLETION_TOKENS
from tests.fakes.hostile_upstream import HostileUpstream

CALL_USD = Decimal(COMPLETION_TOKENS) / 1000
HELLO = [{"role": "user", "content": "hi"}]
TODAY = datetime.now(UTC).date()
DATES = f"start_date={TODAY - timedelta(days=1)}&end_date={TODAY + timedelta(days=1)}"
METRICS = {
    "spend", "prompt_tokens", "completion_tokens", "cache_read_input_tokens", "cache_creation_input_tokens",
    "total_tokens", "successful_requests", "failed_requests", "api_requests", "total_response_time_ms",
    "timed_requests",
}  # fmt: skip
"""LiteLLM's names."""
EXPORTED = 60_000
GROWTH_MB = 60


@pytest.fixture(scope="module")
def gateway(
    postgres_server: str,
    migrated_template: str,
    upstream: HostileUpstream,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Gateway]:
    """Three calls were made: two of ada's with tags and an end user, one of bob's; and one was refused."""
    name = "reports_e2e"
    execute(postgres_server, f"CREATE DATABASE {name} TEMPLATE {migrated_template}")
    folder, dsn = tmp_path_factory.mktemp("reports"), dsn_of(postgres_server, name)
    params = {
        "model": "openai/gpt-x",
        "api_base": f"{upstream.url}/v1",
        "api_key": "sk-upstream",
        "input_cost_per_token": 0,
        "output_cost_per_token": 0.001,
    }
    config = {"model_list": [{"model_name": "paid", "litellm_params": params}]}
    with serving(folder, config, dsn) as made:
        ada = made.virtual_key("ada", user_id="ada")
        bob = made.virtual_key("bob", user_id="bob")
        for key, more in (
            (ada, {"user": "eve", "metadata": {"tags": ["batch"]}}),
            (ada, {"user": "eve", "tags": ["batch", "night"]}),
            (bob, {}),
        ):
            answer = made.post("/v1/chat/completions", key=key, model="paid", messages=HELLO, **more)
            assert answer.status_code == 200, answer.text
        assert made.post("/v1/chat/completions", key=bob, model="none", messages=HELLO).status_code == 404
        made.rows(count=4)
        yield made
    execute(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


def as_json(reply: httpx.Response) -> Any:  # whatever the answer's shape
    assert reply.status_code == 200, reply.text
    return json.loads(reply.text, parse_float=Decimal)


def test_the_log_is_paged_by_number_and_by_cursor(gateway: Gateway) -> None:
    page = as_json(gateway.get(f"/spend/logs/v2?{DATES}&page_size=3"))
    assert {name: page[name] for name in ("total", "page", "page_size", "total_pages")} == {
        "total": 4, "page": 1, "page_size": 3, "total_pages": 2,
    }  # fmt: skip
    rest = as_json(gateway.get(f"/spend/logs/ui?{DATES}&page_size=3&cursor={page['next_cursor']}"))
    seen = [row["request_id"] for row in (*page["data"], *rest["data"])]
    assert (len(set(seen)), rest["next_cursor"]) == (4, None)
    tagged = as_json(gateway.get(f"/spend/logs/v2?{DATES}&tag=night"))
    (row,) = tagged["data"]
    assert (row["request_tags"][:2], row["end_user"], row["spend"]) == (["batch", "night"], "eve", CALL_USD)
    program = f"User-Agent: python-httpx/{httpx.__version__}"
    assert row["request_tags"][2:] == ["User-Agent: python-httpx", program]
    for id_ in (row["request_id"], row["litellm_call_id"]):
        one = as_json(gateway.get(f"/spend/logs/ui/{id_}"))
        assert one | row == one
    alike = as_json(gateway.get(f"/spend/logs?request_id={row['response_id']}"))
    assert row["request_id"] in [each["request_id"] for each in alike]


def test_a_day_of_activity_has_the_peers_metrics_and_breakdown(gateway: Gateway) -> None:
    answer = as_json(gateway.get(f"/user/daily/activity?{DATES}"))
    (day,) = answer["results"]
    assert day["metrics"].keys() >= METRICS
    assert (day["metrics"]["spend"], day["metrics"]["api_requests"]) == (3 * CALL_USD, 4)
    assert (day["metrics"]["successful_requests"], day["metrics"]["failed_requests"]) == (3, 1)
    assert day["breakdown"].keys() == {
        "models", "model_groups", "providers", "endpoints", "api_keys", "entities", "mcp_servers",
    }  # fmt: skip
    assert day["breakdown"]["entities"]["ada"]["metrics"]["spend"] == 2 * CALL_USD
    assert answer["metadata"]["total_spend"] == 3 * CALL_USD
    assert answer["metadata"].keys() >= {"page", "total_pages", "has_more", "total_api_requests"}


def test_the_charts_agree(gateway: Gateway) -> None:
    everything = 3 * CALL_USD
    assert as_json(gateway.get("/global/spend"))["spend"] == everything
    assert sum(day["spend"] for day in as_json(gateway.get("/global/spend/logs"))) == everything
    assert sum(key["total_spend"] for key in as_json(gateway.get("/global/spend/keys"))) == everything
    assert [each["total_spend"] for each in as_json(gateway.get("/global/spend/models"))] == [everything]
    tags = as_json(gateway.get("/spend/tags"))
    counts = {tag["individual_request_tag"]: tag["log_count"] for tag in tags}
    assert (counts["batch"], counts["night"], counts["User-Agent: python-httpx"], len(counts)) == (2, 1, 4, 4)
    (eve,) = as_json(gateway.post("/global/spend/end_users"))
    assert (eve["end_user"], eve["total_count"], eve["total_spend"]) == ("eve", 2, 2 * CALL_USD)
    (day,) = as_json(gateway.get(f"/global/spend/report?{DATES}"))
    assert sum(team["total_spend"] for team in day["teams"]) == everything
    activity = as_json(gateway.get(f"/global/activity?{DATES}"))
    assert activity["sum_api_requests"] == 4
    (row,) = asyncio.run(query(gateway.dsn, 'SELECT sum(spend) AS spend FROM "LiteLLM_SpendLogs"'))
    assert row["spend"] == everything


def test_a_member_sees_its_own_everywhere(gateway: Gateway) -> None:
    key = gateway.virtual_key("ada again", user_id="ada")
    assert as_json(gateway.get("/global/spend", key=key))["spend"] == 2 * CALL_USD
    page = as_json(gateway.get(f"/spend/logs/v2?{DATES}", key=key))
    assert {row["user"] for row in page["data"]} == {"ada"}
    (day,) = as_json(gateway.get(f"/user/daily/activity?{DATES}", key=key))["results"]
    assert set(day["breakdown"]["entities"]) == {"ada"}
    assert gateway.post("/global/spend/reset", key=key).status_code == 403


def test_a_file_of_any_length_is_sent_in_bounded_memory(gateway: Gateway) -> None:
    """60,000 rows are 60 MB; the worker may not grow by as much."""
    execute(
        gateway.dsn,
        f"""INSERT INTO "LiteLLM_SpendLogs" (request_id, call_type, api_key, "startTime", "endTime", outcome,
                http_status, spend, error_message)
            SELECT 'many-' || n, 'acompletion', 'k', now, now, 'ok', 200, 0.000000001, repeat('x', 500)
            FROM generate_series(1, {EXPORTED}) AS n, timezone('utc', now()) AS now""",
    )
    before_mb, most_mb, size = gateway.process.rss_mb(), 0.0, 0
    lines = 0
    url = f"{gateway.url}/spend/logs/export?{DATES}&api_key=k"
    with httpx.stream("GET", url, headers={"authorization": f"Bearer {gateway.key}"}, timeout=120) as reply:
        assert reply.headers["content-type"] == "application/jsonl"
        assert reply.headers["content-disposition"] == 'attachment; filename="spend.jsonl"'
        for piece in reply.iter_bytes():
            lines += piece.count(b"\n")
            size += len(piece)
            if size // 5_000_000 != (size - len(piece)) // 5_000_000:
                most_mb = max(most_mb, gateway.process.rss_mb())
    assert lines == EXPORTED
    assert size > 60_000_000
    assert most_mb - before_mb < GROWTH_MB, f"grew by {most_mb - before_mb:.0f} MB over {size / 1e6:.0f} MB"
    text = gateway.get(f"/spend/logs/export?{DATES}&user_id=ada&format=csv").text
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [Decimal(row["spend"]) for row in rows] == [CALL_USD, CALL_USD]
