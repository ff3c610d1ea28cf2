"""A pool of connections to Postgres, and Piccolo bound to it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar

import asyncpg
import msgspec
from piccolo.table import Table

from runtime.postgres.errors import asking, reaching
from runtime.postgres.piccolo_engine import QuietEngine
from schema.tables.all_tables import TABLES
from schema.tables.authority import AuthorityView

MIN_CONNECTIONS = 1
MAX_CONNECTIONS = 10
CONNECT_TIMEOUT_S = 5.0


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """How long a statement of a pool may take, and how long it may wait for a lock."""

    statement_timeout_s: int = 15
    lock_timeout_s: int = 5


class Database:
    """One pool of connections to Postgres. `connect` makes it."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", engine: QuietEngine) -> None:
        self.pool = pool
        self.engine = engine
        self._after: ContextVar[list[Callable[[], None]] | None] = ContextVar("after", default=None)

    @classmethod
    async def connect(
        cls,
        dsn: str,
        terms: Terms = Terms(),  # noqa: B008  (a frozen Struct)
        *,
        size: int = MAX_CONNECTIONS,
        engine: QuietEngine | None = None,
    ) -> "Database":
        """Open a pool of `size` connections at most. Raises DatabaseUnavailable.

        `engine` is Piccolo's engine of an earlier pool, to be shared. Without it a new engine is made, and
        Piccolo's tables use the new one. So a process makes one engine only.
        """
        with reaching():
            pool = await asyncpg.create_pool(
                dsn,
                min_size=MIN_CONNECTIONS,
                max_size=size,
                timeout=CONNECT_TIMEOUT_S,
                command_timeout=terms.statement_timeout_s + 1,
                server_settings={
                    "application_name": "switchgear",
                    "timezone": "UTC",
                    "statement_timeout": f"{terms.statement_timeout_s}s",
                    "lock_timeout": f"{terms.lock_timeout_s}s",
                    "idle_in_transaction_session_timeout": "60s",
                },
            )
        if engine is None:
            engine = QuietEngine()
            engine.pool = pool
            tables: tuple[type[Table], ...] = (*TABLES, AuthorityView)
            for table in tables:
                table._meta.db = engine
        return cls(pool, engine)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection of the pool, for SQL that Piccolo can't express. Raises DatabaseUnavailable."""
        with reaching():
            async with self.pool.acquire(timeout=CONNECT_TIMEOUT_S) as connection:
                try:
                    yield connection
                except (TimeoutError, asyncpg.ReadOnlySQLTransactionError):
                    connection.terminate()  # it hangs, or its server is a standby now; the pool opens another
                    raise

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Piccolo queries inside use this pool's connections. Raises what `runtime.postgres.errors.asking`
        raises."""
        with asking(), self.engine.using(self.pool):
            yield

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """Piccolo queries inside run in one transaction. Where one is under way already, they join it. Raises
        what `asking` raises."""
        if self._after.get() is not None:
            yield
            return
        pending: list[Callable[[], None]] = []
        outside = self._after.set(pending)
        try:
            with self.asking():
                async with self.engine.transaction():
                    yield
        finally:
            self._after.reset(outside)
        for each in pending:
            each()

    def after_commit(self, do: Callable[[], None]) -> None:
        """Call `do` when the transaction under way is committed. It is not called where the transaction
        fails. Without a transaction it is called at once."""
        pending = self._after.get()
        if pending is None:
            do()
        else:
            pending.append(do)

    async def close(self) -> None:
        """Close every connection. Wait five seconds at most for connections that are in use."""
        try:
            await asyncio.wait_for(self.pool.close(), CONNECT_TIMEOUT_S)
        except TimeoutError:
            self.pool.terminate()
