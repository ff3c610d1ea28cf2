"""The order of one worker's statements about leases, and what becomes of a statement whose answer is lost.

There is one statement at a time about an account. Each statement has a ticket, a number that grows. Between
two statements this equation holds for each budget and each parallel limit, within one window and under one
name of this worker. The numbers have signs:

    Switchgear_Lease.amount = free + held by calls + settled and not yet booked

A call moves its amount from left to right within the right side. (A call that costs more than it held leaves
`free` below zero.) The bookkeeper takes the last part off both sides when it books. So the worker and the
bookkeeper need not know how far the other is.

A lease adds to `amount` and to `free`. A return subtracts from both; the return of a debt (an amount below
zero) adds to both. Only such a statement can change one side without the other, when its answer is lost.
`free` can't be computed from `amount`, because `amount` includes settled calls that only the journal knows.
So the statement itself is brought to an end. A return is asked again until it is known to be done, and its
ticket sees to it that it is done once. A lease whose answer was lost is undone. Then `free` is exactly what
it was before.

Rate limits have no leases: what is lost of a rate limit counts as used until its window ends.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from weakref import WeakValueDictionary

import asyncpg
import msgspec

from runtime.postgres.database import Database
from schema.errors.overload import DatabaseUnavailable

BUSY = "Somebody else is changing the same budgets; try again shortly."
RETURN = "SELECT switchgear_return($1, $2, $3::text[], $4::bigint[], $5::bigint[])"
_UNDO = "SELECT switchgear_undo($1, $2, $3::text[])"

ROLLED_BACK = (
    asyncpg.TransactionRollbackError,  # deadlocks too
    asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError,  # Postgres cancelled it: it took too long
    asyncpg.NotNullViolationError,  # an account that nobody used was tidied away while it waited for another
)
"""The errors of Postgres after which a statement has certainly changed nothing."""


class NotDone(Exception):
    """The statement has certainly changed nothing. `__cause__` is the reason."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One statement about accounts that have leases. With `amounts` it is a return, without it is a lease."""

    ticket: int
    worker: str
    accounts: tuple[str, ...]
    epochs: tuple[int, ...] = ()
    amounts: tuple[int, ...] = ()


class Turns:
    """The turns of one worker's statements about leases."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._unanswered: dict[int, Asked] = {}
        """The statements without an answer, by ticket. An account is in one of them at most."""
        self._by_account: dict[str, int] = {}
        self._last = 0
        self._under_way: set[int] = set()

    @property
    def over(self) -> int:
        """The highest ticket of which this is true: no statement with it or with a lower one is under way, or
        will be asked again."""
        return min((*self._under_way, *self._unanswered), default=self._last + 1) - 1

    @asynccontextmanager
    async def turn(self, accounts: Iterable[str]) -> AsyncIterator[int]:
        """Wait for the turn of these accounts, and give the ticket of a statement about them. A statement
        before it that has no answer is brought to an end first. Raises NotDone where that is not possible
        now."""
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
        """The connection for a statement that has its turn. Raises NotDone, or DatabaseUnavailable where
        nobody knows whether the statement was done. Such a statement is brought to an end later."""
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
        """Bring every statement without an answer to an end. Raises DatabaseUnavailable."""
        for asked in list(self._unanswered.values()):
            await self._end(asked)

    async def _end(self, asked: Asked) -> None:
        """Bring one statement to an end: ask a return again, undo a lease. Postgres looks at the ticket, so
        this may be done twice, and at any later time."""
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
