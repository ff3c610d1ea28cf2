"""Asks Postgres again for a value that is known. Where Postgres is slow or away, the known value is used."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from schema.errors.overload import DatabaseUnavailable

TIMEOUT_S = 0.5
"""How long a call waits for a newer value. The call goes on then, and the look-up is not cancelled: the
driver would wait until a server that hangs confirms the cancelling."""
AWAY_S = 5.0
"""How long known values are not asked for again after Postgres did not answer in time."""

T = TypeVar("T")


class LookUps:
    """The look-ups of values that are known. Each worker has one."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._away_until = float("-inf")
        self._under_way: dict[str, asyncio.Task[Any]] = {}  # each has the type of its own answer
        """The look-ups under way, by what is asked for. A look-up that no call waits for ends by the
        time-outs of its connection."""

    def away(self) -> None:
        """Note that Postgres could not be asked."""
        self._away_until = self._clock() + AWAY_S

    async def newer(self, name: str, ask: Callable[[], Awaitable[T]]) -> T | None:
        """The value in Postgres now. None where it can't be read in time. Calls that want the same value at
        once share one look-up."""
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
