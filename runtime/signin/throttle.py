"""Counts failures to sign in, in Postgres for all workers: from one address, at one account, and in all."""

import ipaddress
from datetime import timedelta

from functions.contract.visit import Visit
from runtime.postgres.database import Database
from runtime.postgres.errors import asking
from runtime.signin.digests import digest_of
from runtime.signin.throttle_rules import ThrottleRules
from runtime.signin.trail import Trail
from schema.errors.limits import RateLimited

V6_NETWORK = 64
"""Somebody with IPv6 has a whole network of addresses."""
MORE_IN_ALL = 10
"""How many addresses' worth of failures there may be in all."""
_ENTER = """
    INSERT INTO "Switchgear_Throttle" (bucket, failures, since)
    SELECT bucket, 0, now() FROM unnest($1::text[]) AS bucket ORDER BY bucket ON CONFLICT DO NOTHING
"""
_LOCK = """
    SELECT extract(epoch FROM until - clock_timestamp())::float8 AS waits_s FROM "Switchgear_Throttle"
    WHERE bucket = ANY ($1) ORDER BY bucket FOR UPDATE
"""
_FAIL = """
    UPDATE "Switchgear_Throttle" SET
        failures = CASE WHEN since < now() - $2::interval THEN 1 ELSE failures + 1 END,
        since = CASE WHEN since < now() - $2::interval THEN now() ELSE since END,
        until = CASE
            WHEN CASE WHEN since < now() - $2::interval THEN 1 ELSE failures + 1 END
                 >= $4::int * CASE WHEN bucket LIKE 'all:%' THEN $5::int ELSE 1 END
            THEN clock_timestamp() + $3::interval END
    WHERE bucket = ANY ($1)
"""
_UNDO = """
    UPDATE "Switchgear_Throttle"
    SET failures = CASE WHEN bucket LIKE 'account:%' THEN 0 ELSE greatest(failures - 1, 0) END, until = NULL
    WHERE bucket = ANY ($1)
"""


PROVIDER = "provider"


class Throttle:
    """Every method raises DatabaseUnavailable."""

    def __init__(self, database: Database, rules: ThrottleRules, trail: Trail) -> None:
        self._database = database
        self._rules = rules
        self._trail = trail

    async def begin(self, method: str, account: str, visit: Visit) -> None:
        """Count a try as a failure, before it is looked at: tries that come at once can't pass together.
        Raises RateLimited where too many have failed."""
        rules, buckets = self._rules, sorted(_buckets(method, account, visit))
        window, block = timedelta(seconds=rules.window_s), timedelta(seconds=rules.block_s)
        with asking():
            async with self._database.connection() as connection, connection.transaction():
                await connection.execute(_ENTER, buckets)
                rows = await connection.fetch(_LOCK, buckets)
                waits_s = max(row["waits_s"] or 0.0 for row in rows)
                if waits_s <= 0:
                    await connection.execute(_FAIL, buckets, window, block, rules.failures, MORE_IN_ALL)
        if waits_s > 0:
            raise RateLimited(
                "Signing in has failed too often. Try again later.", retry_after_s=max(1.0, waits_s)
            )

    async def failed(self, method: str, account: str, visit: Visit) -> None:
        """Note a failure in the audit log. `begin` bounds how many there are, so that a stranger can't fill
        the log."""
        with asking():
            async with self._database.connection() as connection:
                facts = {"method": method}
                await self._trail.note(connection, "sign_in_failed", account[:200], visit, facts)

    async def may_be_noted(self, visit: Visit) -> bool:
        """Whether a failed return from a provider gets an entry in the audit log. Anybody can make a browser
        call that path, so few do, and they keep nobody from signing in."""
        try:
            await self.begin(PROVIDER, "", visit)
        except RateLimited:
            return False
        return True

    async def succeeded(self, method: str, account: str, visit: Visit) -> None:
        """The try was none that failed: it counts no more, and the account's failures are forgotten."""
        buckets = sorted(_buckets(method, account, visit))
        with asking():
            async with self._database.connection() as connection, connection.transaction():
                await connection.execute(_UNDO, buckets)


def _buckets(method: str, account: str, visit: Visit) -> tuple[str, ...]:
    """What is counted: the address, the account, and everything. An account's name is kept as its hash."""
    source = _network(visit.address)
    if method == PROVIDER:
        return f"all:{method}", f"address:{method}:{source}"
    found = (f"all:{method}", f"address:{source}")
    return (*found, f"account:{digest_of(account.lower())}") if account else found


def _network(address: str | None) -> str:
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return "unknown"
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((int(found), V6_NETWORK), strict=False))
    return str(found)
