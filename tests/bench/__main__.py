"""`just bench`: the gateway beside the floor app, in one run, on one canned provider.

Each server has one worker. The gateway checks keys, finds prices and writes spend rows. It is called with
three keys. The first has no limits (gateway). The second is under a budget, in a team under a budget
(budgeted). The third is also under limits on calls and tokens, in a team with a limit on calls (governed).
The rounds alternate (floor, gateway, budgeted, governed, floor, ...), so that other work on the machine meets
all of them, and the median of each counts. `--quick` takes about half a minute. `--json PATH` says where the
figures go.
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import psutil

from tests.bench import servers
from tests.bench.canned import CHUNKS, EVENTS_A_WRITE
from tests.bench.load import Load, Measure, generator, run
from tests.bench.servers import Running

RESULTS = servers.ROOT / "bench-results"
WARM_UP_S = 1.0


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of load. `goal` is the least share of the floor that the gateway is to reach."""

    name: str
    connections: int
    streamed: bool = False
    goal: float | None = None


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """Memory in MB after the run. `tree` is the process with all below it but Postgres, `postgres` the
    embedded Postgres alone."""

    worker: float
    tree: float
    postgres: float


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one server: the median of the rounds of each shape, by the shape's name, the memory, and
    the cold start."""

    measures: dict[str, Measure]
    memory: Memory | None
    ready_s: float | None


class Result(msgspec.Struct, frozen=True, kw_only=True):
    at: datetime
    generator: str
    machine: str
    cores: int
    python: str
    rounds: int
    seconds_a_round: float
    canned: Figures
    floor: Figures
    gateway: Figures
    budgeted: Figures
    """The gateway, called with a key under budgets."""
    governed: Figures
    """The gateway, called with a key under budgets and limits."""
    ratios: dict[str, dict[str, float]]
    """The ratios to the floor, by server and shape: 0.5 is half as many calls a second."""


SHAPES = (
    Shape(name="chat, 1 connection", connections=1),
    Shape(name="chat, 32 connections", connections=32, goal=0.6),
    Shape(name=f"streams of {CHUNKS}, 32 connections", connections=32, streamed=True, goal=0.8),
)
GATEWAYS = ("gateway", "budgeted", "governed")
MAX_WORKER_MB = 130
MAX_COLD_START_S = 3.0


def measure(server: Running, shape: Shape, seconds: float) -> Measure:
    url = f"{server.url}/v1"
    load = Load(url=url, key=server.key, connections=shape.connections, streamed=shape.streamed)
    return run(load, seconds)


def median(rounds: list[Measure]) -> Measure:
    return Measure(
        calls_per_s=statistics.median(r.calls_per_s for r in rounds),
        p50_ms=statistics.median(r.p50_ms for r in rounds),
        p99_ms=statistics.median(r.p99_ms for r in rounds),
        errors=sum(r.errors for r in rounds),
    )


def bench(rounds: int, seconds: float) -> Result:
    with servers.canned() as upstream, servers.floor(upstream) as floor, servers.gateway(upstream) as gateway:
        provider = Running(
            name="canned", url=upstream.removesuffix("/v1"), key="sk-upstream", pid=0, ready_s=0.0
        )
        own = {shape.name: measure(provider, shape, seconds) for shape in SHAPES}
        budgeted = msgspec.structs.replace(gateway, name="budgeted", key=gateway.budgeted_key)
        governed = msgspec.structs.replace(gateway, name="governed", key=gateway.governed_key)
        called = (floor, gateway, budgeted, governed)
        taken: dict[str, dict[str, Measure]] = {server.name: {} for server in called}
        for shape in SHAPES:
            for server in called:
                measure(server, shape, WARM_UP_S)
            turns = [[measure(server, shape, seconds) for server in called] for _ in range(rounds)]
            for server, measured in zip(called, zip(*turns, strict=True), strict=True):
                taken[server.name][shape.name] = median(list(measured))
        figures = {server.name: figures_of(server, taken[server.name]) for server in called}
    return Result(
        at=datetime.now(UTC),
        generator=generator(),
        machine=platform.platform(),
        cores=psutil.cpu_count() or 0,
        python=platform.python_version(),
        rounds=rounds,
        seconds_a_round=seconds,
        canned=Figures(measures=own, memory=None, ready_s=None),
        floor=figures["floor"],
        gateway=figures["gateway"],
        budgeted=figures["budgeted"],
        governed=figures["governed"],
        ratios={name: ratios_of(figures["floor"], figures[name]) for name in GATEWAYS},
    )


def figures_of(server: Running, measures: dict[str, Measure]) -> Figures:
    memory = Memory(worker=server.worker_rss_mb(), tree=server.rss_mb(), postgres=server.postgres_mb())
    return Figures(measures=measures, memory=memory, ready_s=server.ready_s)


def ratios_of(floor: Figures, gateway: Figures) -> dict[str, float]:
    return {
        name: gateway.measures[name].calls_per_s / measured.calls_per_s
        for name, measured in floor.measures.items()
    }


def table(result: Result) -> str:
    lines = [
        f"load: {result.generator}; {result.rounds} alternating rounds of {result.seconds_a_round:g} s, "
        f"medians; {result.cores} cores shared by all; Python {result.python}",
        f"canned provider: {EVENTS_A_WRITE} events a write",
        "",
        f"{'':34}{'calls/s':>10}{'p50 ms':>9}{'p99 ms':>9}{'errors':>8}{'of floor':>10}{'goal':>7}",
    ]
    for shape in SHAPES:
        lines.append(shape.name)
        for name in ("canned", "floor", *GATEWAYS):
            figures: Figures = getattr(result, name)
            m = figures.measures[shape.name]
            row = f"  {name:32}{m.calls_per_s:10.0f}{m.p50_ms:9.2f}{m.p99_ms:9.2f}{m.errors:8}"
            if name in GATEWAYS:
                row += f"{result.ratios[name][shape.name]:10.2f}"
            if name == "gateway" and shape.goal is not None:
                row += f"{shape.goal:7.2f}"
            lines.append(row)
    lines += ["", f"{'':34}{'worker MB':>10}{'tree MB':>9}{'Postgres':>9}{'cold start s':>14}"]
    for name in ("floor", "gateway"):
        figures = getattr(result, name)
        memory = figures.memory
        assert memory is not None
        lines.append(
            f"  {name:32}{memory.worker:10.0f}{memory.tree:9.0f}{memory.postgres:9.0f}{figures.ready_s:14.2f}"
        )
    lines.append(f"  {'gateway goal, below':32}{MAX_WORKER_MB:10}{'':18}{MAX_COLD_START_S:14.2f}")
    return "\n".join(lines)


def main(argv: list[str]) -> int:
    """Run the bench. Gives the exit code, which is 1 if calls failed, since a rate with errors in it says
    nothing."""
    parser = argparse.ArgumentParser(prog="just bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--json", type=Path, help="where the figures go (default bench-results/<time>.json)")
    arguments = parser.parse_args(argv)
    try:
        result = bench(rounds=2, seconds=2) if arguments.quick else bench(rounds=5, seconds=5)
    except (RuntimeError, subprocess.CalledProcessError) as exc:
        print(f"bench: {exc}", file=sys.stderr)
        return 1
    path: Path = arguments.json or RESULTS / time.strftime("%Y-%m-%dT%H%M%S.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(msgspec.to_builtins(result), indent=2) + "\n")
    print(table(result))
    print(f"\nfigures: {path}")
    measured = (result.floor, result.gateway, result.budgeted, result.governed)
    failed = sum(m.errors for figures in measured for m in figures.measures.values())
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
