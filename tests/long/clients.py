"""Gateways, providers and clients for the figures of routing (`routing_figures.py`)."""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import httpx

from runtime.local.postgres import EmbeddedPostgres
from tests.e2e.conftest import SALT_KEY
from tests.e2e.gateway import Gateway, serving
from tests.fakes.hostile_upstream import HostileUpstream, Seen
from tests.fakes.scripts import Line, Request, Script, happy, whole

ENV = {"SWITCHGEAR_SALT_KEY": SALT_KEY}
NO_HEADERS: Mapping[str, str] = MappingProxyType({})
BROKEN = b'{"error":{"message":"no","type":"server_error"}}'


class Asked(NamedTuple):
    """A call as its client saw it. Times are seconds since 1970."""

    who: str
    began: float
    ended: float
    status: int
    model_id: str

    @property
    def took_ms(self) -> float:
        return (self.ended - self.began) * 1000


class Slow(HostileUpstream):
    """A provider that takes `after_s` for each answer. It counts the calls that are there at once. Every
    `breaks`-th call fails; 0: none does."""

    def __init__(self, after_s: float, *, breaks: int = 0) -> None:
        super().__init__()
        self.at_once = self.most_at_once = 0
        self._after_s = after_s
        self._breaks = breaks
        self._count = 0

    def script_for(self, seen: Seen) -> Script:
        return self._answer

    async def _answer(self, line: Line, request: Request) -> None:
        self._count += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(self._after_s)
        finally:
            self.at_once -= 1
        if self._breaks and self._count % self._breaks == 0:
            await line.send(whole(BROKEN, status=500))
        else:
            await happy(line, request)


@contextmanager
def gateway(config: Mapping[str, Any], workers: int) -> Iterator[tuple[Gateway, Path]]:
    """A gateway with a Postgres of its own, and the folder of its config."""
    with tempfile.TemporaryDirectory(prefix="switchgear-figures-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        postgres = EmbeddedPostgres(folder / "postgres")
        dsn = postgres.start()
        try:
            with serving(folder, config, dsn, "--workers", str(workers), env=ENV) as found:
                yield found, folder
        finally:
            postgres.stop()


class Clients:
    """Clients at once, each of which calls again when it has its answer. `asked` has their calls."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.asked: list[Asked] = []
        self.over = False

    async def run(
        self,
        who: str,
        key: str,
        *,
        model: str = "m",
        pause_s: float = 0.0,
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> None:
        """One client, on a connection of its own. `pause_s` is the time between two calls."""
        body = {"model": model, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 10}
        async with httpx.AsyncClient(timeout=60) as client:
            while not self.over:
                began = time.time()
                answer = await client.post(
                    f"{self._gateway.url}/v1/chat/completions",
                    json=body,
                    headers={"authorization": f"Bearer {key}", **headers},
                )
                model_id = answer.headers.get("x-litellm-model-id", "")
                self.asked.append(Asked(who, began, time.time(), answer.status_code, model_id))
                if answer.status_code == 429:
                    await asyncio.sleep(0.2)
                await asyncio.sleep(pause_s)

    def of(self, who: str, status: int = 200) -> list[float]:
        """How long the calls took that ended so, in milliseconds."""
        return [each.took_ms for each in self.asked if (each.who, each.status) == (who, status)]


def middle(numbers: Sequence[float]) -> float:
    return statistics.median(numbers) if numbers else 0.0


def longest(numbers: Sequence[float]) -> float:
    return max(numbers, default=0.0)
