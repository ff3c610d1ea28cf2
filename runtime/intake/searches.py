"""Lets callers search the ledger and the audit log in turns. A caller has two searches under way at most, and
eight more that wait."""

import asyncio
import time

from functions.contract.roles import Access
from schema.errors.limits import RateLimited

SEARCHES = frozenset({Access.SPEND_READ, Access.SPEND_WRITE, Access.BODIES_READ, Access.AUDIT_READ})
"""The accesses of functions that search: they use the connections for reports."""
AT_ONCE = 2
MOST_WAITING = 8
"""How many searches of one caller may wait. A page with ten charts asks for all of them at once."""
WAIT_S = 10.0
"""How long a search waits for its turn."""
RETRY_S = 1.0
LIMIT_TYPE = "max_parallel_requests"
"""What a refusal calls this limit in the header `rate_limit_type`."""


class Searches:
    """The searches of each caller. Each worker has one."""

    def __init__(self, wait_s: float = WAIT_S) -> None:
        self._wait_s = wait_s
        self._queues: dict[str, _Queue] = {}

    def turn(self, caller: str) -> "Turn":
        """The turn of one search. It begins when `begin` returns."""
        return Turn(self, caller)

    async def take(self, caller: str) -> None:
        """Wait until the caller may begin a search. Raises RateLimited where too many searches wait, or where
        this one waits too long."""
        queue = self._queues.setdefault(caller, _Queue())
        if queue.users >= AT_ONCE + MOST_WAITING:
            raise RateLimited(
                f"You have {AT_ONCE} searches under way and {MOST_WAITING} that wait; try again when one has "
                "ended.",
                retry_after_s=RETRY_S,
                limit_type=LIMIT_TYPE,
                reset_at_s=time.time() + RETRY_S,
            )
        queue.users += 1
        try:
            async with asyncio.timeout(self._wait_s):
                await queue.places.acquire()
        except BaseException as exc:
            self._leave(caller, queue)
            if isinstance(exc, TimeoutError):
                raise RateLimited(
                    f"Your {AT_ONCE} searches under way took over {self._wait_s:g} s; try again when one has "
                    "ended.",
                    retry_after_s=RETRY_S,
                    limit_type=LIMIT_TYPE,
                    reset_at_s=time.time() + RETRY_S,
                ) from exc
            raise

    def give_back(self, caller: str) -> None:
        queue = self._queues[caller]
        queue.places.release()
        self._leave(caller, queue)

    def _leave(self, caller: str, queue: "_Queue") -> None:
        queue.users -= 1
        if not queue.users:
            del self._queues[caller]


class _Queue:
    def __init__(self) -> None:
        self.users = 0
        self.places = asyncio.Semaphore(AT_ONCE)


class Turn:
    """The turn of one search. `end` may be called at any time, and more than once."""

    def __init__(self, searches: Searches, caller: str) -> None:
        self._searches = searches
        self._caller = caller
        self._begun = False

    async def begin(self) -> None:
        """Wait for the turn. Raises RateLimited."""
        await self._searches.take(self._caller)
        self._begun = True

    def end(self) -> None:
        if self._begun:
            self._begun = False
            self._searches.give_back(self._caller)
