"""Metrics and alerts of a real gateway of two workers: what Prometheus scrapes, what a webhook gets."""

import asyncio
import hashlib
import http.server
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from runtime.telemetry.snapshots import EVERY_S
from tests.conftest import execute
from tests.databases import dsn_of
from tests.e2e.gateway import Gateway, query, serving, until
from tests.fakes.answers import COMPLETION_TOKENS
from tests.fakes.hostile_upstream import HostileUpstream
from tests.fakes.in_thread import answering

TOKEN = "sk-metrics-0123456789abcdef"
ASK = {"messages": [{"role": "user", "content": "hi"}]}
TWO_CALLS = COMPLETION_TOKENS / 1000 * 2
"""Dollars."""


class Hook:
    """A webhook on loopback."""

    def __init__(self) -> None:
        got: list[dict[str, Any]] = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                got.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                return

        self.got = got
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{server.server_port}/hook-with-a-secret"
        self._running = ExitStack()
        self._running.enter_context(answering(server))

    def of(self, event: str) -> list[dict[str, Any]]:
        return [each for each in self.got if each["event"] == event]

    def close(self) -> None:
        self._running.close()


@pytest.fixture(scope="module")
def hook() -> Iterator[Hook]:
    hook = Hook()
    yield hook
    hook.close()


@pytest.fixture(scope="module")
def two(
    postgres_server: str,
    migrated_template: str,
    upstream: HostileUpstream,
    hook: Hook,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Gateway]:
    name = "telemetry"
    execute(postgres_server, f"CREATE DATABASE {name} TEMPLATE {migrated_template}")
    params = {"model": "openai/gpt-x", "api_base": f"{upstream.url}/v1", "api_key": "sk-upstream"}
    prices = {"input_cost_per_token": 0, "output_cost_per_token": 0.001}
    config = {
        "model_list": [{"model_name": "paid", "litellm_params": {**params, **prices}}],
        "general_settings": {"alerting": ["webhook"]},
        "litellm_settings": {"max_end_user_budget": TWO_CALLS},
    }
    env = {"WEBHOOK_URL": hook.url, "SWITCHGEAR_METRICS_TOKEN": TOKEN}
    folder, dsn = tmp_path_factory.mktemp("telemetry"), dsn_of(postgres_server, name)
    with serving(folder, config, dsn, "--workers", "2", env=env) as gateway:
        yield gateway
    execute(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


def ask(gateway: Gateway, key: str, **more: object) -> int:
    headers = {"authorization": f"Bearer {key}", "connection": "close"}
    body = {**ASK, "model": "paid", "max_tokens": COMPLETION_TOKENS, **more}
    url = f"{gateway.url}/v1/chat/completions"
    return httpx.post(url, json=body, headers=headers, timeout=30).status_code


def scraped(gateway: Gateway) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    answer = httpx.get(f"{gateway.url}/metrics", headers={"authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_every_worker_is_in_the_metrics_also_one_that_was_killed(two: Gateway) -> None:
    key = two.virtual_key("metered")
    calls = "switchgear_attempts_total", (("model", "paid"), ("outcome", "ok"), ("provider", "openai"))
    before = scraped(two).get(calls, 0.0)
    for _ in range(20):
        assert ask(two, key) == 200
    until(lambda: scraped(two).get(calls, 0.0) == before + 20, what="20 attempts of two workers")
    until(lambda: scraped(two)["switchgear_workers", ()] == 2, what="two workers")
    time.sleep(3 * EVERY_S)  # what a worker counted in its last second dies with it
    killed = two.process.workers()[0]
    killed.kill()
    killed.wait(10)  # until then a connection may still be given to it

    def are_two() -> bool:
        try:
            return scraped(two)["switchgear_workers", ()] == 2
        except httpx.TransportError:
            return False  # the worker that was killed had this connection

    until(are_two, what="another worker")
    assert scraped(two)[calls] == before + 20


def test_refusals_are_counted_and_no_name_that_somebody_chose_is_a_label(two: Gateway) -> None:
    refused = "switchgear_requests_total", (("function", "chat"), ("status", "401"))
    key = two.virtual_key("chosen-alias")
    before = scraped(two).get(refused, 0.0)
    assert ask(two, "sk-chosen-unknown-key") == 401
    assert ask(two, key, model="chosen-model") == 404
    assert ask(two, key, user="chosen-user") == 200
    until(lambda: scraped(two).get(refused, 0.0) == before + 1, what="a refusal")
    unrouted = "switchgear_unrouted_total", (("function", "chat"), ("reason", "unknown"))
    until(lambda: scraped(two).get(unrouted) == 1, what="a call that reached no deployment")
    assert "chosen" not in str(scraped(two))


def test_who_may_read_the_metrics(two: Gateway) -> None:
    def status(key: str | None, path: str = "/metrics") -> int:
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        return httpx.get(f"{two.url}{path}", headers=headers).status_code

    two.post("/user/new", user_id="somebody", user_role="internal_user", auto_create_key=False)
    assert status(None) == 401
    assert status(two.virtual_key("nobodys")) == 403
    assert status(two.virtual_key("a users", user_id="somebody")) == 403
    assert status(two.key) == status(TOKEN) == 200
    assert status(TOKEN, "/key/list") == status(TOKEN, "/alerts") == status(TOKEN, "/v1/models") == 403


def test_a_call_beyond_its_hold_and_a_budget_that_runs_out_are_alerts_told_once(
    two: Gateway, hook: Hook
) -> None:
    key = two.virtual_key("alerted", max_budget=TWO_CALLS, soft_budget=0.001)
    for _ in range(2):
        assert ask(two, key, max_tokens=1) == 200
    events = {"hold_exceeded", "soft_budget", "budget_reached"}
    until(lambda: events <= {each["event"] for each in hook.got}, what="three alerts")
    (exceeded,) = hook.of("hold_exceeded")
    assert exceeded["object"].startswith("paid (")
    assert "openai billed more than the request allowed" in exceeded["event_message"]
    until(lambda: alert_lines(two) == len(hook.got), what="a log line for each")
    assert "hook-with-a-secret" not in two.process.log()
    listed = httpx.get(f"{two.url}/alerts", headers={"authorization": f"Bearer {two.key}"}).json()
    by_kind = {alert["kind"]: alert for alert in listed["alerts"]}
    assert by_kind["hold_exceeded"]["times"] == 2
    until(lambda: told(two) == listed["total"], what="that all are told")


def test_budgets_with_an_account_of_their_own_and_those_by_default_are_told_once(
    two: Gateway, hook: Hook
) -> None:
    two.post("/customer/new", user_id="entered")
    key = two.virtual_key(
        "windowed",
        budget_limits=[{"budget_duration": "1d", "max_budget": TWO_CALLS}],
        model_max_budget={"paid": {"max_budget": TWO_CALLS, "budget_duration": "7d"}},
    )
    other = two.virtual_key("of a customer")
    for _ in range(2):
        assert ask(two, key) == 200
    for user in ("entered", "entered", "named", "named"):
        assert ask(two, other, user=user) == 200
    of_key = f"key:{hashlib.sha256(key.encode()).hexdigest()}"
    spent = f"has spent ${TWO_CALLS:g} of ${TWO_CALLS:g}"
    expected = {
        f"window 1d of {of_key}": f"{of_key} {spent} in its window of 1d.",
        f"model paid of {of_key}": f"{of_key} {spent} on the model paid.",
        "customer:entered": f"customer:entered {spent}.",
        "customer:named": f"customer:named {spent}.",
    }

    def reached() -> list[tuple[str, str]]:
        found = [(each["object"], each["event_message"]) for each in hook.of("budget_reached")]
        return sorted(each for each in found if each[0] in expected)

    until(lambda: len(reached()) == len(expected), what="the four budgets")
    assert ask(two, key) == ask(two, other, user="named") == 422
    assert reached() == sorted(expected.items())


def alert_lines(gateway: Gateway) -> int:
    return sum('"event":"alert"' in line.replace(" ", "") for line in gateway.process.log().splitlines())


def told(gateway: Gateway) -> int:
    sql = 'SELECT count(told_at) AS n FROM "Switchgear_Alert"'
    return int(asyncio.run(query(gateway.dsn, sql))[0]["n"])
