"""Who is calling: one credential extractor for all dialects, and the keys it is checked against.

A key is looked up by its SHA-256 in an in-process cache, then in Postgres. Nothing of a key is
kept but the hash.
"""

import asyncio
import hashlib
import hmac
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol
from weakref import WeakValueDictionary

import msgspec

from functions.contract.call import MASTER_KEY_HASH, MASTER_USER_ID, Caller
from functions.contract.roles import PROXY_ADMIN, PROXY_ADMIN_VIEWER
from runtime.identity.authority import Authority
from runtime.postgres.freshness import DEAF_S, HEARD_S, KNOWN_S, STALE_S, Announcements
from runtime.postgres.look_ups import LookUps
from schema.errors import (
    DatabaseUnavailable,
    ExpiredKey,
    InvalidRequest,
    NotAuthenticated,
    Overloaded,
    UnknownKey,
)
from schema.secret import Secret

GATEWAY_HEADER = "x-litellm-api-key"
KEY_HEADERS = ("x-api-key", "api-key", "x-goog-api-key")
"""What Anthropic's, Azure's and Google's SDKs send beside OpenAI's `Authorization: Bearer`."""
OTHER_HEADERS = frozenset((GATEWAY_HEADER, *KEY_HEADERS))
METRICS_PATH = "/metrics"
"""The one path of `SWITCHGEAR_METRICS_TOKEN`."""
METRICS_TOKEN_HASH = "metrics-token"
MIN_KEY_CHARS = 8
MAX_KEY_CHARS = 512

MAX_CACHED = 10_000
MAX_STRANGERS = 1_000
"""Keys that are not known here are remembered apart: whoever sends many pushes out no key that is."""
MAX_LOOKUPS = 64
"""Look-ups under way at once."""
MAX_WAITING = 256
"""Different unknown keys being checked: a stranger with random keys gets no further. A known key
asks anew beside them."""


class AuthorityFinder(Protocol):
    async def find(self, key_hash: str) -> Authority | None: ...


class _Entry(msgspec.Struct):
    authority: Authority | None
    read_mono: float
    asked_mono: float
    """When a look-up last began: while one is under way, the others go by the old answer."""

    @property
    def caller(self) -> Caller | None:
        return None if self.authority is None else self.authority.caller


def hash_key(key: str) -> str:
    """How keys are stored: lower-case hex SHA-256, as LiteLLM does."""
    return hashlib.sha256(key.encode()).hexdigest()


def credential(headers: Mapping[str, str]) -> str:
    """The gateway key a request carries. `headers` have lower-case names.

    `x-litellm-api-key` decides alone; else Bearer and the SDKs' own headers, which must agree.
    Raises NotAuthenticated, or InvalidRequest where two different keys came.
    """
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme == "Bearer" and token and OTHER_HEADERS.isdisjoint(headers):
        return _shaped(token.strip())  # most calls end here
    own = headers.get(GATEWAY_HEADER)
    if own is not None:
        return _shaped(own.removeprefix("Bearer "))
    found = [headers[name] for name in KEY_HEADERS if name in headers]
    if scheme.lower() == "bearer" and token:
        found.append(token)
    if not found:
        raise NotAuthenticated(
            "Authentication Error, no API key: send `Authorization: Bearer sk-...` with a gateway key."
        )
    keys = {key.strip() for key in found}
    if len(keys) > 1:
        raise InvalidRequest("Two different API keys in one request; send one.")
    return _shaped(keys.pop())


def _shaped(key: str) -> str:
    if not key.startswith("sk-") or not MIN_KEY_CHARS <= len(key) <= MAX_KEY_CHARS or not key.isascii():
        raise NotAuthenticated(
            "Authentication Error, malformed API key: a key of this gateway starts with `sk-`."
        )
    return key


class Authenticator:
    """Turns a key into a caller. One a worker."""

    def __init__(
        self,
        master_key: Secret,
        finder: AuthorityFinder,
        announcements: Announcements,
        clock: Callable[[], float] = time.monotonic,
        look_ups: LookUps | None = None,
        *,
        metrics_token: Secret | None = None,
    ) -> None:
        """`look_ups` is shared by those that go on by what they know while Postgres is away."""
        self._master_hash = hash_key(master_key.reveal())
        self._metrics_hash = "" if metrics_token is None else hash_key(metrics_token.reveal())
        self._finder = finder
        self._announcements = announcements
        self._clock = clock
        self._look_ups = look_ups or LookUps(clock)
        self._cache: OrderedDict[str, _Entry] = OrderedDict()
        self._strangers: OrderedDict[str, _Entry] = OrderedDict()
        self._by_topic: dict[str, set[str]] = {}
        self._met: OrderedDict[str, None] = OrderedDict()
        """Keys that were let in: when everything is forgotten, they are no strangers."""
        self._lookups = asyncio.Semaphore(MAX_LOOKUPS)
        self._changes = 0
        self._asking: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._master = Caller(role=PROXY_ADMIN, key_hash=MASTER_KEY_HASH, user_id=MASTER_USER_ID)
        self._scraper = Caller(
            role=PROXY_ADMIN_VIEWER,
            key_hash=METRICS_TOKEN_HASH,
            user_id=MASTER_USER_ID,
            routes=(METRICS_PATH,),
        )

    async def caller(self, headers: Mapping[str, str]) -> Caller:
        """Raises NotAuthenticated and its kin, InvalidRequest, Overloaded or DatabaseUnavailable."""
        key_hash = hash_key(credential(headers))
        if hmac.compare_digest(key_hash, self._master_hash):
            return self._master
        if self._metrics_hash and hmac.compare_digest(key_hash, self._metrics_hash):
            return self._scraper
        entry = self._found(key_hash)
        if entry is None or not self._is_fresh(entry):
            known = entry is not None and entry.caller is not None
            entry = await (self._look_up(key_hash, entry) if known else self._look_up_unknown(key_hash))
        authority = entry.authority
        if authority is None:
            raise UnknownKey("Authentication Error, this API key is not known here.")
        if authority.expires_at is not None and time.time() >= authority.expires_at:
            raise ExpiredKey("Authentication Error, this API key has expired.")
        if authority.caller is None:
            if authority.refusal is None:
                raise UnknownKey("Authentication Error, no such API key.")
            raise authority.refusal.error()
        return authority.caller

    def forget(self, topic: str) -> None:
        """A row has changed (`team:platform`; `all`: whatever): ask Postgres at the next call of each
        key that was read from it. What was read before that, and has yet to arrive, is not kept."""
        self._changes += 1
        if topic == "all":
            self._cache.clear()
            self._strangers.clear()
            self._by_topic.clear()
            return
        self._strangers.pop(topic.removeprefix("key:"), None)
        for key_hash in list(self._by_topic.get(topic, ())):
            self._drop(key_hash)

    def _found(self, key_hash: str) -> _Entry | None:
        return self._cache.get(key_hash) or self._strangers.get(key_hash)

    def _is_fresh(self, entry: _Entry) -> bool:
        now = self._clock()
        if now - self._announcements.heard_mono <= HEARD_S:
            return now - entry.read_mono <= KNOWN_S
        return now - entry.asked_mono <= DEAF_S and now - entry.read_mono < STALE_S

    def _keep(self, key_hash: str, entry: _Entry) -> None:
        if key_hash in self._cache:
            self._drop(key_hash)
        self._strangers.pop(key_hash, None)
        if entry.authority is None:
            self._strangers[key_hash] = entry
            if len(self._strangers) > MAX_STRANGERS:
                self._strangers.popitem(last=False)
            return
        self._cache[key_hash] = entry
        for topic in entry.authority.topics:
            self._by_topic.setdefault(topic, set()).add(key_hash)
        if entry.caller is not None:
            self._met[key_hash] = None
            self._met.move_to_end(key_hash)
            if len(self._met) > MAX_CACHED:
                self._met.popitem(last=False)
        if len(self._cache) > MAX_CACHED:
            self._drop(next(iter(self._cache)))

    def _drop(self, key_hash: str) -> None:
        authority = self._cache.pop(key_hash).authority
        for topic in authority.topics if authority is not None else ():
            hashes = self._by_topic[topic]
            hashes.discard(key_hash)
            if not hashes:
                del self._by_topic[topic]

    async def _look_up_unknown(self, key_hash: str) -> _Entry:
        """One look-up for all calls that bring the same key at once."""
        asking = self._asking.get(key_hash)
        if asking is None:
            if len(self._asking) >= MAX_WAITING and key_hash not in self._met:
                raise Overloaded("Too many unknown API keys are being checked; try again.", retry_after_s=1)
            asking = self._asking[key_hash] = asyncio.Lock()
        async with asking:
            entry = self._found(key_hash)
            if entry is None or not self._is_fresh(entry):
                entry = await self._look_up(key_hash, None)
            return entry

    async def _look_up(self, key_hash: str, stale: _Entry | None) -> _Entry:
        """Raises DatabaseUnavailable where nothing is known that will do."""
        now = self._clock()
        if stale is None or now - stale.read_mono >= STALE_S:
            return await self._ask(key_hash)
        stale.asked_mono = now
        return await self._look_ups.newer(f"key:{key_hash}", partial(self._ask, key_hash)) or stale

    async def _ask(self, key_hash: str) -> _Entry:
        changes = self._changes
        try:
            async with self._lookups:
                read_mono = self._clock()
                authority = await self._finder.find(key_hash)
        except DatabaseUnavailable:
            self._look_ups.away()
            raise
        entry = _Entry(authority=authority, read_mono=read_mono, asked_mono=read_mono)
        if changes == self._changes:
            self._keep(key_hash, entry)
        return entry
