"""The connection to Postgres: one small pool a worker, and Piccolo bound to it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar

import asyncpg
from piccolo.table import Table

from runtime.database_errors import asking, reaching
from runtime.piccolo_engine import QuietEngine
from schema.tables.authority import Authority
from schema.tables.piccolo_app import TABLES

MIN_CONNECTIONS = 1
MAX_CONNECTIONS = 10
CONNECT_TIMEOUT_S = 5.0
STATEMENT_TIMEOUT_S = 15.0


class Database:
    """Postgres as this worker sees it. Made by `connect`."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", engine: QuietEngine) -> None:
        self.pool = pool
        self.engine = engine
        self._after: ContextVar[list[Callable[[], None]] | None] = ContextVar("after", default=None)

    @classmethod
    async def connect(cls, dsn: str) -> "Database":
        """Open the pool and give the Piccolo tables their engine. Raises DatabaseUnavailable.

        A process has one database: Piccolo's tables belong to the one connected last.
        """
        with reaching():
            pool = await asyncpg.create_pool(
                dsn,
                min_size=MIN_CONNECTIONS,
                max_size=MAX_CONNECTIONS,
                timeout=CONNECT_TIMEOUT_S,
                command_timeout=STATEMENT_TIMEOUT_S + 1,
                server_settings={
                    "application_name": "switchgear",
                    "timezone": "UTC",
                    "statement_timeout": f"{STATEMENT_TIMEOUT_S:.0f}s",
                    "idle_in_transaction_session_timeout": "60s",
                },
            )
        engine = QuietEngine(config={})
        engine.pool = pool
        tables: tuple[type[Table], ...] = (*TABLES, Authority)
        for table in tables:
            table._meta.db = engine
        return cls(pool, engine)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection of the pool, for SQL that Piccolo has no words for. Raises DatabaseUnavailable."""
        with reaching():
            async with self.pool.acquire(timeout=CONNECT_TIMEOUT_S) as connection:
                yield connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """Piccolo queries inside run in one transaction, also where one is under way. Raises what
        `asking` does."""
        if self._after.get() is not None:
            yield
            return
        pending: list[Callable[[], None]] = []
        outside = self._after.set(pending)
        try:
            with asking():
                async with self.engine.transaction():
                    yield
        finally:
            self._after.reset(outside)
        for each in pending:
            each()

    def after_commit(self, do: Callable[[], None]) -> None:
        """Do it when the transaction under way is committed, and not if it is not."""
        pending = self._after.get()
        if pending is None:
            do()
        else:
            pending.append(do)

    async def ping(self) -> None:
        """Raises DatabaseUnavailable unless Postgres answers."""
        async with self.connection() as connection:
            await connection.fetchval("SELECT 1", timeout=2.0)

    async def close(self) -> None:
        """Close every connection, waiting a moment for those in use."""
        try:
            await asyncio.wait_for(self.pool.close(), CONNECT_TIMEOUT_S)
        except TimeoutError:
            self.pool.terminate()
