"""The order in which one worker speaks to Postgres of its leases, and what becomes of an answer that is lost.

One statement at a time of an account; each has a ticket, a number that grows. What holds of a budget or a
parallel limit between two of them, in its window and under this worker's name, in signed numbers:

    Switchgear_Lease.amount = free + out with calls + settled and not yet booked

Calls move it from left to right on this worker's side (one that costs more than it held leaves `free` below
zero), and the bookkeeper takes the last part off both sides when it books, so neither has to know how far
the other is. A lease adds to `amount` and to `free`, a return takes off both, and one of less than nothing
adds: only there can one side change without the other. So what `free` should be is never reckoned from
`amount`, in which settled calls are that only the journal knows. The statement itself is brought to one
end: a return is asked again until it is known to be done, and its ticket sees to it that it is done once; a
lease that nobody heard of is undone. What was free before is free again, exactly.

Rate limits have no leases: what is lost of them counts as used until their window ends.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from weakref import WeakValueDictionary

import asyncpg
import msgspec

from runtime.postgres.database import Database
from schema.errors import DatabaseUnavailable

BUSY = "Somebody else is changing the same budgets; try again shortly."
RETURN = "SELECT switchgear_return($1, $2, $3::text[], $4::bigint[], $5::bigint[])"
_UNDO = "SELECT switchgear_undo($1, $2, $3::text[])"

ROLLED_BACK = (
    asyncpg.TransactionRollbackError,  # deadlocks too
    asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError,  # by Postgres, for its time
)
"""What Postgres says of a statement that changed nothing for certain."""


class NotDone(Exception):
    """The statement changed nothing, for certain; its cause says why."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a statement asks of accounts that have leases: a return, or without `amounts` a lease."""

    ticket: int
    worker: str
    accounts: tuple[str, ...]
    epochs: tuple[int, ...] = ()
    amounts: tuple[int, ...] = ()


class Turns:
    """One worker's."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._unanswered: dict[int, Asked] = {}
        """By ticket. An account is in one at most."""
        self._by_account: dict[str, int] = {}
        self._last = 0
        self._under_way: set[int] = set()

    @property
    def over(self) -> int:
        """Tickets up to this one are over: no statement of them is under way, or will be asked again."""
        return min((*self._under_way, *self._unanswered), default=self._last + 1) - 1

    @asynccontextmanager
    async def turn(self, accounts: Iterable[str]) -> AsyncIterator[int]:
        """The ticket of a statement on these accounts. Raises NotDone where one before it has no answer and
        can't have one now."""
        names = sorted(set(accounts))
        async with AsyncExitStack() as stack:
            for name in names:
                lock = self._locks.get(name)
                if lock is None:
                    lock = self._locks[name] = asyncio.Lock()
                await stack.enter_async_context(lock)
            for name in names:
                if name in self._by_account:
                    try:
                        await self._end(self._unanswered[self._by_account[name]])
                    except DatabaseUnavailable as exc:
                        raise NotDone from exc
            self._last += 1
            ticket = self._last
            self._under_way.add(ticket)
            try:
                yield ticket
            finally:
                self._under_way.discard(ticket)

    @asynccontextmanager
    async def asking(self, asked: Asked) -> AsyncIterator[asyncpg.Connection]:
        """Where to ask it, in its turn. Raises NotDone, or DatabaseUnavailable where nobody knows: then it is
        brought to an end later."""
        begun = False
        try:
            async with self._database.connection() as connection:
                begun = True
                yield connection
        except ROLLED_BACK as exc:
            raise NotDone from exc
        except DatabaseUnavailable as exc:
            if not begun or isinstance(exc.__cause__, ROLLED_BACK):
                raise NotDone from exc
            if asked.accounts:
                self._unanswered[asked.ticket] = asked
                self._by_account.update(dict.fromkeys(asked.accounts, asked.ticket))
            raise

    async def clear_up(self) -> None:
        """Bring to an end what has no answer. Raises DatabaseUnavailable."""
        for asked in list(self._unanswered.values()):
            await self._end(asked)

    async def _end(self, asked: Asked) -> None:
        """Twice is as good as once, and so is at any later time: Postgres goes by the ticket."""
        try:
            async with self._database.connection() as connection:
                if asked.amounts:
                    await connection.execute(
                        RETURN, asked.worker, asked.ticket, asked.accounts, asked.epochs, asked.amounts
                    )
                else:
                    await connection.execute(_UNDO, asked.worker, asked.ticket, asked.accounts)
        except ROLLED_BACK as exc:
            raise DatabaseUnavailable(BUSY) from exc
        self._unanswered.pop(asked.ticket, None)
        for name in asked.accounts:
            if self._by_account.get(name) == asked.ticket:
                del self._by_account[name]
