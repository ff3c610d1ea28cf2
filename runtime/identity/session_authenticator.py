"""Who calls by a session: the cookie of a person who has signed in.

A session counts where a request has no key. A request that may change something must come from a page of
ours, and must have the session's token in `x-csrf-token`: a page of another site has neither.
"""

import hmac
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from functions.contract.call import Caller
from functions.contract.visit import SESSION, cookie_name
from runtime.identity.authenticator import OTHER_HEADERS
from runtime.identity.authority import Authority
from runtime.postgres.freshness import Announcements
from runtime.postgres.look_ups import LookUps
from runtime.postgres.read_cache import ReadCache, Source
from runtime.signin.digests import csrf_of, digest_of, is_secret
from runtime.signin.site import CSRF_HEADER, Site, cookies_in
from schema.errors.callers import NotAllowed, SignInFailed

MAX_CACHED = 10_000
MAX_STRANGERS = 1_000
COOKIES = (cookie_name(SESSION, is_secure=True), cookie_name(SESSION, is_secure=False))
OVER = "Authentication Error, this session is over: sign in again."


class SessionFinder(Protocol):
    async def find(self, session_hash: str) -> Authority | None: ...


class SessionAuthenticator:
    """Turns a session's cookie into a caller. Each worker has one."""

    def __init__(
        self,
        site: Site,
        finder: SessionFinder,
        announcements: Announcements,
        look_ups: LookUps,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._site = site
        source = Source(
            prefix="session:",
            find=finder.find,
            is_known=lambda authority: authority is not None,
            topics=lambda authority: frozenset() if authority is None else authority.topics,
            max_known=MAX_CACHED,
            max_strangers=MAX_STRANGERS,
        )
        self._cache: ReadCache[Authority | None] = ReadCache(source, announcements, look_ups, clock)

    def holds(self, headers: Mapping[str, str]) -> bool:
        """Whether a request comes with a session and without a key. The names in `headers` are in lower
        case."""
        if "authorization" in headers or not OTHER_HEADERS.isdisjoint(headers):
            return False
        return any(name in headers["cookie"] for name in COOKIES)

    async def caller(self, headers: Mapping[str, str], address: str | None, *, changes: bool) -> Caller:
        """Who calls. `address` is that of whoever connects. `changes`: the request may change something.
        Raises SignInFailed where the session is over, NotAllowed where the request comes from another site,
        BlockedKey, DatabaseUnavailable."""
        secret = self._secret(headers, address)
        if changes:
            self._check_origin(headers, secret)
        found = await self.of_secret(secret)
        if found is None:
            raise SignInFailed(OVER)
        return found

    async def of_secret(self, secret: str) -> Caller | None:
        """Whose session it is. None where it is over. Raises BlockedKey or DatabaseUnavailable."""
        if not is_secret(secret):
            return None
        name = digest_of(secret)
        read = self._cache.get(name)
        if read is None:
            read = await self._cache.read(name)
        elif not self._cache.is_fresh(read):
            read = await self._cache.newer(name, read)
        authority = read.value
        if authority is None or (authority.expires_at is not None and time.time() >= authority.expires_at):
            return None
        if authority.caller is None and authority.refusal is not None:
            raise authority.refusal.error()
        return authority.caller

    def forget(self, topic: str) -> None:
        """Forget what was read from a row that was changed, as `Authenticator.forget` does."""
        self._cache.forget(topic)

    def doubt(self) -> None:
        """Announcements may have been missed: read each value again, where Postgres can be asked."""
        self._cache.doubt()

    def _secret(self, headers: Mapping[str, str], address: str | None) -> str:
        """What the session's cookie holds. By https only the name counts that no other host can plant."""
        is_secure = self._site.base_of(headers, address).startswith("https://")
        return cookies_in(headers["cookie"]).get(cookie_name(SESSION, is_secure=is_secure), "")

    def _check_origin(self, headers: Mapping[str, str], secret: str) -> None:
        if not self._site.has_own_origin(headers):
            raise NotAllowed(
                "A session counts for changes only from a page of this gateway (header Origin). Programs use "
                "an API key."
            )
        if not hmac.compare_digest(headers.get(CSRF_HEADER, "").encode(), csrf_of(secret).encode()):
            raise NotAllowed(
                f"{CSRF_HEADER}: expected the token that GET /v1/me tells of this session as csrf_token."
            )
