"""Piccolo's engine on our own pools. Unlike Piccolo's, it opens no connection when it is constructed."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from piccolo.engine.postgres import PostgresEngine, PostgresTransaction

ACQUIRE_S = 5.0
"""How long a query waits for a connection of its pool."""


class QuietTransaction(PostgresTransaction):
    """A transaction that always gives its connection back. Piccolo's own keeps the connection where the
    rollback fails, such as when Postgres goes away in the middle. The pool then loses one connection each
    time."""

    async def get_connection(self) -> Any:  # asyncpg has no types
        if self._from is None:
            return await self.engine.get_new_connection()
        return await self._from.acquire(timeout=ACQUIRE_S)

    async def _let_go(self) -> None:
        if self._from is None:
            await self.connection.close()
        else:
            await self._from.release(self.connection)

    async def __aenter__(self) -> PostgresTransaction:
        if self._parent is not None:
            return self._parent
        self._from: Any = self.engine.pool
        self.connection = await self.get_connection()
        try:
            self.transaction = self.connection.transaction()
            await self.begin()  # type: ignore[no-untyped-call]
        except BaseException:
            await self._let_go()
            raise
        self.context = self.engine.current_transaction.set(self)
        return self

    async def __aexit__(self, kind: Any, exception: Any, trace: Any) -> bool:
        if self._parent is not None:
            return exception is None
        try:
            if exception is None:
                await self.commit()  # type: ignore[no-untyped-call]
            else:
                await self.rollback()  # type: ignore[no-untyped-call]
        finally:
            self.engine.current_transaction.reset(self.context)
            await self._let_go()
        return exception is None


class QuietEngine(PostgresEngine):
    """Piccolo's engine without IO in its constructor: it neither asks for the server's version nor creates
    extensions."""

    def __init__(self) -> None:
        self._default: Any = None
        self._chosen: ContextVar[Any] = ContextVar("pool", default=None)
        super().__init__(config={})

    @property
    def pool(self) -> Any:  # asyncpg has no types
        """The pool that `using` chose, else the pool that was set."""
        return self._chosen.get() or self._default

    @pool.setter
    def pool(self, pool: Any) -> None:
        self._default = pool

    @contextmanager
    def using(self, pool: Any) -> Iterator[None]:
        """Queries inside use a connection of this pool."""
        before = self._chosen.set(pool)
        try:
            yield
        finally:
            self._chosen.reset(before)

    def transaction(self, allow_nested: bool = True) -> PostgresTransaction:
        return QuietTransaction(engine=self, allow_nested=allow_nested)

    async def _run_in_pool(self, query: str, args: Any = None) -> Any:
        async with self.pool.acquire(timeout=ACQUIRE_S) as connection:
            return await connection.fetch(query, *(args or ()))

    async def check_version(self) -> None:
        return None

    async def prep_database(self) -> None:
        return None
