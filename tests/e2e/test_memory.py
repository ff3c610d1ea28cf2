"""What a worker holds after calls that failed, and while clients do what they like."""

import json
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.conftest import dsn_of, execute
from tests.e2e.conftest import config_for
from tests.e2e.gateway import Gateway, serving
from tests.fakes.hostile_upstream import HostileUpstream
from tests.runtime.test_memory import FAILURES as WAYS

MB = 1_000_000
LARGE = 10 * MB
AT_ONCE = 4
FAILURES = (*WAYS, {"model": "hostile/happy", "of": "poor"}, {"model": "hostile/happy", "of": "barred"})
"""Whose key is `of`; the rest is the body."""


@pytest.fixture(scope="module")
def alone(
    postgres_server: str,
    migrated_template: str,
    upstream: HostileUpstream,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Gateway]:
    name = f"memory_{uuid.uuid4().hex}"
    execute(postgres_server, f"CREATE DATABASE {name} TEMPLATE {migrated_template}")
    config = config_for(upstream.url)
    config["general_settings"] = {"max_request_size_mb": 32}
    with serving(tmp_path_factory.mktemp("memory"), config, dsn_of(postgres_server, name)) as running:
        yield running
    execute(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


def fail(gateway: Gateway, keys: dict[str, str], number: int, size: int) -> None:
    fields = dict(FAILURES[number % len(FAILURES)])
    key = keys.get(str(fields.pop("of", "")), gateway.key)
    fields["messages"] = [{"role": "user", "content": "x" * size}]
    headers = {"authorization": f"Bearer {key}"}
    body = json.dumps(fields).encode()
    try:
        answer = httpx.post(f"{gateway.url}/v1/chat/completions", content=body, headers=headers, timeout=60)
    except httpx.RemoteProtocolError:
        return
    assert answer.status_code != 200 or "error" in answer.text, fields["model"]


def test_a_worker_keeps_nothing_of_large_calls_that_failed(alone: Gateway) -> None:
    keys = {
        "poor": alone.virtual_key("poor", max_budget=0.000001),
        "barred": alone.virtual_key("barred", rpm_limit=0),
    }
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda number: fail(alone, keys, number, 100), range(2 * len(FAILURES))))
        before_mb = alone.process.rss_mb()
        list(pool.map(lambda number: fail(alone, keys, number, LARGE), range(200)))
    after_mb = alone.process.rss_mb()
    assert after_mb < before_mb + 20, f"{before_mb:.1f} MB before, {after_mb:.1f} MB after"
