"""Looks at Ollama hosts in the background: which models they have loaded, for the choice among the hosts of a
pool, what is to be kept loaded by the config's schedule, and how the hosts stand, for metrics."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, tzinfo

from models_registry.config.local_hosts import HostKind, LocalHost
from models_registry.routing.fleet import Fleet
from runtime.hosts.manager import HostManager, tagged
from runtime.hosts.states import ollama_models
from runtime.telemetry.local_counts import MAX_HOSTS, HostGauge
from schema.errors.base import GatewayError

LOOK_S = 10.0
WARM_S = 60.0
MEASURE_S = 30.0
WANTED_S = 180.0
"""So long after somebody asked for metrics hosts are measured. Where nobody does, no host is asked."""
KEEP_ALIVE_S = 300
"""So long a model is kept loaded by each look at the schedule."""

log = logging.getLogger(__name__)


class HostKeeping:
    """One a worker."""

    def __init__(
        self,
        manager: HostManager,
        fleet: Fleet,
        zone: tzinfo,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._manager = manager
        self._fleet = fleet
        self._zone = zone
        self._clock = clock
        self._wall = wall
        self._tasks: list[asyncio.Task[None]] = []
        self._said: set[str] = set()
        self.gauges: Sequence[HostGauge] = ()
        """How the hosts stood when this worker last looked. Empty: nobody asks for metrics."""
        self._wanted = asyncio.Event()
        self._wanted_until = 0.0

    def start(self) -> None:
        self._tasks = [
            asyncio.create_task(self._repeating(self.look, LOOK_S), name="local hosts"),
            asyncio.create_task(self._repeating(self.warm, WARM_S), name="local hosts, kept warm"),
            asyncio.create_task(self._measuring(), name="local hosts, measured"),
        ]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def look(self) -> None:
        """Learn which hosts of pools have their models loaded."""
        await asyncio.gather(*(self._look_at(host) for host in self._manager.hosts if self._has_pool(host)))

    def wanted(self) -> None:
        """Somebody asks for metrics."""
        self._wanted_until = self._clock() + WANTED_S
        self._wanted.set()

    async def measure(self) -> None:
        """Learn how the hosts stand, for metrics."""
        states = await self._manager.states()
        now = self._wall().timestamp()
        self.gauges = [
            HostGauge(
                host=each.name,
                looked_at=now,
                up=each.up,
                loaded=sum(model.loaded is True for model in each.models),
                busy=each.slots_busy,
                waiting=each.waiting,
            )
            for each in states[:MAX_HOSTS]
        ]

    async def warm(self) -> None:
        """Load what the schedule wants loaded now, and is not, or not for long. What one worker has loaded is
        left alone by the others."""
        now = self._wall().astimezone(self._zone)
        wanted = [
            (host, each.model)
            for host in self._manager.hosts
            for each in host.keep_warm
            if host.kind is HostKind.OLLAMA and each.holds(now)
        ]
        await asyncio.gather(*(self._warm_one(host, model) for host, model in wanted))

    async def _warm_one(self, host: LocalHost, model: str) -> None:
        """A model that is loaded stays so with the context that it has: nobody's call loads it anew."""
        key = f"{host.name} {model}"
        try:
            if await self._manager.left_s(host, model) > KEEP_ALIVE_S / 2:
                return
            context = await self._manager.context_for(host, model)
            await self._manager.keep_loaded(host, model, context, KEEP_ALIVE_S)
            self._said.discard(key)
        except GatewayError as error:
            if key not in self._said:
                log.warning("%s is not kept loaded: %s", key, error.message)
            self._said.add(key)

    async def _look_at(self, host: LocalHost) -> None:
        began = self._clock()
        try:
            there = await ollama_models(host, self._manager.asking, "/api/ps")
        except GatewayError:
            return
        loaded = {tagged(each.known_as) for each in there}
        for target in self._manager.targets_of(host):
            if tagged(target.model) in loaded:
                self._fleet.loaded(target, began)
            else:
                self._fleet.unloaded(target, began)

    def _has_pool(self, host: LocalHost) -> bool:
        if host.kind is not HostKind.OLLAMA:
            return False
        return any(each.peers > 1 for each in self._manager.targets_of(host))

    async def _measuring(self) -> None:
        while True:
            await self._wanted.wait()
            try:
                await self.measure()
            except Exception:
                log.exception("local hosts could not be measured")
            await asyncio.sleep(MEASURE_S * (0.8 + 0.4 * random.random()))
            if self._clock() > self._wanted_until:
                self._wanted.clear()
                self.gauges = ()

    async def _repeating(self, do: Callable[[], Awaitable[None]], every_s: float) -> None:
        while True:
            try:
                await do()
            except GatewayError as error:
                log.warning("local hosts could not be looked at: %s", error.message)
            except Exception:
                log.exception("local hosts could not be looked at")
            await asyncio.sleep(every_s * (0.8 + 0.4 * random.random()))
