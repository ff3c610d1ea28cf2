"""The connection to Postgres: one small pool a worker, and Piccolo bound to it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from runtime.database_errors import asking, reaching
from runtime.piccolo_engine import QuietEngine
from schema.tables.keys import DeletedVerificationToken, VerificationToken
from schema.tables.spend_logs import SpendLog
from schema.tables.users import User

MIN_CONNECTIONS = 1
MAX_CONNECTIONS = 10
CONNECT_TIMEOUT_S = 5.0
STATEMENT_TIMEOUT_S = 15.0


class Database:
    """Postgres as this worker sees it. Made by `connect`."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", engine: QuietEngine) -> None:
        self.pool = pool
        self.engine = engine

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
        for table in (User, VerificationToken, DeletedVerificationToken, SpendLog):
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
        """Piccolo queries inside run in one transaction. Raises what `asking` does."""
        with asking():
            async with self.engine.transaction():
                yield

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
