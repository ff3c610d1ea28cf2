"""Who calls by a signed token of another issuer (`enable_jwt_auth`).

A token is checked once and remembered by its hash until it ends. What its person or team may do is read from
Postgres and kept as a key's authority is, so that a block counts within a second.
"""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from functions.contract.call import Caller
from functions.contract.roles import PROXY_ADMIN
from functions.rules.sign_in_rules import settled_role
from runtime.identity.authenticator import GATEWAY_HEADER, KEY_HEADERS
from runtime.identity.authority import Authority
from runtime.identity.token_claims import Bearer, TokenRules, bearer_of
from runtime.postgres.freshness import Announcements
from runtime.postgres.look_ups import LookUps
from runtime.postgres.read_cache import ReadCache, Source
from runtime.signin.digests import digest_of
from runtime.signin.tokens import TokenVerifier, check_audience, check_issuer
from schema.errors.callers import SignInFailed

MAX_TOKENS = 10_000
LEAST_KEPT_S = 60.0
MAX_CACHED = 10_000
MAX_STRANGERS = 1_000
BETWEEN = "\x1f"
"""Stands between the user, the team and the identities in the name of a person. None of them can hold it."""


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """What Postgres says of the person or team of a token."""

    authority: Authority
    role_source: str | None


class PersonFinder(Protocol):
    async def find(self, user_id: str, team_id: str, identities: Sequence[str]) -> Person | None: ...

    async def team_of(self, team_ids: tuple[str, ...]) -> str: ...


class CheckedToken(msgspec.Struct, frozen=True):
    """A token that was checked."""

    bearer: Bearer
    team_id: str
    ends_at: float


class TokenAuthenticator:
    """Turns a token into a caller. Each worker has one. `make_user` makes the row of a user that has none."""

    def __init__(
        self,
        rules: TokenRules,
        verifier: TokenVerifier,
        finder: PersonFinder,
        make_user: Callable[[Bearer], Awaitable[None]],
        *,
        announcements: Announcements,
        look_ups: LookUps,
    ) -> None:
        self._rules = rules
        self._verifier = verifier
        self._finder = finder
        self._make_user = make_user
        self._known: OrderedDict[str, CheckedToken] = OrderedDict()
        source = Source(
            prefix="person:",
            find=self._find,
            is_known=lambda person: person is not None,
            topics=lambda person: frozenset() if person is None else person.authority.topics,
            max_known=MAX_CACHED,
            max_strangers=MAX_STRANGERS,
        )
        self._people: ReadCache[Person | None] = ReadCache(source, announcements, look_ups, time.monotonic)

    def holds(self, headers: Mapping[str, str]) -> bool:
        """Whether a request comes with a token and without a key. The names in `headers` are in lower
        case."""
        own = headers.get(GATEWAY_HEADER)
        if own is not None:
            return _is_token(own.removeprefix("Bearer "))
        if any(name in headers for name in KEY_HEADERS):
            return False
        scheme, _, token = headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and _is_token(token)

    async def caller(self, headers: Mapping[str, str]) -> Caller:
        """Who calls. Raises SignInFailed, NotAllowed, BlockedKey, ProviderUnavailable or
        DatabaseUnavailable."""
        text = headers.get(GATEWAY_HEADER) or headers["authorization"]
        token = text if GATEWAY_HEADER not in headers or text.startswith("Bearer ") else f"Bearer {text}"
        known = await self._checked(token.partition(" ")[2].strip())
        bearer = known.bearer
        person = await self._person(bearer, known.team_id)
        found = person.authority.caller
        if found is None:
            refusal = person.authority.refusal
            raise SignInFailed("This account may not call.") if refusal is None else refusal.error()
        role = found.role
        if bearer.is_admin:
            role = PROXY_ADMIN
        elif bearer.user_id and self._rules.section.roles_jwt_field:
            settled = settled_role(found.role, person.role_source, bearer.role, usual=self._rules.usual_role)
            role = settled.role or found.role
        return msgspec.structs.replace(found, role=role, allowed_routes=bearer.allowed_routes)

    def forget(self, topic: str) -> None:
        """Forget what was read from a row that was changed, as `Authenticator.forget` does."""
        self._people.forget(topic)
        if topic == "all" or topic.startswith("team:"):
            self._known.clear()  # a team may be there now that was not

    def doubt(self) -> None:
        """Announcements may have been missed: read each value again, where Postgres can be asked."""
        self._people.doubt()
        self._known.clear()

    async def _checked(self, token: str) -> CheckedToken:
        name, now = digest_of(token), time.time()
        known = self._known.get(name)
        if known is not None and now < known.ends_at:
            return known
        rules = self._rules
        claims = await self._verifier.signed_claims(token, rules.keys_at, kept_s=rules.keys_kept_s)
        check_issuer(claims, rules.issuer)
        check_audience(claims, rules.audience, party=False)
        self._verifier.check_times(claims, leeway_s=rules.leeway_s)
        bearer = bearer_of(claims, rules.section)
        team_id = await self._finder.team_of(bearer.team_ids) if bearer.team_ids else ""
        if bearer.team_ids and not team_id and not bearer.user_id:
            raise SignInFailed("None of the token's teams is known here.")
        again_at = now + max(rules.keys_kept_s, LEAST_KEPT_S)  # the issuer may have given up the key by then
        known = CheckedToken(bearer, team_id, min(float(claims["exp"]) + rules.leeway_s, again_at))
        self._known[name] = known
        if len(self._known) > MAX_TOKENS:
            self._known.popitem(last=False)
        return known

    async def _person(self, bearer: Bearer, team_id: str) -> Person:
        name = BETWEEN.join((bearer.user_id, team_id, *bearer.identities))
        person = await self._read(name)
        if person is None and bearer.user_id and self._rules.section.user_id_upsert:
            await self._make_user(bearer)
            self._people.forget(f"person:{name}")
            person = await self._read(name)
        if person is None:
            raise SignInFailed("The person of this token has no account here.")
        return person

    async def _read(self, name: str) -> Person | None:
        read = self._people.get(name)
        if read is None:
            read = await self._people.read(name)
        elif not self._people.is_fresh(read):
            read = await self._people.newer(name, read)
        return read.value

    async def _find(self, name: str) -> Person | None:
        user_id, team_id, *identities = name.split(BETWEEN)
        return await self._finder.find(user_id, team_id, identities)


def _is_token(text: str) -> bool:
    return text.startswith("ey") and text.count(".") == 2
