"""A storm of 429: every deployment of a model is limited, and many calls come at once."""

import asyncio
from collections import Counter
from pathlib import Path

import httpx

from tests.e2e.gateway import Gateway, serving
from tests.e2e.test_upstream_kill import deployment
from tests.fakes.hostile_upstream import HostileUpstream, Seen
from tests.fakes.scripts import SCRIPTS, Script, happy

CALLS = 100
MOST_ATTEMPTS = CALLS * 3 // 2
"""Each call is made once, whatever cools down. Two retries of each would be 300."""


class Limited(HostileUpstream):
    """Answers 429, until its limit is over."""

    is_over = False

    def script_for(self, seen: Seen) -> Script:
        return happy if self.is_over else SCRIPTS["status_429"]


async def at_once(gateway: Gateway, key: str) -> list[httpx.Response]:
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 10}
    async with httpx.AsyncClient(timeout=60, limits=httpx.Limits(max_connections=CALLS)) as client:
        calls = [
            client.post(
                f"{gateway.url}/v1/chat/completions", json=body, headers={"authorization": f"Bearer {key}"}
            )
            for _ in range(CALLS)
        ]
        return await asyncio.gather(*calls)


def test_calls_at_limited_providers_are_not_retried_into_a_storm(tmp_path: Path, postgres_dsn: str) -> None:
    upstream = Limited()
    with upstream.in_thread():
        models = [deployment(name, f"{upstream.url}/v1") for name in ("one", "two")]
        config = {"model_list": models, "router_settings": {"cooldown_time": 1, "num_retries": 2}}
        with serving(tmp_path, config, postgres_dsn, "--workers", "2") as gateway:
            key = gateway.virtual_key("load")
            answers = asyncio.run(at_once(gateway, key))
            assert Counter(each.status_code for each in answers) == {429: CALLS}
            assert {each.json()["error"]["code"] for each in answers} == {"rate_limit_exceeded"}
            assert CALLS <= len(upstream.requests) <= MOST_ATTEMPTS
            upstream.is_over = True
            answers = asyncio.run(at_once(gateway, key))
            assert Counter(each.status_code for each in answers) == {200: CALLS}
