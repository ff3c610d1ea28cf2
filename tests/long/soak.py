"""`just soak`: a gateway under steady work for minutes, on loopback alone. It prints a curve and a verdict.

The work: chats and streams of a key with a budget, by eight clients at a steady pace; every few seconds a
report, a page of the log and a new key. The verdict: no call failed, each call has exactly one row, and the
gateway's memory is flat. The exit status is 0 where all of that holds, and 1 where it does not.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import msgspec
import psutil

from runtime.local.postgres import EmbeddedPostgres
from tests.bench.servers import canned
from tests.e2e.gateway import Gateway, query, serving

CLIENTS = 8
RATE = 40
"""Calls a second, of all clients together."""
STREAMED = 4
"""Every fourth call streams."""
SIDE_S = 5.0
"""How often a report and a page are read, and a key is made."""
MAX_MINUTES = 24 * 60
GROWTH_PART, GROWTH_MB = 0.05, 8.0
"""How much more memory the last third of a soak may take than the second third: the larger of the two."""
ROWS_S = 60.0
PRICE = {"input_cost_per_token": 2.5e-06, "output_cost_per_token": 1e-05}
COUNT = """
    SELECT count(*) AS rows, count(DISTINCT litellm_call_id) AS calls,
           count(*) FILTER (WHERE outcome <> 'ok') AS odd
    FROM "LiteLLM_SpendLogs" WHERE call_type = 'acompletion'
"""


class SoakSample(msgspec.Struct, frozen=True, kw_only=True):
    """One point of the curve."""

    at_s: float
    calls: int
    memory_mb: float
    """Of the gateway's processes: what they share is counted once."""


class SoakResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a soak showed."""

    samples: Sequence[SoakSample]
    calls: int
    errors: Sequence[str]
    rows: int
    calls_with_rows: int
    odd_rows: int
    """Rows whose outcome is not `ok`."""

    def growth_mb(self) -> float:
        """How much more memory the last third took than the second third, by their medians."""
        third = len(self.samples) // 3
        second, last = self.samples[third : 2 * third], self.samples[2 * third :]
        return statistics.median(each.memory_mb for each in last) - statistics.median(
            each.memory_mb for each in second
        )

    def faults(self) -> list[str]:
        """Everything that is not as it should be."""
        found = []
        if self.errors:
            found.append(f"{len(self.errors)} errors, the first: {self.errors[0]}")
        if (self.rows, self.calls_with_rows) != (self.calls, self.calls):
            found.append(f"{self.calls} calls, {self.rows} rows of {self.calls_with_rows} calls")
        if self.odd_rows:
            found.append(f"{self.odd_rows} rows with another outcome than ok")
        if len(self.samples) < 6:
            found.append("too few samples to judge the memory by")
        elif self.growth_mb() > self.most_mb():
            found.append(f"memory grew by {self.growth_mb():.1f} MB; {self.most_mb():.1f} MB may be")
        return found

    def most_mb(self) -> float:
        third = len(self.samples) // 3
        second = statistics.median(each.memory_mb for each in self.samples[third : 2 * third])
        return max(GROWTH_MB, second * GROWTH_PART)


class Work:
    """The clients, and what they found."""

    def __init__(self, gateway: Gateway, key: str, seconds: float) -> None:
        self._gateway = gateway
        self._headers = {"authorization": f"Bearer {key}"}
        self._admin = {"authorization": f"Bearer {gateway.key}"}
        self._ends_mono = time.monotonic() + seconds
        self.calls = 0
        self.errors: list[str] = []

    async def run(self, every_s: float) -> list[SoakSample]:
        """Work until the time is up; gives the samples."""
        limits = httpx.Limits(max_connections=CLIENTS + 1)
        async with httpx.AsyncClient(base_url=self._gateway.url, timeout=60, limits=limits) as client:
            clients = [asyncio.create_task(self._client(client, place)) for place in range(CLIENTS)]
            side = asyncio.create_task(self._beside(client))
            began, samples = time.monotonic(), []
            while time.monotonic() < self._ends_mono:
                await asyncio.sleep(every_s)
                memory_mb = await asyncio.to_thread(memory_of, self._gateway)
                samples.append(
                    SoakSample(at_s=time.monotonic() - began, calls=self.calls, memory_mb=memory_mb)
                )
            await asyncio.gather(*clients, side)
        return samples

    async def _client(self, client: httpx.AsyncClient, place: int) -> None:
        due, step_s = time.monotonic() + place / RATE, CLIENTS / RATE
        while time.monotonic() < self._ends_mono:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            due = max(due + step_s, time.monotonic())
            await self._call(client)

    async def _call(self, client: httpx.AsyncClient) -> None:
        self.calls += 1
        streamed = self.calls % STREAMED == 0
        ask = {
            "model": "canned",
            "messages": [{"role": "user", "content": "Say something."}],
            "stream": streamed,
        }
        headers = {**self._headers, "x-litellm-call-id": f"soak-{self.calls}"}
        try:
            answer = await client.post("/v1/chat/completions", json=ask, headers=headers)
        except httpx.HTTPError as exc:
            self._fault(f"call {self.calls}: {type(exc).__name__}")
            return
        whole = answer.text.endswith("data: [DONE]\n\n") if streamed else "choices" in answer.text
        if answer.status_code != 200 or not whole:
            self._fault(f"call {self.calls}: {answer.status_code} {answer.text[:200]}")

    async def _beside(self, client: httpx.AsyncClient) -> None:
        while time.monotonic() < self._ends_mono:
            for method, path, body in (
                ("GET", f"/spend/logs/v2?page_size=20&{days()}", None),
                ("GET", f"/user/daily/activity?{days()}", None),
                ("POST", "/key/generate", {"key_alias": f"soak-{uuid.uuid4().hex}"}),
            ):
                try:
                    answer = await client.request(method, path, json=body, headers=self._admin)
                except httpx.HTTPError as exc:
                    self._fault(f"{path}: {type(exc).__name__}")
                    continue
                if answer.status_code != 200:
                    self._fault(f"{path}: {answer.status_code} {answer.text[:200]}")
            await asyncio.sleep(min(SIDE_S, max(0.0, self._ends_mono - time.monotonic())))

    def _fault(self, words: str) -> None:
        if len(self.errors) < 1000:
            self.errors.append(words)


def days() -> str:
    """The query for yesterday to tomorrow, so that midnight changes nothing."""
    today = datetime.now(UTC).date()
    return f"start_date={today - timedelta(days=1)}&end_date={today + timedelta(days=1)}"


def memory_of(gateway: Gateway) -> float:
    """The memory of the gateway's whole process tree, in MB; pages that processes share count once."""
    total = 0
    for process in gateway.process.family():
        with suppress(psutil.Error):
            found = process.memory_full_info()
            total += getattr(found, "pss", found.uss)
    return total / 1e6


@contextmanager
def soaked(folder: Path) -> Iterator[Gateway]:
    """A gateway with a Postgres of its own, before a provider that answers at once."""
    postgres = EmbeddedPostgres(folder / "postgres")
    dsn = postgres.start()
    try:
        with canned() as upstream:
            params = {"model": "openai/canned", "api_base": upstream, "api_key": "sk-upstream", **PRICE}
            config = {
                "model_list": [
                    {
                        "model_name": "canned",
                        "litellm_params": params,
                        "model_info": {"max_output_tokens": 16384},
                    }
                ]
            }
            with serving(folder, config, dsn) as gateway:
                yield gateway
    finally:
        postgres.stop()


def soak(minutes: float) -> SoakResult:
    """Soak a gateway for so long."""
    seconds = minutes * 60
    with tempfile.TemporaryDirectory(prefix="switchgear-soak-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with soaked(folder) as gateway:
            key = gateway.virtual_key("soak", max_budget=1000, budget_duration="30d")
            work = Work(gateway, key, seconds)
            samples = asyncio.run(work.run(max(1.0, seconds / 60)))
            found = asyncio.run(_rows(gateway.dsn, work.calls))
    return SoakResult(
        samples=samples,
        calls=work.calls,
        errors=work.errors,
        rows=found[0],
        calls_with_rows=found[1],
        odd_rows=found[2],
    )


async def _rows(dsn: str, wanted: int) -> tuple[int, int, int]:
    """The rows, as soon as there are as many as calls, or the time for that is up."""
    ends_mono = time.monotonic() + ROWS_S
    while True:
        (row,) = await query(dsn, COUNT)
        if row["rows"] >= wanted or time.monotonic() > ends_mono:
            return row["rows"], row["calls"], row["odd"]
        await asyncio.sleep(0.5)


def report(result: SoakResult) -> str:
    """The curve, a line for each sample, and the verdict."""
    most = max((each.memory_mb for each in result.samples), default=1.0)
    lines = ["  time     calls    memory"]
    for each in result.samples:
        bar = "#" * round(each.memory_mb / most * 50)
        lines.append(f"{each.at_s:6.0f} s {each.calls:8d} {each.memory_mb:7.1f} MB {bar}")
    faults = result.faults()
    booked = f"{result.rows} rows of {result.calls_with_rows} calls"
    lines += [
        f"{result.calls} calls, {len(result.errors)} errors, {booked}",
        *(f"fault: {each}" for each in faults),
        "verdict: " + ("not as it should be" if faults else "flat memory, no errors, no lost rows"),
    ]
    return "\n".join(lines)


def _minutes(text: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        minutes = 0.0
    if not 0.1 <= minutes <= MAX_MINUTES:
        raise argparse.ArgumentTypeError(f"expected 0.1 to {MAX_MINUTES} minutes, found {text!r}")
    return minutes


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="just soak", allow_abbrev=False)
    parser.add_argument("--minutes", type=_minutes, default=10.0)
    result = soak(parser.parse_args(argv).minutes)
    sys.stdout.write(report(result) + "\n")
    return 1 if result.faults() else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
