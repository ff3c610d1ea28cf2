"""`just bench --stages`: what a call costs inside a worker, stage by stage, in microseconds.

    python -m tests.bench.stages               the table, for plain calls, governed ones and streams
    python -m tests.bench.stages --calls N     N plain calls and no timer; valgrind counts their instructions

A stage has the time of its own code: a stage that it calls counts for itself. `connection` holds the turns of
the event loop while the call waits. A timer costs 0.3 us at each stage's border, so that the sum is above the
line `untimed`, which is the whole call without timers.
"""

import argparse
import functools
import inspect
import sys
import time
from collections.abc import Callable
from typing import Any

import msgspec
import uvloop

import runtime.invoke
import runtime.web.door
from functions.calls.chat_exchange import ChatExchange
from functions.calls.relay import Relay
from models_registry.routing.route import Route
from runtime.identity.authenticator import Authenticator
from runtime.intake.body_decoder import BodyDecoder
from runtime.invoke import Endpoint
from runtime.ledger.attempts import BookedLedger
from runtime.ledger.journal import Journal
from runtime.limits.admission import Admissions
from runtime.telemetry.tally import Tally
from runtime.upstream.client import HttpUpstream
from runtime.upstream.response import HttpResponse
from runtime.upstream.router import Router
from runtime.web.door import Door, _Client
from tests.bench.in_process import KEYS, Worker, worker

ROUNDS = 7
CALLS_A_ROUND = 2_000
STREAMS_A_ROUND = 200
WARM_UP = 300


class Stage(msgspec.Struct, frozen=True):
    """A part of a call: its name in the table, and the function that it is."""

    name: str
    owner: Any  # a class or a module
    attribute: str


STAGES = (
    Stage("door", Door, "handle"),
    Stage("body", _Client, "read"),
    Stage("invoke", Endpoint, "invoke"),
    Stage("auth", Authenticator, "caller"),
    Stage("call", Endpoint, "_call"),
    Stage("decode", BodyDecoder, "decode"),
    Stage("labels", runtime.invoke, "labelled"),
    Stage("walk", Router, "walk"),
    Stage("route", Route, "__init__"),
    Stage("request", ChatExchange, "outgoing"),
    Stage("bounds", ChatExchange, "bounds"),
    Stage("hold", BookedLedger, "hold"),
    Stage("admission", Admissions, "admit"),
    Stage("journal", Journal, "hold"),
    Stage("connection", HttpUpstream, "open"),
    Stage("connection", HttpResponse, "read"),
    Stage("answer", ChatExchange, "answer"),
    Stage("relay", Relay, "begin"),
    Stage("book", BookedLedger, "book"),
    Stage("journal", Journal, "settle"),
    Stage("admission", Admissions, "settle"),
    Stage("metrics", Tally, "attempt"),
    Stage("render", runtime.invoke, "render"),
    Stage("send", runtime.web.door, "send_reply"),
    Stage("log", Endpoint, "_log"),
)


class Timer:
    """Own time of each stage, in nanoseconds, and how often it was entered."""

    def __init__(self) -> None:
        self.own_ns: dict[str, int] = {}
        self._stack: list[str] = ["outside"]
        self._since = time.perf_counter_ns()

    def enter(self, name: str) -> None:
        now = time.perf_counter_ns()
        top = self._stack[-1]
        self.own_ns[top] = self.own_ns.get(top, 0) + now - self._since
        self._stack.append(name)
        self._since = now

    def leave(self) -> None:
        now = time.perf_counter_ns()
        top = self._stack.pop()
        self.own_ns[top] = self.own_ns.get(top, 0) + now - self._since
        self._since = now


def timed(name: str, function: Callable[..., Any], timer: Timer) -> Callable[..., Any]:
    """The function, with its time taken."""
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def run_async(*args: object, **named: object) -> object:
            timer.enter(name)
            try:
                return await function(*args, **named)
            finally:
                timer.leave()

        return run_async

    @functools.wraps(function)
    def run(*args: object, **named: object) -> object:
        timer.enter(name)
        try:
            return function(*args, **named)
        finally:
            timer.leave()

    return run


async def many(running: Worker, calls: int, key: str, *, streamed: bool) -> float:
    """Microseconds of CPU a call."""
    began = time.thread_time()
    for _ in range(calls):
        await running.call(key, streamed=streamed)
    took = time.thread_time() - began
    running.lines.clear()
    return took / calls * 1e6


async def table() -> list[str]:
    """The figures as lines of text: the best of the rounds, since what is slower is the machine's doing."""
    kinds = {
        "plain": (KEYS["plain"], False, CALLS_A_ROUND),
        "governed": (KEYS["governed"], False, CALLS_A_ROUND),
        "stream": (KEYS["plain"], True, STREAMS_A_ROUND),
    }
    whole: dict[str, float] = {}
    stages: dict[str, dict[str, float]] = {}
    async with worker() as running:
        for name, (key, streamed, calls) in kinds.items():
            await many(running, WARM_UP, key, streamed=streamed)
            rounds = [await many(running, calls, key, streamed=streamed) for _ in range(ROUNDS)]
            whole[name] = min(rounds)
    originals = [(stage, inspect.getattr_static(stage.owner, stage.attribute)) for stage in STAGES]
    timer = Timer()
    try:
        for stage, original in originals:
            if isinstance(original, classmethod):
                wrapped: object = classmethod(timed(stage.name, original.__func__, timer))
            else:
                wrapped = timed(stage.name, original, timer)
            setattr(stage.owner, stage.attribute, wrapped)
        async with worker() as running:
            for name, (key, streamed, calls) in kinds.items():
                await many(running, WARM_UP, key, streamed=streamed)
                best: dict[str, float] = {}
                for _ in range(ROUNDS):
                    timer.own_ns.clear()
                    await many(running, calls, key, streamed=streamed)
                    for part, own in timer.own_ns.items():
                        best[part] = min(best.get(part, float("inf")), own / calls / 1e3)
                stages[name] = best
    finally:
        for stage, original in originals:
            setattr(stage.owner, stage.attribute, original)
    return _lines(whole, stages)


def _lines(whole: dict[str, float], stages: dict[str, dict[str, float]]) -> list[str]:
    names = list(dict.fromkeys(stage.name for stage in STAGES))
    lines = [f"{'us a call':14}" + "".join(f"{kind:>10}" for kind in stages)]
    lines += [
        f"{name:14}" + "".join(f"{stages[kind].get(name, 0.0):10.1f}" for kind in stages) for name in names
    ]
    lines.append(f"{'untimed':14}" + "".join(f"{whole[kind]:10.1f}" for kind in stages))
    return lines


async def _calls(number: int) -> None:
    async with worker() as running:
        for _ in range(number):
            await running.call()


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="just bench --stages", description=__doc__)
    parser.add_argument("--calls", type=int, help="so many plain calls, and no table")
    arguments = parser.parse_args(argv)
    if arguments.calls is not None:
        uvloop.run(_calls(arguments.calls))
    else:
        print("\n".join(uvloop.run(table())))


if __name__ == "__main__":
    main(sys.argv[1:])
