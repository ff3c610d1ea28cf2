"""A provider that dies under load: its calls go to the other one, and all workers leave it alone."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.gateway import ROOT, Gateway, query, serving, until

CALLS_AT_ONCE = 16
CALLS = 600
KILL_AFTER = 150


@contextmanager
def provider() -> Iterator[tuple[int, str]]:
    """A provider in a process of its own: its number, and its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.canned"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process.pid, f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
    finally:
        process.kill()
        process.wait()


def deployment(name: str, address: str) -> dict[str, Any]:
    params = {"model": f"openai/{name}", "api_base": address, "api_key": "none", "input_cost_per_token": 0}
    return {
        "model_name": "m",
        "litellm_params": params | {"output_cost_per_token": 0},
        "model_info": {"id": name},
    }


async def load(gateway: Gateway, key: str, dies: int) -> tuple[Counter[int], list[str], float]:
    """Calls at once, in the midst of which a provider is killed: their statuses, who answered them in the
    order of the answers, and the longest time of one."""
    statuses: Counter[int] = Counter()
    answered: list[str] = []
    left, longest_s = CALLS, 0.0

    async def caller(client: httpx.AsyncClient) -> None:
        nonlocal left, longest_s
        while left > 0:
            left -= 1
            if left == CALLS - KILL_AFTER:
                os.kill(dies, signal.SIGKILL)
            began = time.monotonic()
            answer = await client.post(
                f"{gateway.url}/v1/chat/completions",
                json={"model": "m", "messages": [{"role": "user", "content": "Hi"}]},
                headers={"authorization": f"Bearer {key}"},
            )
            longest_s = max(longest_s, time.monotonic() - began)
            statuses[answer.status_code] += 1
            answered.append(answer.headers.get("x-litellm-model-id", ""))

    async with httpx.AsyncClient(timeout=60) as client:
        await asyncio.gather(*(caller(client) for _ in range(CALLS_AT_ONCE)))
    return statuses, answered, longest_s


@pytest.mark.parametrize("strategy", ["simple-shuffle", "latency-based-routing"])
def test_no_call_fails_while_one_of_two_providers_is_killed(
    tmp_path: Path, postgres_dsn: str, strategy: str
) -> None:
    with provider() as (doomed, first), provider() as (_, second):
        config = {
            "model_list": [deployment("doomed", first), deployment("stays", second)],
            "router_settings": {"routing_strategy": strategy, "cooldown_time": 600},
        }
        with serving(tmp_path, config, postgres_dsn, "--workers", "2") as gateway:
            key = gateway.virtual_key("load")
            statuses, answered, longest_s = asyncio.run(load(gateway, key, doomed))
            assert statuses == {200: CALLS}, f"the longest call took {longest_s:.2f} s"
            assert "doomed" in answered[:KILL_AFTER]
            assert set(answered[-100:]) == {"stays"}
            if strategy != "simple-shuffle":
                return  # by latency the dead one is asked too seldom to cool down
            sql = 'SELECT cooldown_reason FROM "Switchgear_Deployment" WHERE cooled_until > now()'
            until(lambda: bool(asyncio.run(query(postgres_dsn, sql))), what="the cooldown's row")
            info = gateway.get("/v1/model/info").json()["data"]
            states = {each["model_info"]["id"]: each["model_info"]["health"]["state"] for each in info}
            assert states == {"doomed": "cooling", "stays": "healthy"}
            report = gateway.get("/health").json()
            assert [each["model_id"] for each in report["unhealthy_endpoints"]] == ["doomed"]
            assert report["healthy_count"] == 1
            history = gateway.get("/health/history").json()
            assert history["total_records"] == 2
            before = asyncio.run(attempts_at(postgres_dsn, "doomed"))
            messages = [{"role": "user", "content": "Hi"}]
            for _ in range(20):
                gateway.post("/v1/chat/completions", key=key, model="m", messages=messages)
            assert asyncio.run(attempts_at(postgres_dsn, "doomed")) == before


async def attempts_at(dsn: str, model_id: str) -> int:
    rows = await query(dsn, 'SELECT count(*) AS n FROM "LiteLLM_SpendLogs" WHERE model_id = $1', model_id)
    count: int = rows[0]["n"]
    return count
