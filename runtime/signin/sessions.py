"""The sessions of people, in Postgres. A cookie holds 256 random bits, and the row their SHA-256.

A deleted row ends its session: a trigger announces it, and every worker forgets it.
"""

import uuid
from collections.abc import Sequence
from datetime import timedelta

from functions.contract.call import Call
from functions.contract.visit import SESSION, Visit, cookie_of
from runtime.postgres.database import Database
from runtime.postgres.errors import asking
from runtime.postgres.purging import Purging, purge_expired
from runtime.signin.digests import digest_of, new_secret
from runtime.signin.trail import Trail
from schema.fields import Page
from schema.identity import SignInRules
from schema.sessions import SessionMethod, SessionRecord

MAX_AGENT_CHARS = 200
MAX_OF_USER = 50
"""How many sessions a user has at once. The oldest ones end where a further one begins."""
MAX_NOTED = 1_000
"""How many ended sessions of one call the audit log names one by one."""
COLUMNS = ", ".join(SessionRecord.__struct_fields__)
_OPEN = """
    INSERT INTO "Switchgear_Session" (session_hash, session_id, user_id, method, provider, address,
                                      user_agent, created_at, seen_at, idle_s, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, now(), now(), $8, now() + $9)
"""
_TOO_MANY = """
    DELETE FROM "Switchgear_Session" WHERE session_hash IN (
        SELECT session_hash FROM "Switchgear_Session" WHERE user_id = $1
        ORDER BY created_at DESC OFFSET $2)
"""
_CLOSE = f'DELETE FROM "Switchgear_Session" WHERE session_hash = $1 RETURNING {COLUMNS}'
_LIVE = """
    expires_at > now() AND seen_at > now() - make_interval(secs => idle_s)
    AND ($1::text IS NULL OR user_id = $1)
"""
_LIST = f"""
    SELECT {COLUMNS} FROM "Switchgear_Session" WHERE {_LIVE}
    ORDER BY created_at DESC, session_id LIMIT $2 OFFSET $3
"""
_COUNT = f'SELECT count(*) FROM "Switchgear_Session" WHERE {_LIVE}'
_END = """
    DELETE FROM "Switchgear_Session"
    WHERE ($1::text IS NULL OR user_id = $1) AND ($2::text IS NULL OR session_id = $2) AND session_id <> $3
    RETURNING user_id, session_id, session_hash
"""
_PURGE_THROTTLE = """
    DELETE FROM "Switchgear_Throttle"
    WHERE since < now() - interval '1 day' AND (until IS NULL OR until < now())
"""


class SessionStore:
    """Begins, lists and ends sessions. Every method raises DatabaseUnavailable."""

    def __init__(self, database: Database, trail: Trail) -> None:
        self._database = database
        self._trail = trail
        self._purging = Purging(self.purge, "sessions")

    def start(self) -> None:
        """Delete what is over, now and then."""
        self._purging.start()

    async def close(self) -> None:
        await self._purging.close()

    async def begin(
        self, user_id: str, method: SessionMethod, visit: Visit, rules: SignInRules, *, provider: str = ""
    ) -> str:
        """Begin a session, and give what its cookie holds. It is another one at each sign-in, so that nobody
        can give it to a browser beforehand; the session that the browser had before ends."""
        secret, session_id = new_secret(), str(uuid.uuid4())
        agent = visit.user_agent[:MAX_AGENT_CHARS] if visit.user_agent else None
        row = (digest_of(secret), session_id, user_id, method, provider, visit.address, agent)
        with asking():
            async with self._database.connection() as connection, connection.transaction():
                before = cookie_of(visit, SESSION)
                if before:
                    await connection.execute(_CLOSE, digest_of(before))
                ends = timedelta(seconds=rules.max_s)
                await connection.execute(_OPEN, *row, int(rules.idle_s), ends)
                await connection.execute(_TOO_MANY, user_id, MAX_OF_USER)
                facts = {"method": method, "provider": provider, "session_id": session_id}
                await self._trail.note(connection, "signed_in", user_id, visit, facts)
        return secret

    async def end(self, secret: str, visit: Visit) -> SessionRecord | None:
        """End the session of a cookie. None where there is none."""
        with asking():
            async with self._database.connection() as connection, connection.transaction():
                row = await connection.fetchrow(_CLOSE, digest_of(secret))
                if row is None:
                    return None
                closed = SessionRecord(**dict(row))
                facts = {"method": closed.method, "session_id": closed.session_id}
                await self._trail.note(connection, "signed_out", closed.user_id, visit, facts)
        return closed

    async def page(self, user_id: str | None, *, page: int, size: int) -> Page[SessionRecord]:
        """One page of the sessions that live, newest first: of one user, or of everybody."""
        with asking():
            async with self._database.connection() as connection:
                rows = await connection.fetch(_LIST, user_id, size, (page - 1) * size)
                total = await connection.fetchval(_COUNT, user_id)
        return Page(records=[SessionRecord(**dict(row)) for row in rows], total=total)

    async def revoke(
        self, user_id: str | None, session_id: str | None, *, call: Call, spares: str = ""
    ) -> Sequence[str]:
        """End sessions: of one user or of everybody, all of them or one. `spares` is the id of one that goes
        on. Gives the hashes of those that were ended."""
        with asking():
            async with self._database.connection() as connection, connection.transaction():
                rows = await connection.fetch(_END, user_id, session_id, spares)
                for row in rows[:MAX_NOTED]:
                    facts = {"session_id": row["session_id"]}
                    await self._trail.note_by(connection, "session_revoked", row["user_id"], call, facts)
        return [row["session_hash"] for row in rows]

    async def note_pgadmin(self, session_id: str, *, call: Call) -> None:
        """Write into the audit log that a session opens pgAdmin."""
        facts = {"session_id": session_id}
        with asking():
            async with self._database.connection() as connection:
                await self._trail.note_by(connection, "pgadmin_opened", call.caller.user_id, call, facts)

    async def purge(self) -> None:
        """Delete sessions, sign-ins and counts of failures that are over."""
        for table in ("Switchgear_Session", "Switchgear_SignIn"):
            await purge_expired(self._database, table)
        with asking():
            async with self._database.connection() as connection:
                await connection.execute(_PURGE_THROTTLE)
