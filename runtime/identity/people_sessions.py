"""The sessions of people: those in Postgres, and those that this worker remembers. Implements
`functions.ports.signin.Sessions`."""

from functions.contract.call import Call, Caller
from functions.contract.visit import SESSION, Visit, cookie_of
from runtime.identity.session_authenticator import SessionAuthenticator
from runtime.signin.digests import csrf_of, digest_of
from runtime.signin.sessions import SessionStore
from schema.errors.callers import BlockedKey
from schema.fields import Page
from schema.identity import SignInRules
from schema.sessions import SessionMethod, SessionRecord

MAX_AT_PGADMIN = 1_000


class PeopleSessions:
    """`master_mark` is what a session of the master key has as its provider."""

    def __init__(self, store: SessionStore, authenticator: SessionAuthenticator, *, master_mark: str) -> None:
        self._store = store
        self._authenticator = authenticator
        self._master_mark = master_mark
        self._at_pgadmin: dict[str, None] = {}
        """The ids of the sessions that have opened pgAdmin, the latest ones last."""

    async def begin(
        self, user_id: str, method: SessionMethod, visit: Visit, rules: SignInRules, *, provider: str = ""
    ) -> str:
        """See Sessions."""
        mark = self._master_mark if method == "master_key" else provider
        secret = await self._store.begin(user_id, method, visit, rules, provider=mark)
        self._forget(digest_of(cookie_of(visit, SESSION)))
        return secret

    async def end(self, secret: str, visit: Visit) -> SessionRecord | None:
        """See Sessions."""
        ended = await self._store.end(secret, visit)
        self._forget(digest_of(secret))
        return ended

    async def caller(self, secret: str) -> Caller | None:
        """See Sessions."""
        try:
            return await self._authenticator.of_secret(secret)
        except BlockedKey:
            return None

    def csrf(self, secret: str) -> str:
        """See Sessions."""
        return csrf_of(secret)

    async def page(self, user_id: str | None, *, page: int, size: int) -> Page[SessionRecord]:
        """See Sessions."""
        return await self._store.page(user_id, page=page, size=size)

    async def revoke(
        self, user_id: str | None, session_id: str | None, *, call: Call, spares: str = ""
    ) -> int:
        """See Sessions."""
        ended = await self._store.revoke(user_id, session_id, call=call, spares=spares)
        for session_hash in ended:
            self._forget(session_hash)
        return len(ended)

    async def note_pgadmin(self, *, call: Call) -> None:
        """See Sessions. pgAdmin's page is a hundred requests, so that a session that was noted is remembered:
        with several workers, each of them may write an entry."""
        session_id = call.caller.key_hash.removeprefix("session:")
        if session_id in self._at_pgadmin:
            return
        await self._store.note_pgadmin(session_id, call=call)
        self._at_pgadmin[session_id] = None
        while len(self._at_pgadmin) > MAX_AT_PGADMIN:
            del self._at_pgadmin[next(iter(self._at_pgadmin))]

    def _forget(self, session_hash: str) -> None:
        """Other workers hear of an ended session; this one knows it."""
        self._authenticator.forget(f"session:{session_hash}")
