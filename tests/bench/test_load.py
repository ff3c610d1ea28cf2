"""The bench's own parts: a figure is worth no more than the parts that made it."""

import asyncio
import json
import shutil

import pytest

from models_registry.backends.backend import UpstreamRequest
from models_registry.target import Deadlines
from runtime.upstream.client import HttpUpstream
from tests.bench import load, servers
from tests.bench.canned import CHUNKS
from tests.bench.load import Load


def call(api_base: str, *, streamed: bool) -> bytes:
    async def main() -> bytes:
        client = HttpUpstream()
        await client.start()
        body = Load(url=api_base, key="", connections=1, streamed=streamed).body().encode()
        request = UpstreamRequest(url=f"{api_base}/chat/completions", headers={}, body=body)
        response = await client.open(request, Deadlines())
        data = await response.read()
        await client.close()
        return data

    return asyncio.run(main())


def test_the_canned_provider_answers_as_openai_does() -> None:
    with servers.canned() as api_base:
        plain = json.loads(call(api_base, streamed=False))
        events = call(api_base, streamed=True).split(b"\n\n")
    assert plain["choices"][0]["finish_reason"] == "stop"
    assert plain["usage"]["total_tokens"] == 57 + CHUNKS
    assert events[-2:] == [b"data: [DONE]", b""]
    chunks = [json.loads(event.removeprefix(b"data: ")) for event in events[:-2]]
    assert sum("content" in c["choices"][0]["delta"] for c in chunks if c["choices"]) == CHUNKS
    assert chunks[-1]["usage"] == plain["usage"]


@pytest.mark.parametrize("tool", ["wrk", "aiohttp"])
def test_a_load_counts_answers_and_errors(tool: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if tool == "aiohttp":
        monkeypatch.setattr(shutil, "which", lambda name: None)
    elif load.generator() != "wrk":
        pytest.skip("wrk is not installed")
    with servers.canned() as api_base:
        good = load.run(Load(url=api_base, key="sk-x", connections=4), 1)
    assert good.errors == 0
    assert good.calls_per_s > 100
    assert 0 < good.p50_ms <= good.p99_ms


@pytest.mark.parametrize("tool", ["wrk", "aiohttp"])
def test_refused_calls_are_errors_not_calls(tool: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if tool == "aiohttp":
        monkeypatch.setattr(shutil, "which", lambda name: None)
    elif load.generator() != "wrk":
        pytest.skip("wrk is not installed")
    with servers.canned() as api_base, servers.floor(api_base) as floor:
        refused = load.run(Load(url=f"{floor.url}/v1", key="sk-wrong", connections=2), 1)
    assert refused.errors > 0
    assert refused.calls_per_s == 0


def test_the_floor_relays_plain_answers_and_streams() -> None:
    with servers.canned() as api_base, servers.floor(api_base) as floor:
        for streamed in (False, True):
            measured = load.run(
                Load(url=f"{floor.url}/v1", key=floor.key, connections=2, streamed=streamed), 1
            )
            assert measured.errors == 0
            assert measured.calls_per_s > 10
