"""Budgets of tags and projects at four workers: they are not overspent, and what was spent stands in their
rows, also after a kill."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import msgspec
import psutil
import pytest

from tests.e2e.gateway import Gateway, query, serving, until
from tests.fakes.answers import COMPLETION_TOKENS, PROMPT_TOKENS
from tests.fakes.hostile_upstream import HostileUpstream

PRICE = Decimal("0.001")
"""Dollars for a token, of input and of output."""
COST = (PROMPT_TOKENS + COMPLETION_TOKENS) * PRICE


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of holder: how one is made and changed, and the SQL of what it spent, and of its rows."""

    new: str
    update: str
    named: str
    spent: str
    booked: str


KINDS = {
    "tag": Kind(
        new="/tag/new",
        update="/tag/update",
        named="name",
        spent='SELECT spend FROM "LiteLLM_TagTable" WHERE tag_name = $1',
        booked='SELECT coalesce(sum(spend), 0) FROM "LiteLLM_SpendLogs" WHERE request_tags ? $1',
    ),
    "project": Kind(
        new="/project/new",
        update="/project/update",
        named="project_id",
        spent='SELECT spend FROM "LiteLLM_ProjectTable" WHERE project_id = $1',
        booked='SELECT coalesce(sum(spend), 0) FROM "LiteLLM_SpendLogs" WHERE project_id = $1',
    ),
}


def config(upstream: HostileUpstream) -> dict[str, object]:
    params = {
        "model": "openai/gpt-4o",
        "api_base": f"{upstream.url}/v1",
        "api_key": "sk-of-the-provider",
        "input_cost_per_token": str(PRICE),
        "output_cost_per_token": str(PRICE),
    }
    return {
        "model_list": [{"model_name": "m", "litellm_params": params}],
        "router_settings": {"num_retries": 0},
    }


class Held:
    """A tag or project with a budget, and calls under it."""

    def __init__(self, gateway: Gateway, kind: str, max_budget: float) -> None:
        self.gateway, self.kind, self.sql = gateway, kind, KINDS[kind]
        gateway.post("/team/new", team_id="red")
        fields: dict[str, Any] = {self.sql.named: "alpha", "max_budget": max_budget}
        if kind == "project":
            fields["team_id"] = "red"
        made = gateway.post(self.sql.new, **fields)
        assert made.status_code == 200, made.text
        of_project: dict[str, Any] = {"project_id": "alpha"} if kind == "project" else {}
        self.key = gateway.virtual_key("inside", team_id="red", **of_project)
        self.other = gateway.virtual_key("outside", team_id="red")

    def ask(self, text: str = "x", *, inside: bool = True) -> httpx.Response:
        tags = {"metadata": {"tags": ["alpha" if inside else "beta"]}} if self.kind == "tag" else {}
        return self.gateway.post(
            "/v1/chat/completions",
            key=self.key if inside else self.other,
            model="m",
            messages=[{"role": "user", "content": text}],
            max_tokens=COMPLETION_TOKENS,
            **tags,
        )

    def call(self) -> int:
        try:
            return self.ask().status_code
        except httpx.TransportError:
            return 0

    def spent(self) -> Decimal:
        return self._dollars(self.sql.spent)

    def booked(self) -> Decimal:
        return self._dollars(self.sql.booked)

    def _dollars(self, sql: str) -> Decimal:
        found: Decimal = asyncio.run(query(self.gateway.dsn, sql, "alpha"))[0][0]
        return found


@pytest.mark.parametrize("kind", KINDS)
def test_a_budget_is_not_overspent_by_calls_at_once(
    postgres_dsn: str, upstream: HostileUpstream, tmp_path: Path, kind: str
) -> None:
    with serving(tmp_path, config(upstream), postgres_dsn, "--workers", "4") as gateway:
        budget = 12 * COST
        held = Held(gateway, kind, float(budget))
        until(lambda: held.call() == 200, what="the first call")
        with ThreadPoolExecutor(12) as pool:
            found = list(pool.map(lambda _: held.call(), range(80)))
        assert set(found) <= {200, 422, 429}
        assert 422 in found
        assert held.ask(inside=False).status_code == 200, "another one has no budget"
        until(lambda: held.spent() == held.booked(), what="the rows")
        assert 0 < held.spent() <= budget
        refused = held.ask("x" * 40_000)
        assert refused.status_code == 422
        assert f"{kind} alpha" in refused.json()["error"]["message"]
        more: dict[str, Any] = {held.sql.named: "alpha", "max_budget": 1_000}
        assert gateway.post(held.sql.update, **more).status_code == 200
        until(lambda: held.call() == 200, what="a call under the higher budget")


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_killed_worker_had_under_way_is_charged(
    postgres_dsn: str, upstream: HostileUpstream, tmp_path: Path, kind: str
) -> None:
    with serving(tmp_path, config(upstream), postgres_dsn) as gateway:
        held = Held(gateway, kind, 1_000)
        with ThreadPoolExecutor(4) as pool:
            calls = [pool.submit(held.call) for _ in range(40)]
            until(lambda: sum(each.done() for each in calls) > 5, what="some calls")
            (worker,) = gateway.process.workers()
            worker.kill()
            psutil.wait_procs([worker], timeout=10)
            answered = sum(each.result() == 200 for each in calls)
        until(lambda: held.call() == 200, what="the worker that is back")
        until(
            lambda: held.booked() >= (answered + 1) * COST and held.spent() == held.booked(),
            what="every call in the row of its holder",
        )
