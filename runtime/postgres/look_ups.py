"""Asking Postgres anew for what is known already: where it is slow or away, what it said last has to do."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from schema.errors import DatabaseUnavailable

TIMEOUT_S = 0.5
"""How long a call waits for a newer answer. The look-up is left then and not cancelled: the driver would wait
for a server that hangs to say that it stopped."""
AWAY_S = 5.0
"""How long nothing that is known is asked for after that."""

T = TypeVar("T")


class LookUps:
    """One a worker."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._away_until = float("-inf")
        self._under_way: dict[str, asyncio.Task[Any]] = {}  # each has the type of its own answer
        """By what is asked for. Those that were left end by their connection's time-outs."""

    def away(self) -> None:
        """Postgres could not be asked."""
        self._away_until = self._clock() + AWAY_S

    async def newer(self, name: str, ask: Callable[[], Awaitable[T]]) -> T | None:
        """What is said now. None: it can't be had. Calls that want the same at once ask once."""
        if self._clock() < self._away_until:
            return None
        task: asyncio.Task[T | None] | None = self._under_way.get(name)
        if task is None:
            task = self._under_way[name] = asyncio.create_task(_answer(ask), name="look-up")
            task.add_done_callback(lambda _: self._under_way.pop(name))
        await asyncio.wait({task}, timeout=TIMEOUT_S)
        found = task.result() if task.done() else None
        if found is None:
            self.away()
        return found

    async def close(self) -> None:
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _answer(ask: Callable[[], Awaitable[T]]) -> T | None:
    try:
        return await ask()
    except DatabaseUnavailable:
        return None
