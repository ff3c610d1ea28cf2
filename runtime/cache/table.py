"""Answers in Postgres, sealed under the salt key: found by every worker, bounded, and deleted when they are
over."""

from collections.abc import Sequence
from datetime import timedelta

import asyncpg

from runtime.cache.sealed import StillKept, ToKeep, opened_by, sealed_under
from runtime.postgres.database import Database
from runtime.postgres.errors import asking
from runtime.state.sealing import Sealer

DELETED_AT_ONCE = 500
LEFT = 0.9
"""What is left of a bound once it was exceeded, so that not every look has something to delete."""
_LOCK = "hashtext('switchgear response cache')"
_PUT = """
    INSERT INTO "Switchgear_Cache" (cache_key, salt_id, sealed, size, created_at, expires_at)
    SELECT name, $2, sealed, octet_length(sealed), clock_timestamp(), clock_timestamp() + keeps
    FROM unnest($1::text[], $3::bytea[], $4::interval[]) AS given (name, sealed, keeps)
    ON CONFLICT (cache_key) DO UPDATE
    SET salt_id = excluded.salt_id, sealed = excluded.sealed, size = excluded.size,
        created_at = excluded.created_at, expires_at = excluded.expires_at
"""
_GET = """
    SELECT sealed, extract(epoch FROM expires_at - clock_timestamp())::float8 AS left_s
    FROM "Switchgear_Cache" WHERE cache_key = $1 AND expires_at > clock_timestamp()
"""
_DELETE = 'DELETE FROM "Switchgear_Cache" WHERE cache_key = ANY ($1::text[])'
_OVER = """
    DELETE FROM "Switchgear_Cache" WHERE cache_key = ANY (ARRAY(
        SELECT cache_key FROM "Switchgear_Cache" WHERE expires_at < clock_timestamp() LIMIT $1
    ))
"""
_SUMS = 'SELECT count(*) AS entries, coalesce(sum(size), 0)::bigint AS bytes FROM "Switchgear_Cache"'
_SOONEST = """
    WITH gone AS (
        DELETE FROM "Switchgear_Cache" WHERE cache_key = ANY (ARRAY(
            SELECT cache_key FROM "Switchgear_Cache" ORDER BY expires_at LIMIT $1
        )) RETURNING size
    )
    SELECT count(*) AS entries, coalesce(sum(size), 0)::bigint AS bytes FROM gone
"""


class CacheTable:
    """The table. Every method raises DatabaseUnavailable."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    async def put(self, answers: Sequence[ToKeep]) -> int:
        """Write answers, and give how many bytes they take."""
        found = {self._sealer.named(each.key): each for each in answers}
        sealed = await sealed_under(self._sealer, found)
        spans = [timedelta(seconds=each.ttl_s) for each in found.values()]
        with asking():
            async with self._database.connection() as connection:
                await connection.execute(_PUT, list(found), self._sealer.id, sealed, spans)
        return sum(map(len, sealed))

    async def get(self, key: str) -> StillKept | None:
        """None: there is no such answer, or it can't be opened."""
        name = self._sealer.named(key)
        with asking():
            async with self._database.connection() as connection:
                row = await connection.fetchrow(_GET, name)
        if row is None:
            return None
        answer = await opened_by(self._sealer, name, row["sealed"])
        return None if answer is None else StillKept(answer, row["left_s"])

    async def delete(self, connection: asyncpg.Connection, keys: Sequence[str]) -> int:
        """Delete answers, and give how many there were."""
        return _count(await connection.execute(_DELETE, [self._sealer.named(key) for key in keys]))

    async def tidy(self, *, max_entries: int, max_bytes: int) -> None:
        """Delete what is over. Where too much is left, delete also what would be over soonest. One worker at
        a time does it."""
        with asking():
            async with self._database.connection() as connection, connection.transaction():
                if not await connection.fetchval(f"SELECT pg_try_advisory_xact_lock({_LOCK})"):
                    return
                while _count(await connection.execute(_OVER, DELETED_AT_ONCE)) >= DELETED_AT_ONCE:
                    pass
                entries, size = await connection.fetchrow(_SUMS)
                if entries <= max_entries and size <= max_bytes:
                    return
                while entries > max_entries * LEFT or size > max_bytes * LEFT:
                    step = max(1, min(DELETED_AT_ONCE, entries // 20))
                    gone, freed = await connection.fetchrow(_SOONEST, step)
                    if not gone:
                        return
                    entries, size = entries - gone, size - freed


def _count(told: str) -> int:
    """How many rows a statement changed, by what Postgres said: `DELETE 3`."""
    return int(told.rpartition(" ")[2])
