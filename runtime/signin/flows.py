"""Sign-ins under way, in Postgres, so that any worker may take the browser's return."""

from datetime import timedelta

import msgspec

from runtime.postgres.database import Database
from runtime.postgres.errors import asking
from runtime.signin.digests import digest_of
from runtime.signin.oidc import Begun
from schema.errors.limits import RateLimited

KEPT_S = 600.0
"""How long somebody may stay at the provider's page."""
MAX_OF_ADDRESS = 300
MAX_IN_ALL = 50_000
"""How many sign-ins are under way at once. Anybody may begin one, so that both numbers bound what a stranger
can store."""
_COUNT = """
    SELECT count(*) FILTER (WHERE address IS NOT DISTINCT FROM $1), count(*) FROM (
        SELECT address FROM "Switchgear_SignIn" WHERE expires_at > now() LIMIT $2) AS live
"""
_KEEP = """
    INSERT INTO "Switchgear_SignIn" (state_hash, browser_hash, provider, nonce, verifier, return_to, purpose,
                                     address, created_at, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, now(), now() + $9)
"""
_TAKE = """
    DELETE FROM "Switchgear_SignIn" WHERE state_hash = $1 AND browser_hash = $2
    RETURNING provider, nonce, verifier, return_to, purpose, expires_at > now() AS is_live
"""


class UnderWay(msgspec.Struct, frozen=True, kw_only=True):
    """A sign-in that the browser has come back from."""

    provider: str
    nonce: str
    verifier: str
    return_to: str
    purpose: str


class FlowStore:
    """Every method raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(self, begun: Begun, under_way: UnderWay, *, browser: str, address: str | None) -> None:
        """Keep a sign-in for the browser that holds a secret. Raises RateLimited where too many are under
        way."""
        row = (digest_of(begun.state), digest_of(browser), under_way.provider, begun.nonce, begun.verifier)
        with asking():
            async with self._database.connection() as connection:
                here, in_all = await connection.fetchrow(_COUNT, address, MAX_IN_ALL)
                if here >= MAX_OF_ADDRESS or in_all >= MAX_IN_ALL:
                    raise RateLimited(
                        "Too many sign-ins are under way; try again in a few minutes.", retry_after_s=60
                    )
                more = (under_way.return_to, under_way.purpose, address, timedelta(seconds=KEPT_S))
                await connection.execute(_KEEP, *row, *more)

    async def take(self, state: str, browser: str) -> UnderWay | None:
        """Take a sign-in, once. None where this browser began none with this state, or too long ago."""
        with asking():
            async with self._database.connection() as connection:
                row = await connection.fetchrow(_TAKE, digest_of(state), digest_of(browser))
        if row is None or not row["is_live"]:
            return None
        return UnderWay(**{name: row[name] for name in UnderWay.__struct_fields__})
