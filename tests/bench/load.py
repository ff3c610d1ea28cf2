"""The load: wrk where it is installed, else a client on aiohttp. Both hold N connections busy."""

import asyncio
import json
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import aiohttp
import msgspec

PROMPT = "Explain in a few sentences what a gateway for language models does, and why a team wants one. " * 3

_LUA = """\
wrk.method = "POST"
wrk.path = "{path}"
wrk.headers["content-type"] = "application/json"
wrk.headers["authorization"] = "Bearer {key}"
wrk.body = [==[{body}]==]
function done(summary, latency)
  local e = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d\\n", summary.requests, summary.duration,
    e.connect + e.read + e.write + e.status + e.timeout, latency:percentile(50), latency:percentile(99)))
end
"""


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """The load for one server: the address and the call to make."""

    url: str
    """The API base, with `/v1`."""
    key: str
    connections: int
    streamed: bool = False

    def body(self) -> str:
        message = {"role": "user", "content": PROMPT}
        fields: dict[str, object] = {"model": "canned", "messages": [message], "max_tokens": 256}
        if self.streamed:
            fields["stream"] = True
        return json.dumps(fields)


class Measure(msgspec.Struct, frozen=True, kw_only=True):
    """One round. A streamed call counts when its last byte is there."""

    calls_per_s: float
    p50_ms: float
    p99_ms: float
    errors: int


def generator() -> str:
    """The name of the load generator in use."""
    return "wrk" if shutil.which("wrk") else f"aiohttp {aiohttp.__version__} in Python"


def run(load: Load, seconds: float) -> Measure:
    return _wrk(load, seconds) if shutil.which("wrk") else asyncio.run(_aiohttp(load, seconds))


def _wrk(load: Load, seconds: float) -> Measure:
    """One round of wrk, which takes whole seconds."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "load.lua"
        base, _, path = load.url.partition("/v1")
        script.write_text(_LUA.format(path=f"/v1{path}/chat/completions", key=load.key, body=load.body()))
        command = ["wrk", "--threads=1", f"--connections={load.connections}", f"--duration={round(seconds)}s"]
        command += ["--timeout=20s", f"--script={script}", base]
        out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    words = next(line for line in out.splitlines() if line.startswith("RESULT")).split()
    calls, duration_us, errors, p50_us, p99_us = (int(word) for word in words[1:])
    return Measure(
        calls_per_s=(calls - errors) / duration_us * 1e6,
        p50_ms=p50_us / 1e3,
        p99_ms=p99_us / 1e3,
        errors=errors,
    )


async def _aiohttp(load: Load, seconds: float) -> Measure:
    times: list[float] = []
    errors = 0
    ends_at = time.perf_counter() + seconds
    headers = {"authorization": f"Bearer {load.key}", "content-type": "application/json"}
    body = load.body().encode()

    async def caller(session: aiohttp.ClientSession) -> None:
        nonlocal errors
        while (began := time.perf_counter()) < ends_at:
            async with session.post(f"{load.url}/chat/completions", data=body, headers=headers) as answer:
                await answer.read()
                if answer.status != 200:
                    errors += 1
            times.append(time.perf_counter() - began)

    connector = aiohttp.TCPConnector(limit=load.connections)
    async with aiohttp.ClientSession(connector=connector) as session:
        began = time.perf_counter()
        await asyncio.gather(*(caller(session) for _ in range(load.connections)))
        took = time.perf_counter() - began
    times.sort()
    return Measure(
        calls_per_s=(len(times) - errors) / took,
        p50_ms=times[len(times) // 2] * 1e3,
        p99_ms=times[min(len(times) - 1, len(times) * 99 // 100)] * 1e3,
        errors=errors,
    )
