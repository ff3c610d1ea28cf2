"""Keeps sealed values in Postgres. Implements `functions.ports.state.State`."""

import asyncio
import logging
import time
import zlib
from datetime import timedelta

from runtime.postgres.database import Database
from runtime.postgres.errors import asking
from runtime.postgres.purging import Purging, purge_expired
from runtime.state.sealing import CantOpen, Sealer
from schema.errors.base import GatewayError
from schema.errors.overload import DatabaseUnavailable
from schema.errors.requests import InvalidRequest

MAX_VALUE_BYTES = 48 * 1024 * 1024
"""The longest value that is kept."""
COMPRESS_LEVEL = 1
SHORT_BYTES = 128 * 1024
"""Longer values are sealed and opened in a thread, so that they don't hold other calls up."""
PUT_S = 2.0
"""How long a client waits at most until its response is stored."""
PAUSE_S = 5.0
"""For so long nothing is put after the database was away, so that calls go on meanwhile."""
_PUT = """
    INSERT INTO "Switchgear_State" (state_id, kind, owner, salt_id, sealed, created_at, expires_at)
    VALUES ($1, $2, $3, $4, $5, now(), now() + $6)
    ON CONFLICT (owner, kind, state_id) DO UPDATE
    SET salt_id = excluded.salt_id, sealed = excluded.sealed, created_at = excluded.created_at,
        expires_at = excluded.expires_at
"""
_GET = """
    SELECT sealed FROM "Switchgear_State"
    WHERE owner = $3 AND kind = $2 AND state_id = $1 AND (expires_at IS NULL OR expires_at > now())
"""
_DELETE = """
    DELETE FROM "Switchgear_State"
    WHERE owner = $3 AND kind = $2 AND state_id = $1 AND (expires_at IS NULL OR expires_at > now())
    RETURNING 1
"""

log = logging.getLogger(__name__)


class StateStore:
    """Values by owner, kind and id. Without a salt key nothing is kept."""

    def __init__(self, database: Database, sealer: Sealer | None) -> None:
        self._database = database
        self._sealer = sealer
        self._purging = Purging(self.purge, "state")
        self._away_until = 0.0
        """By `time.monotonic()`: until then nothing is put, since the database was away."""

    @property
    def is_open(self) -> bool:
        return self._sealer is not None

    def start(self) -> None:
        """Delete what is over, now and then."""
        if self._sealer is not None:
            self._purging.start()

    async def close(self) -> None:
        await self._purging.close()

    async def put(self, kind: str, owner: str, id: str, value: bytes, *, ttl_s: float) -> None:
        """See State."""
        sealer = self._its_sealer()
        if len(value) > MAX_VALUE_BYTES:
            raise InvalidRequest(f"The {kind} has {len(value)} bytes; {MAX_VALUE_BYTES} can be stored.")

        def seal() -> bytes:
            return sealer.seal(zlib.compress(value, COMPRESS_LEVEL), kind=kind, owner=owner, id=id)

        sealed = await asyncio.to_thread(seal) if len(value) > SHORT_BYTES else seal()
        if time.monotonic() < self._away_until:
            raise DatabaseUnavailable("The database was away a moment ago.")
        row = (id, kind, owner, sealer.id, sealed, timedelta(seconds=ttl_s))
        try:
            with asking():
                async with asyncio.timeout(PUT_S), self._database.connection() as connection:
                    await connection.execute(_PUT, *row)
        except DatabaseUnavailable:
            self._away_until = time.monotonic() + PAUSE_S
            raise

    async def get(self, kind: str, owner: str, id: str) -> bytes | None:
        """See State."""
        sealer = self._its_sealer()
        with asking():
            async with self._database.connection() as connection:
                sealed = await connection.fetchval(_GET, id, kind, owner)
        if sealed is None:
            return None

        def unseal() -> bytes:
            return zlib.decompress(sealer.open(sealed, kind=kind, owner=owner, id=id))

        try:
            return await asyncio.to_thread(unseal) if len(sealed) > SHORT_BYTES else unseal()
        except (CantOpen, zlib.error) as exc:
            log.error("state", extra={"reason": str(exc)})
            raise GatewayError(f"The stored {kind} can't be opened.") from exc

    async def delete(self, kind: str, owner: str, id: str) -> bool:
        """See State."""
        with asking():
            async with self._database.connection() as connection:
                return await connection.fetchval(_DELETE, id, kind, owner) is not None

    def _its_sealer(self) -> Sealer:
        if self._sealer is None:
            raise GatewayError("This gateway has no salt key, so it keeps no values of callers.")
        return self._sealer

    async def purge(self) -> None:
        """Delete what is over."""
        await purge_expired(self._database, "Switchgear_State")
