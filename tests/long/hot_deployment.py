"""One deployment that all callers of four workers share: what its limits cost in calls, in questions to
Postgres and in waiting for locks there. Real processes; the load is that of `tests/bench/load.py`.

    python -m tests.long.routing_figures hot
"""

import asyncio
import json
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import asyncpg
import psutil

from tests.bench.load import Load, Measure, run
from tests.e2e.gateway import Gateway, early_in_a_minute
from tests.e2e.test_upstream_kill import deployment, provider
from tests.long.clients import gateway

CONNECTIONS, WORKERS = 64, 4
LOOK_S = 0.005
TOLD_S = 11.0
"""Within ten seconds an idle process of Postgres tells what its functions did."""
LIMITS: Mapping[str, Mapping[str, int]] = {
    "none": {},
    "ample": {"rpm": 10_000_000, "tpm": 100_000_000_000, "max_parallel_requests": 1_000},
    "slots": {"max_parallel_requests": 20},
    "few-slots": {"max_parallel_requests": 3},
    "rpm": {"rpm": 3_000},
    "tpm": {"tpm": 1_000_000},
    "all": {"rpm": 60_000, "tpm": 30_000_000, "max_parallel_requests": 20},
}
"""The limits of each deployment, which is a model of its own."""
FUNCTIONS = """
    SELECT funcname, calls, total_time FROM pg_stat_user_functions
    WHERE funcname IN ('switchgear_lease', 'switchgear_return')
"""
WAITING = """
    SELECT count(*) AS n, extract(epoch FROM clock_timestamp() - min(waitstart))::float8 AS longest_s
    FROM pg_locks WHERE NOT granted
"""


class Asked(NamedTuple):
    """How often a function of Postgres was called, and how long its calls took together."""

    calls: int
    took_ms: float

    def each_ms(self) -> float:
        return self.took_ms / self.calls if self.calls else 0.0


class Spent(NamedTuple):
    """What was spent since the start of the gateway and its Postgres."""

    leases: Asked
    returns: Asked
    gateway_s: float
    postgres_s: float

    def since(self, before: "Spent") -> "Spent":
        return Spent(
            Asked(self.leases.calls - before.leases.calls, self.leases.took_ms - before.leases.took_ms),
            Asked(self.returns.calls - before.returns.calls, self.returns.took_ms - before.returns.took_ms),
            self.gateway_s - before.gateway_s,
            self.postgres_s - before.postgres_s,
        )


class Locks(NamedTuple):
    """Who waited for a lock of Postgres, by looks at its locks all the while."""

    looks: int = 0
    waiting: int = 0
    """How many looks saw somebody wait."""
    waiters: int = 0
    """How many waiters all looks saw together."""
    most: int = 0
    longest_s: float = 0.0


class Hot(NamedTuple):
    """One deployment under load."""

    limits: str
    load: Measure
    seconds: float
    spent: Spent
    locks: Locks

    def cells(self) -> Sequence[str]:
        """The figures, in the order of HEAD."""
        calls = max(1.0, self.load.calls_per_s * self.seconds + self.load.errors)
        waited_ms = self.locks.waiters / max(1, self.locks.looks) * self.seconds * 1000
        statements = self.spent.leases.calls + self.spent.returns.calls
        return (
            ", ".join(f"`{name}` {limit:,}" for name, limit in LIMITS[self.limits].items()) or "none",
            f"{self.load.calls_per_s:.0f}",
            f"{self.load.errors / self.seconds:.0f}",
            f"{self.load.p50_ms:.0f}, {self.load.p99_ms:.0f}",
            f"{self.spent.gateway_s / calls * 1e6:.0f}, {self.spent.postgres_s / calls * 1e6:.0f}",
            f"{self.spent.leases.calls / self.seconds:.0f}, {self.spent.leases.each_ms():.2f}",
            f"{self.spent.returns.calls / self.seconds:.0f}, {self.spent.returns.each_ms():.2f}",
            f"{self.locks.waiting / max(1, self.locks.looks):.0%}, {self.locks.most}",
            f"{waited_ms / max(1, statements):.2f}, {self.locks.longest_s * 1000:.0f}",
        )

    def faults(self) -> Iterator[str]:
        """What is not as it should be."""
        if self.load.errors and self.limits not in SHORT:
            yield f"{self.limits}: {self.load.errors} calls failed"
        limit = LIMITS[self.limits].get("rpm")
        answered = self.load.calls_per_s * self.seconds
        if limit is not None and answered > limit:
            yield f"{self.limits}: {answered:.0f} calls were answered, and the limit is {limit}"
        if self.locks.longest_s > LONGEST_WAIT_S:
            yield f"{self.limits}: somebody waited for a lock for {self.locks.longest_s:.1f} s"


SHORT = ("rpm", "tpm")
"""The deployments that refuse calls."""
LONGEST_WAIT_S = 1.0
"""Nobody should wait for a lock as long as that."""
HEAD = (
    "limits",
    "answered a second",
    "refused a second",
    "a call: median, p99, in ms",
    "CPU of a call: gateway, Postgres, in µs",
    "leases a second, ms each",
    "returns a second, ms each",
    "looks that saw somebody wait for a lock, most at once",
    "waited for a lock: ms a statement, the longest",
)


def measure(names: Sequence[str], seconds: float) -> list[Hot]:
    """Each deployment under load in turn. Every worker's first second is left out."""
    with provider() as (_, address):
        models = [_model(name, address) for name in names]
        router = {"optional_pre_call_checks": ["enforce_model_rate_limits"], "num_retries": 0}
        with gateway({"model_list": models, "router_settings": router}, WORKERS) as (served, _):
            asyncio.run(_count_functions(served.dsn))
            return [_measured(served, name, seconds) for name in names]


def _model(name: str, address: str) -> dict[str, Any]:
    made = deployment(name, address)
    made["litellm_params"] |= LIMITS[name]
    return made | {"model_name": name}


class _LoadOn(Load, frozen=True, kw_only=True):
    """The load of the bench, at another model."""

    model: str

    def body(self) -> str:
        return json.dumps(json.loads(super().body()) | {"model": self.model})


def _measured(served: Gateway, name: str, seconds: float) -> Hot:
    load = _LoadOn(url=f"{served.url}/v1", key=served.virtual_key(name), connections=CONNECTIONS, model=name)
    early_in_a_minute(seconds + 3)
    run(load, 1)
    time.sleep(TOLD_S)
    before = asyncio.run(_spent(served))
    with _watched(served.dsn) as seen:
        measured = run(load, seconds)
    time.sleep(TOLD_S)
    spent = asyncio.run(_spent(served)).since(before)
    return Hot(name, measured, seconds, spent, seen[0])


async def _count_functions(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("ALTER SYSTEM SET track_functions = 'pl'")
        await connection.execute("SELECT pg_reload_conf()")
    finally:
        await connection.close()


async def _spent(served: Gateway) -> Spent:
    connection = await asyncpg.connect(served.dsn)
    try:
        own = psutil.Process(await connection.fetchval("SELECT pg_backend_pid()"))
        rows = await connection.fetch(FUNCTIONS)
        server = own.parent()
        assert server is not None, "each connection is a child of the server"
        postgres = [server, *server.children()]
    finally:
        await connection.close()
    asked = {row["funcname"]: Asked(row["calls"], row["total_time"]) for row in rows}
    return Spent(
        asked.get("switchgear_lease", Asked(0, 0.0)),
        asked.get("switchgear_return", Asked(0, 0.0)),
        _cpu_s(served.process.family()),
        _cpu_s(postgres),
    )


def _cpu_s(processes: Iterable[psutil.Process]) -> float:
    found = 0.0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            found += times.user + times.system
    return found


@contextmanager
def _watched(dsn: str) -> Iterator[list[Locks]]:
    """Look at the locks of Postgres while this is open, in a thread of its own. The list has what was seen
    afterwards."""
    over = threading.Event()
    seen: list[Locks] = []

    async def watch() -> Locks:
        found = Locks()
        connection = await asyncpg.connect(dsn)
        try:
            looking = await connection.prepare(WAITING)
            while not over.is_set():
                row = await looking.fetchrow()
                assert row is not None
                found = Locks(
                    found.looks + 1,
                    found.waiting + (row["n"] > 0),
                    found.waiters + row["n"],
                    max(found.most, row["n"]),
                    max(found.longest_s, row["longest_s"] or 0.0),
                )
                await asyncio.sleep(LOOK_S)
        finally:
            await connection.close()
        return found

    thread = threading.Thread(target=lambda: seen.append(asyncio.run(watch())))
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()
