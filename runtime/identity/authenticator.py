"""Who is calling: the key is taken from the headers of any dialect, and becomes a caller.

A key is looked up by its SHA-256, in a cache of this process and then in Postgres. Only the hash is kept, and
nothing else of the key.
"""

import asyncio
import base64
import binascii
import hmac
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Protocol
from weakref import WeakValueDictionary

from functions.contract.call import MASTER_KEY_HASH, MASTER_USER_ID, SCIM_USER_ID, Caller
from functions.contract.roles import PROXY_ADMIN, PROXY_ADMIN_VIEWER
from runtime.identity.authority import Authority
from runtime.postgres.freshness import Announcements
from runtime.postgres.look_ups import LookUps
from runtime.postgres.read_cache import Read, ReadCache, Source
from schema.errors.callers import ExpiredKey, NotAuthenticated, UnknownKey
from schema.errors.overload import Overloaded
from schema.errors.requests import InvalidRequest
from schema.secret import MAX_KEY_CHARS, MIN_SENT_KEY_CHARS, Secret, key_hash_of

GATEWAY_HEADER = "x-litellm-api-key"
KEY_PREFIX = "sk-"
KEY_HEADERS = ("x-api-key", "api-key", "x-goog-api-key", "ocp-apim-subscription-key")
"""The headers in which the SDKs of Anthropic, Azure and Google, and Azure's API management, send a key.
OpenAI's SDK sends `Authorization: Bearer`."""
OTHER_HEADERS = frozenset((GATEWAY_HEADER, *KEY_HEADERS))
UNKNOWN = "Authentication Error, Invalid proxy server token passed: this gateway knows no such API key."
"""LiteLLM's opening words, which scripts look for."""
METRICS_PATH = "/metrics"
"""The only path that `SWITCHGEAR_METRICS_TOKEN` may call."""
METRICS_TOKEN_HASH = "metrics-token"
"""What stands for the key's hash in a call with the metrics token."""
SCIM_PATHS = "/scim/*"
"""The only paths that `SWITCHGEAR_SCIM_TOKEN` may call."""
SCIM_TOKEN_HASH = "scim-token"
MAX_CACHED = 10_000
MAX_STRANGERS = 1_000
"""How many unknown keys are remembered. They are remembered apart from known keys, so that many unknown keys
push out no known one."""
MAX_WAITING = 256
"""How many different unknown keys are checked at once. So random keys can't load Postgres without limit. A
key that was let in before is checked in any case."""


class AuthorityFinder(Protocol):
    async def find(self, key_hash: str) -> Authority | None: ...


def credential(headers: Mapping[str, str]) -> str:
    """The gateway key that a request carries. The names in `headers` are in lower case.

    Where the header `x-litellm-api-key` is present, only it counts. Else the key comes from `Authorization:
    Bearer`, from the password of `Authorization: Basic`, or from the SDKs' own headers, and all of them must
    have the same key. Raises NotAuthenticated, or
    InvalidRequest for two different keys.
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
    elif scheme.lower() == "basic":
        password = _password(token)
        if not found or password.startswith(KEY_PREFIX):  # another one is for a proxy in front
            found.append(password)
    if not found:
        raise NotAuthenticated(
            "Authentication Error, No api key passed in: send `Authorization: Bearer sk-...`, with a key of "
            "this gateway."
        )
    keys = {key.strip() for key in found}
    if len(keys) > 1:
        raise InvalidRequest("Two different API keys in one request; send one.")
    return _shaped(keys.pop())


def _password(token: str) -> str:
    """The password in the token of `Authorization: Basic`; empty where it has none. The user's name does not
    count."""
    try:
        text = base64.b64decode(token.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return ""
    return text.partition(":")[2]


def _shaped(key: str) -> str:
    if (
        not key.startswith(KEY_PREFIX)
        or not MIN_SENT_KEY_CHARS <= len(key) <= MAX_KEY_CHARS
        or not key.isascii()
    ):
        raise NotAuthenticated(
            "Authentication Error, malformed API key: a key of this gateway starts with `sk-`."
        )
    return key


class Authenticator:
    """Turns a key into a caller. Each worker has one."""

    def __init__(  # noqa: PLR0913  (two of them are the tokens of machines)
        self,
        master_key: Secret,
        finder: AuthorityFinder,
        announcements: Announcements,
        clock: Callable[[], float] = time.monotonic,
        look_ups: LookUps | None = None,
        *,
        metrics_token: Secret | None = None,
        scim_token: Secret | None = None,
    ) -> None:
        """`finder` reads from Postgres. `look_ups` is shared by all caches that go on with what they know
        while Postgres is away."""
        self._master_hash = key_hash_of(master_key.reveal())
        self._metrics_hash = "" if metrics_token is None else key_hash_of(metrics_token.reveal())
        self._scim_hash = "" if scim_token is None else key_hash_of(scim_token.reveal())
        self._finder = finder
        source = Source(
            prefix="key:",
            find=self._find,
            is_known=_is_known,
            topics=_topics,
            max_known=MAX_CACHED,
            max_strangers=MAX_STRANGERS,
        )
        self._cache: ReadCache[Authority | None] = ReadCache(
            source, announcements, look_ups or LookUps(clock), clock
        )
        self._met: OrderedDict[str, None] = OrderedDict()
        """The hashes of keys that were let in. They are known keys also after the cache was emptied."""
        self._asking: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._master = Caller(
            role=PROXY_ADMIN, key_hash=MASTER_KEY_HASH, user_id=MASTER_USER_ID, is_master=True
        )
        self._scraper = Caller(
            role=PROXY_ADMIN_VIEWER,
            key_hash=METRICS_TOKEN_HASH,
            user_id=MASTER_USER_ID,
            allowed_routes=(METRICS_PATH,),
        )
        self._directory = Caller(
            role=PROXY_ADMIN,
            key_hash=SCIM_TOKEN_HASH,
            user_id=SCIM_USER_ID,
            allowed_routes=(SCIM_PATHS,),
        )

    async def caller(self, headers: Mapping[str, str]) -> Caller:
        """Who calls with these headers. Raises NotAuthenticated or a subclass of it (such as BlockedKey),
        InvalidRequest, Overloaded or DatabaseUnavailable. Raises GatewayError where Postgres has something
        about the key that can't be read."""
        key_hash = key_hash_of(credential(headers))
        if hmac.compare_digest(key_hash, self._master_hash):
            return self._master
        if self._metrics_hash and hmac.compare_digest(key_hash, self._metrics_hash):
            return self._scraper
        if self._scim_hash and hmac.compare_digest(key_hash, self._scim_hash):
            return self._directory
        read = self._cache.get(key_hash)
        if read is None or not self._cache.is_fresh(read):
            if read is not None and read.value is not None and read.value.caller is not None:
                read = await self._cache.newer(key_hash, read)
            else:
                read = await self._look_up_unknown(key_hash)
        authority = read.value
        if authority is None:
            raise UnknownKey(UNKNOWN)
        if authority.expires_at is not None and time.time() >= authority.expires_at:
            raise ExpiredKey("Authentication Error, this API key has expired.")
        if authority.caller is None:
            if authority.refusal is None:
                raise UnknownKey(UNKNOWN)
            raise authority.refusal.error()
        return authority.caller

    def forget(self, topic: str) -> None:
        """Forget what was read from a row that was changed. `topic` is `team:platform`, or `all` where any
        row may have changed. Postgres is asked at the next call of each such key. An answer that is still
        under way is not kept."""
        self._cache.forget(topic)

    def doubt(self) -> None:
        """Announcements may have been missed: read each value again, where Postgres can be asked."""
        self._cache.doubt()

    async def _look_up_unknown(self, key_hash: str) -> Read[Authority | None]:
        """Look up a key that is not known. Calls that bring the same key at once share one look-up. Raises
        Overloaded or DatabaseUnavailable."""
        asking = self._asking.get(key_hash)
        if asking is None:
            if len(self._asking) >= MAX_WAITING and key_hash not in self._met:
                raise Overloaded("Too many unknown API keys are being checked; try again.", retry_after_s=1)
            asking = self._asking[key_hash] = asyncio.Lock()
        async with asking:
            read = self._cache.get(key_hash)
            if read is None or not self._cache.is_fresh(read):
                read = await self._cache.read(key_hash)
            return read

    async def _find(self, key_hash: str) -> Authority | None:
        authority = await self._finder.find(key_hash)
        if authority is not None and authority.caller is not None:
            self._met[key_hash] = None
            self._met.move_to_end(key_hash)
            if len(self._met) > MAX_CACHED:
                self._met.popitem(last=False)
        return authority


def _is_known(authority: Authority | None) -> bool:
    return authority is not None


def _topics(authority: Authority | None) -> frozenset[str]:
    return frozenset() if authority is None else authority.topics
