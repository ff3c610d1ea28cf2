"""Looks at Ollama hosts in the background: which models they have loaded, for the choice among the hosts of a
pool, and what is to be kept loaded by the config's schedule."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, tzinfo

from models_registry.config.local_hosts import HostKind, LocalHost
from models_registry.routing.fleet import Fleet
from runtime.hosts.manager import HostManager, tagged
from runtime.hosts.states import ollama_models
from schema.errors import GatewayError

LOOK_S = 10.0
WARM_S = 60.0
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

    def start(self) -> None:
        self._tasks = [
            asyncio.create_task(self._repeating(self.look, LOOK_S), name="local hosts"),
            asyncio.create_task(self._repeating(self.warm, WARM_S), name="local hosts, kept warm"),
        ]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def look(self) -> None:
        """Learn which hosts of pools have their models loaded."""
        await asyncio.gather(*(self._look_at(host) for host in self._manager.hosts if self._has_pool(host)))

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

    async def _repeating(self, do: Callable[[], Awaitable[None]], every_s: float) -> None:
        while True:
            try:
                await do()
            except GatewayError as error:
                log.warning("local hosts could not be looked at: %s", error.message)
            except Exception:
                log.exception("local hosts could not be looked at")
            await asyncio.sleep(every_s * (0.8 + 0.4 * random.random()))
