"""What a bench found, and its table."""

import statistics
from datetime import datetime

import msgspec

from tests.bench.canned import CHUNKS, EVENTS_A_WRITE
from tests.bench.load import Measure

FLOOR, GATEWAY = "floor", "gateway"
MAX_WORKER_MB = 110
MAX_READY_S = 1.0


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of load."""

    name: str
    connections: int
    streamed: bool = False


SHAPES = (
    Shape(name="chat, 1 connection", connections=1),
    Shape(name="chat, 32 connections", connections=32),
    Shape(name=f"streams of {CHUNKS}, 32 connections", connections=32, streamed=True),
)


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """One round of one server. CPU is microseconds a call."""

    load: Measure
    cpu_us: float
    postgres_us: float


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """In MB, after the run. `tree` is without Postgres, `postgres` the embedded one alone."""

    worker: float
    tree: float
    postgres: float


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """One server's rounds by the shape's name, its memory, and its start in seconds."""

    rounds: dict[str, list[Round]]
    memory: Memory
    ready_s: float

    def cpu_us(self, shape: str) -> float:
        """Of the best round."""
        return min(each.cpu_us for each in self.rounds[shape])

    def postgres_us(self, shape: str) -> float:
        return min(each.postgres_us for each in self.rounds[shape])

    def calls_per_s(self, shape: str) -> float:
        """Of the median round."""
        return statistics.median(each.load.calls_per_s for each in self.rounds[shape])

    def best_calls_per_s(self, shape: str) -> float:
        return max(each.load.calls_per_s for each in self.rounds[shape])

    def p50_ms(self, shape: str) -> float:
        return statistics.median(each.load.p50_ms for each in self.rounds[shape])

    def p99_ms(self, shape: str) -> float:
        return statistics.median(each.load.p99_ms for each in self.rounds[shape])

    @property
    def errors(self) -> int:
        return sum(each.load.errors for rounds in self.rounds.values() for each in rounds)


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """A whole run."""

    at: datetime
    generator: str
    machine: str
    cores: int
    pinned: bool
    """Whether the server under test had a core of its own."""
    python: str
    rounds: int
    seconds_a_round: float
    provider: dict[str, Measure]
    """The canned provider alone, by the shape's name."""
    servers: dict[str, Figures]
    """By name: `floor`, `gateway`, `budgeted`, `governed`, and `peer` where there is one."""


def table(result: Result) -> str:
    """The figures as text. `of floor` is the ratio to the floor: of CPU less is better, of rates more."""
    floor = result.servers[FLOOR]
    lines = [
        f"load: {result.generator}; {result.rounds} alternating rounds of {result.seconds_a_round:g} s; "
        f"{result.cores} cores{', the server on one of its own' if result.pinned else ', shared by all'}; "
        f"Python {result.python}",
        f"canned provider: {EVENTS_A_WRITE} events a write",
        "",
        f"{'':14}{'CPU us':>8}{'of floor':>10}{'Postgres us':>13}{'calls/s':>9}{'best':>7}{'of floor':>10}"
        f"{'p50 ms':>8}{'p99 ms':>8}{'errors':>8}",
    ]
    for shape in (shape.name for shape in SHAPES):
        lines.append(shape)
        own = result.provider[shape]
        lines.append(
            f"  {'provider':12}{'':31}{own.calls_per_s:9.0f}{'':17}{own.p50_ms:8.2f}{own.p99_ms:8.2f}"
        )
        for name, figures in result.servers.items():
            errors = sum(each.load.errors for each in figures.rounds[shape])
            lines.append(
                f"  {name:12}{figures.cpu_us(shape):8.0f}{figures.cpu_us(shape) / floor.cpu_us(shape):10.2f}"
                f"{figures.postgres_us(shape):13.0f}{figures.calls_per_s(shape):9.0f}"
                f"{figures.best_calls_per_s(shape):7.0f}"
                f"{figures.best_calls_per_s(shape) / floor.best_calls_per_s(shape):10.2f}"
                f"{figures.p50_ms(shape):8.2f}{figures.p99_ms(shape):8.2f}{errors:8}"
            )
    lines += ["", f"{'':14}{'worker MB':>10}{'tree MB':>9}{'Postgres MB':>13}{'start s':>9}"]
    for name, figures in result.servers.items():
        if name in ("budgeted", "governed"):
            continue  # the same processes as the gateway's
        memory = figures.memory
        lines.append(
            f"  {name:12}{memory.worker:10.0f}{memory.tree:9.0f}{memory.postgres:13.0f}{figures.ready_s:9.2f}"
        )
    lines.append(f"  {'goal, below':12}{MAX_WORKER_MB:10}{'':22}{MAX_READY_S:9.2f}")
    return "\n".join(lines)
