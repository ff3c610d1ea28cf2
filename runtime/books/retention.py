"""Retention drops the partitions of the ledger and of the bodies in which every row is too old. A partition
is one month.

The time is the database's: a host with a clock that is ahead must not drop a month too early. The month of
the newest row stays, whatever any clock says.

A month is detached and then dropped. Detaching lets reads and writes of the other months go on. Retention
waits five seconds for a lock of somebody else. After that the month stays as it is, perhaps half detached,
and the next run begins with it. Rollups stay: retention does not touch them.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, date, datetime, time
from pathlib import Path

import asyncpg
import msgspec

from runtime.bodies.storage_policy import StoragePolicy
from runtime.postgres.errors import reaching
from runtime.process.locks import locked
from schema.errors.overload import DatabaseUnavailable
from schema.tables import aware
from schema.tables.partitions import BODIES, PARENT, TOO_OLD, month_after, month_of, partition_name
from schema.window import after

LOCK_KEY = 0x53575254
"""The number of the advisory lock ("SWRT" in ASCII) that lets one worker at a time run."""
LOCK_TIMEOUT_S = 5.0
STATEMENT_TIMEOUT_S = 600.0
PARENTS = (BODIES, PARENT)
"""The tables with partitions. Bodies are dropped first, so that no body is left without its row."""
FIRST_S = 10.0
"""The first run is so long after the start."""
RETRY_S = 60.0
"""After a run that could not finish, the next run is so much later at most."""

_MONTH = re.compile(r"_(\d{4})_(\d{2})(?:_([2-9]))?$")
_TABLES = """
    SELECT c.relname::text AS name, i.inhparent IS NOT NULL AS attached,
           coalesce(i.inhdetachpending, false) AS pending, obj_description(c.oid, 'pg_class') AS comment
    FROM pg_class c
    LEFT JOIN pg_inherits i ON i.inhrelid = c.oid AND i.inhparent = to_regclass('"' || $1 || '"')
    WHERE c.relkind = 'r' AND starts_with(c.relname::text, $1 || '_') AND pg_table_is_visible(c.oid)
    ORDER BY c.relname
"""

_NEWEST = f'SELECT max("startTime") FROM "{PARENT}"'

log = logging.getLogger(__name__)


async def database_time(connection: asyncpg.Connection) -> datetime:
    now: datetime = await connection.fetchval("SELECT now()")
    return now.astimezone(UTC)


class Month(msgspec.Struct, frozen=True, kw_only=True):
    """The partition of one month. It may be detached already."""

    parent: str
    name: str
    first: date
    attached: bool
    pending: bool
    """Whether it is half detached: a detach was begun and did not end."""
    marked: bool
    """Whether it has the comment that retention gives a month before it detaches the month."""

    @property
    def is_ours(self) -> bool:
        """Whether retention may drop it. A month that somebody else has detached, or begun to detach, is
        kept."""
        return self.marked or (self.attached and not self.pending)


class Retention:
    """Runs retention by time. Each worker has one. It does nothing where the policy keeps everything."""

    def __init__(
        self,
        dsn: str,
        policy: StoragePolicy,
        clock: Callable[[asyncpg.Connection], Awaitable[datetime]] = database_time,
        *,
        lock_timeout_s: float = LOCK_TIMEOUT_S,
        lock_path: Path | None = None,
    ) -> None:
        """`clock` gives the time now. `lock_path` is a file that the workers of this host share: one of them
        at a time connects to Postgres for retention."""
        self._dsn = dsn
        self._policy = policy
        self._clock = clock
        self._lock_timeout_s = lock_timeout_s
        self._lock_path = lock_path
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self._policy.retention is not None:
            self._task = asyncio.create_task(self._run(), name="retention")

    async def close(self) -> None:
        """Break off a run under way. The next run goes on where this one stopped."""
        self._stopping.set()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        wait_s = FIRST_S
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), wait_s)
                return
            wait_s = self._policy.retention_interval_s
            try:
                if not await self.sweep():
                    wait_s = min(wait_s, RETRY_S)
            except DatabaseUnavailable:
                wait_s = min(wait_s, RETRY_S)
            except Exception:
                log.exception("retention failed")

    async def sweep(self) -> bool:
        """Drop what is too old, unless another worker is doing so. False where a lock stood in the way.
        Raises DatabaseUnavailable."""
        if self._lock_path is None:
            return await self._sweep()
        with locked(self._lock_path) as mine:
            return await self._sweep() if mine else True

    async def _sweep(self) -> bool:
        with reaching():
            connection = await asyncpg.connect(
                self._dsn,
                command_timeout=STATEMENT_TIMEOUT_S,
                server_settings={
                    "application_name": "switchgear-retention",
                    "lock_timeout": f"{self._lock_timeout_s * 1000:.0f}ms",
                    "statement_timeout": f"{STATEMENT_TIMEOUT_S:.0f}s",
                },
            )
            try:
                if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK_KEY):
                    return True
                return await self._drop_old(connection)
            finally:
                await connection.close()

    async def _drop_old(self, connection: asyncpg.Connection) -> bool:
        done = True
        now = await self._clock(connection)
        try:
            newest = await connection.fetchval(_NEWEST)
        except (asyncpg.LockNotAvailableError, asyncpg.QueryCanceledError) as exc:
            log.warning("retention: %s is in use, trying again later: %s", PARENT, exc)
            return False
        last = month_of((now if newest is None else min(now, aware(newest))).date())
        for parent in PARENTS:
            for month in await self._old_months(connection, parent, now):
                if month.first >= last:
                    continue
                try:
                    await _drop(connection, month)
                except (
                    asyncpg.LockNotAvailableError,
                    asyncpg.QueryCanceledError,
                    asyncpg.ObjectNotInPrerequisiteStateError,  # somebody else is detaching another month
                ) as exc:
                    log.warning("retention: %s is in use, trying again later: %s", month.name, exc)
                    done = False
                    break  # Postgres allows one half detached partition of a table at a time
                log.info("retention: dropped %s", month.name)
        return done

    async def _old_months(self, connection: asyncpg.Connection, parent: str, now: datetime) -> list[Month]:
        """The partitions to drop. A partition that was left half detached comes first."""
        found = [month_of_table(parent, row) for row in await connection.fetch(_TABLES, parent)]
        old = [
            month for month in found if month is not None and month.is_ours and self.is_over(month.first, now)
        ]
        return sorted(old, key=lambda month: not month.pending)

    def is_over(self, first: date, now: datetime) -> bool:
        """Whether the whole month that begins at `first` is older than the policy keeps."""
        assert self._policy.retention is not None, "there is a limit"
        end = datetime.combine(month_after(first), time(), UTC)
        return after(end, self._policy.retention, param="retention") <= now


def month_of_table(parent: str, row: asyncpg.Record) -> Month | None:
    """The month that a table is the partition of. None for a table that this gateway did not make."""
    found = _MONTH.search(row["name"])
    if found is None or not 1 <= int(found[2]) <= 12 or int(found[1]) < 1:
        return None
    first = date(int(found[1]), int(found[2]), 1)
    if row["name"] != partition_name(first, parent, int(found[3] or 1)):
        return None
    return Month(
        parent=parent,
        name=row["name"],
        first=first,
        attached=row["attached"],
        pending=row["pending"],
        marked=row["comment"] == TOO_OLD,
    )


async def _drop(connection: asyncpg.Connection, month: Month) -> None:
    """Mark, detach and drop a month. Each step is a statement of its own: Postgres allows no concurrent
    detach in a transaction."""
    if not month.marked:
        await connection.execute(f"COMMENT ON TABLE \"{month.name}\" IS '{TOO_OLD}'")
    if month.pending:
        await connection.execute(f'ALTER TABLE "{month.parent}" DETACH PARTITION "{month.name}" FINALIZE')
    elif month.attached:
        await connection.execute(f'ALTER TABLE "{month.parent}" DETACH PARTITION "{month.name}" CONCURRENTLY')
    await connection.execute(f'DROP TABLE "{month.name}"')
