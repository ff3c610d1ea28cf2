"""Compares the strategies of routing on a simulated fleet, with a virtual clock.

    python -m tests.bench.fleet            the table of `docs/decisions/0025-routing-strategies.md`

The way of each call, the cooldowns and the choice are the product's own. Deployments, clients and time are
simulated: a deployment has slots, a service time and faults; calls that find no slot wait there. Latency is
that of the whole call, with its retries and waits.
"""

import heapq
import random
import sys
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import msgspec

from models_registry.routing.choice import CallTraits, Shape, View
from models_registry.routing.fleet import Fleet
from models_registry.routing.route import Route
from models_registry.target import Target
from runtime.blueprint import Checked, check
from schema.errors.base import GatewayError
from schema.errors.upstream import ProviderError, UpstreamTimeout, UpstreamUnreachable
from schema.route_options import AS_CONFIGURED

STRATEGIES = ("simple-shuffle", "least-busy", "latency-based-routing", "usage-based-routing-v2")
CALLS = 20_000
LEAD_S = 30.0
"""Calls of the first seconds are not counted."""
TOKENS = 50


class Server(msgspec.Struct, kw_only=True):
    """A deployment of the simulation."""

    service_s: float = 0.4
    """The mean time of an answer. Times are spread as lognormal numbers are."""
    slots: int = 64
    refuses: bool = False
    """Whether a call without a slot is answered 429. Else it waits."""
    slow: Callable[[float], float] = lambda now: 1.0
    """By how much answers are slower at a time."""
    broken: Callable[[float], float] = lambda now: 0.0
    """The share of calls that fail at a time."""
    error: GatewayError = ProviderError("no", status=503)
    fails_after_s: float = 0.02
    free_at: list[float] = []
    """When each slot that was used is free again."""

    def answer(self, now: float, luck: random.Random) -> tuple[float, GatewayError | None]:
        """When a call that comes now is answered, and with which error."""
        if luck.random() < self.broken(now):
            return now + self.fails_after_s, self.error
        while self.free_at and self.free_at[0] <= now:
            heapq.heappop(self.free_at)
        starts = now
        if len(self.free_at) >= self.slots:
            if self.refuses:
                return now + self.fails_after_s, ProviderError("no", status=429)
            starts = heapq.heappop(self.free_at)
        took_s = self.service_s * self.slow(now) * luck.lognormvariate(-0.08, 0.4)
        heapq.heappush(self.free_at, starts + took_s)
        return starts + took_s, None


def between(begin_s: float, end_s: float, inside: float, outside: float) -> Callable[[float], float]:
    return lambda now: inside if begin_s <= now < end_s else outside


def flapping(now: float) -> float:
    """Down for 5 s of every 20."""
    return 1.0 if now % 20 < 5 else 0.0


def warming(now: float) -> float:
    """Ten times as slow at first, for two minutes."""
    return max(1.0, 10.0 - now * 9.0 / 120.0)


SCENES: dict[str, Callable[[], list[Server]]] = {
    "four equal": lambda: [Server() for _ in range(4)],
    "one five times slower": lambda: [Server(service_s=2.0), *(Server() for _ in range(3))],
    "brown-out: ten times slower for 60 s": lambda: [
        Server(slow=between(60, 120, 10.0, 1.0)),
        *(Server() for _ in range(3)),
    ],
    "one is down": lambda: [
        Server(broken=lambda now: 1.0, error=UpstreamUnreachable("x")),
        *(Server() for _ in range(3)),
    ],
    "one hangs, time-out after 10 s": lambda: [
        Server(broken=lambda now: 1.0, error=UpstreamTimeout("x"), fails_after_s=10.0),
        *(Server() for _ in range(3)),
    ],
    "all are down for 20 s": lambda: [Server(broken=between(60, 80, 1.0, 0.0)) for _ in range(4)],
    "one flaps: down 5 s of 20": lambda: [Server(broken=flapping), *(Server() for _ in range(3))],
    "one fails every second call": lambda: [Server(broken=lambda now: 0.5), *(Server() for _ in range(3))],
    "slow start": lambda: [Server(slow=warming), *(Server() for _ in range(3))],
    "one with a single slot, 429 beyond": lambda: [
        Server(slots=1, refuses=True),
        *(Server() for _ in range(3)),
    ],
}


class Result(msgspec.Struct, frozen=True, kw_only=True):
    p50_ms: float
    p99_ms: float
    errors: float
    """The share of calls that failed."""
    attempts: float
    """For each call."""


def config(strategy: str, servers: int, *, cooldowns: bool) -> Checked:
    entries = [
        {
            "model_name": "m",
            "litellm_params": {"model": f"openai/{n}", "api_base": f"http://{n}.test/v1", "api_key": "none"},
            "model_info": {"id": str(n)},
        }
        for n in range(servers)
    ]
    router: dict[str, Any] = {"routing_strategy": strategy, "disable_cooldowns": not cooldowns}
    return check({"model_list": entries, "router_settings": router}, {})


def simulated(
    strategy: str,
    servers: list[Server],
    *,
    cooldowns: bool = True,
    calls: int = CALLS,
    per_s: float = 100.0,
    seed: int = 7,
) -> Result:
    """The calls of one worker against these deployments."""
    checked = config(strategy, len(servers), cooldowns=cooldowns)
    fleet, luck = Fleet(checked.routing.cooldowns), random.Random(seed)
    number, events = count(), list[tuple[float, int, Iterator[float]]]()
    took: list[float] = []
    lost = attempts = counted = 0
    now = 0.0

    def call() -> Iterator[float]:
        """One call. It gives the times at which it goes on."""
        nonlocal lost, attempts, counted
        began = now
        traits = CallTraits(shape=Shape(streamed=False))
        if not fleet.quiet:
            fleet.calls(now)
        route = Route(
            checked.registry,
            checked.routing,
            "m",
            allowed=(),
            options=AS_CONFIGURED,
            roll=luck.random(),
            see=lambda: View(checked.routing.choice, traits, fleet, now),
        )
        counts = began >= LEAD_S
        counted += counts
        while True:
            target: Target = route.target
            attempts += counts
            fleet.began(target, now)
            ends, error = servers[int(target.model_id)].answer(now, luck)
            asked = now
            yield ends
            fleet.left(target)
            if error is None:
                fleet.answered(target, now, tokens=TOKENS)
                fleet.took(target, now, token_ms=(now - asked) * 1000 / TOKENS)
                if counts:
                    took.append(now - began)
                return
            fleet.failed(target, error, now)
            if not route.advance(error):
                lost += counts
                return
            if route.wait_s:
                yield now + route.wait_s

    at = 0.0
    for _ in range(calls):
        at += luck.expovariate(per_s)
        heapq.heappush(events, (at, next(number), iter(())))
    while events:
        now, _, going = heapq.heappop(events)
        then = next(going, None) if _is_under_way(going) else None
        if not _is_under_way(going):
            going = call()
            then = next(going, None)
        if then is not None:
            heapq.heappush(events, (then, next(number), going))
    took.sort()
    return Result(
        p50_ms=took[len(took) // 2] * 1000,
        p99_ms=took[int(len(took) * 0.99)] * 1000,
        errors=lost / max(1, counted),
        attempts=attempts / max(1, counted),
    )


def _is_under_way(going: Iterator[float]) -> bool:
    return hasattr(going, "gi_frame")


def table() -> list[str]:
    lines = [
        "| fleet | " + " | ".join(STRATEGIES) + " | shuffle without cooldowns |",
        "| --- | " + "--- | " * (len(STRATEGIES) + 1),
    ]
    for name, make in SCENES.items():
        cells = [simulated(strategy, make()) for strategy in STRATEGIES]
        cells.append(simulated(STRATEGIES[0], make(), cooldowns=False))
        shown = (
            f"{each.p50_ms:.0f} / {each.p99_ms:.0f} ms, {each.errors * 100:.2f} %, {each.attempts:.2f}"
            for each in cells
        )
        lines.append(f"| {name} | " + " | ".join(shown) + " |")
    return lines


if __name__ == "__main__":
    print("\n".join(table()))
    sys.exit(0)
