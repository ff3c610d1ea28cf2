"""Reads the authority of a session from Postgres, and notes that the session is used."""

from functions.contract.call import MASTER_USER_ID, Caller
from functions.contract.policy import Policy
from functions.contract.roles import PROXY_ADMIN
from runtime.identity import authority
from runtime.postgres.database import Database
from runtime.postgres.errors import asking

SEEN_EVERY_S = 30
"""How often the row of a session in use is written."""
_FIND = """
    WITH seen AS (
        UPDATE "Switchgear_Session" SET seen_at = now()
        WHERE session_hash = $1 AND seen_at < now() - make_interval(secs => $2)
          AND seen_at > now() - make_interval(secs => idle_s) AND expires_at > now()
    )
    SELECT s.user_id, s.session_id, s.method, s.provider,
           extract(epoch FROM least(s.expires_at, now() + make_interval(secs => s.idle_s)))::float8 AS ends,
           p.*
    FROM "Switchgear_Session" s
    CROSS JOIN LATERAL switchgear_person(
        s.user_id, NULL, 'session:' || s.session_id, 'user:' || s.user_id, 'session') p
    WHERE s.session_hash = $1 AND s.expires_at > now()
      AND s.seen_at > now() - make_interval(secs => s.idle_s)
"""
OF_SESSION = ("user_id", "session_id", "method", "provider", "ends")


class SessionReader:
    """Implements `runtime.identity.session_authenticator.SessionFinder`. `master_mark` is what sessions of
    the master key have as their provider: with another master key they are over."""

    def __init__(self, policy: Policy, database: Database, *, master_mark: str) -> None:
        self._policy = policy
        self._database = database
        self._master_mark = master_mark

    async def find(self, session_hash: str) -> authority.Authority | None:
        """The authority of a session. None where there is no such session. Raises DatabaseUnavailable."""
        with asking():
            async with self._database.connection() as connection:
                row = await connection.fetchrow(_FIND, session_hash, SEEN_EVERY_S)
        if row is None:
            return None
        if row["method"] == "master_key":
            return self._of_master(row["session_id"], row["provider"], row["ends"])
        facts = {name: value for name, value in row.items() if name not in OF_SESSION}
        return authority.ending(authority.authority_of(facts, self._policy), row["ends"])

    def _of_master(self, session_id: str, mark: str, ends: float) -> authority.Authority | None:
        if mark != self._master_mark:
            return None
        caller = Caller(
            role=PROXY_ADMIN, key_hash=f"session:{session_id}", user_id=MASTER_USER_ID, is_master=True
        )
        return authority.Authority(caller=caller, expires_at=ends)
