"""How one attempt uses the response cache: under which key, what it takes from there, and what it leaves.

The key has everything that an answer depends on: the surface, the model with the facts of its deployments,
the whole body but for `cache`, the headers that go on to the provider, and whose answer it is. Only what a
client was sent to its end is kept, and nothing that the provider cut short or refused.
"""

import hashlib
import logging
import re
import time
from collections.abc import AsyncIterator, Mapping

import msgspec

from functions.calls.wrapped_hold import WrappedHold
from functions.contract.call import Call
from functions.contract.function import EventStream
from functions.ports.cache import Cache, KeptAnswer
from functions.ports.models import Hold
from models_registry.config.response_cache import CacheRules
from models_registry.target import Target
from schema.cache_options import CACHE_FIELD
from schema.errors.base import GatewayError
from schema.usage import Usage

CACHE_KEY_HEADER = "x-litellm-cache-key"
OF_TRACES = frozenset({"traceparent", "tracestate"})
"""Headers that go on to the provider and change no answer."""
UNFIT = re.compile(
    rb'(?<!\\)"(?:finish_reason|stop_reason)"\s*:\s*"(?:content_filter|refusal|error)"'
    rb'|(?<!\\)"type"\s*:\s*"(?:refusal|error|response\.failed|response\.incomplete)"'
    rb'|(?<!\\)"refusal"\s*:\s*"[^"]'
    rb'|(?<!\\)"status"\s*:\s*"(?:failed|incomplete|cancelled)"'
)
"""What stands in an answer that was refused or cut short, on any surface. Inside a text a quote has a `\\`
before it."""

log = logging.getLogger(__name__)


class CacheUse:
    """The use of the cache by one attempt."""

    __slots__ = ("_cache", "_keeps", "_not_before", "_reads", "_stays_local", "_ttl_s", "key")

    def __init__(self, key: str, call: Call, cache: Cache) -> None:
        options = call.cache_options
        self.key = key
        self._cache = cache
        self._stays_local = call.stays_local
        self._reads, self._keeps = options.reads, options.keeps
        self._ttl_s = options.ttl_s or cache.rules.ttl_s
        self._not_before = 0.0 if options.oldest_s is None else time.time() - options.oldest_s

    def leave(self) -> None:
        """Keep nothing: the answer is not what the provider gave."""
        self._keeps = False

    async def found(self) -> KeptAnswer | None:
        """The answer of an earlier call. None: there is none, or the request wants none."""
        return await self._cache.find(self.key, not_before=self._not_before) if self._reads else None

    @property
    def most_bytes(self) -> int:
        """How long an answer may be that is kept. 0: none is."""
        return self._cache.rules.max_entry_bytes if self._keeps else 0

    def keep(self, body: bytes, usage: Usage, answer_id: str | None) -> None:
        """Keep an answer as the client is sent it. This never raises: the answer is booked already."""
        if not body or len(body) > self.most_bytes or UNFIT.search(body) is not None:
            return
        if self._stays_local and not self._cache.rules.is_local:
            return  # another cache is in force by now
        answer = KeptAnswer(
            body,
            time.time(),
            usage.prompt_tokens,
            usage.completion_tokens,
            usage.reasoning_tokens,
            answer_id,
        )
        try:
            self._cache.keep(self.key, answer, ttl_s=self._ttl_s)
        except Exception:
            log.exception("an answer could not be kept")


def use_of(
    call: Call, cache: Cache, fields: Mapping[str, msgspec.Raw], target: Target, form: str
) -> CacheUse | None:
    """How an attempt at a deployment uses the cache. `fields` are those of the body, `form` names the form of
    the answer. None: not at all."""
    rules, options = cache.rules, call.cache_options
    wanted = not rules.opt_in if options.wanted is None else options.wanted
    if not wanted or not (options.reads or options.keeps) or call.call_type not in rules.call_types:
        return None
    if call.stays_local and not (call.caller.keeps_local_bodies and rules.is_local):
        return None  # nothing of such a call is kept, or nothing of it may leave the house
    if not target.group:
        return None
    return CacheUse(key_of(call, rules, fields, target, form), call, cache)


def key_of(
    call: Call, rules: CacheRules, fields: Mapping[str, msgspec.Raw], target: Target, form: str
) -> str:
    """The key of a request: its namespace, and a SHA-256 of all that the answer depends on."""
    namespace = call.cache_options.namespace or rules.namespace
    place = (
        "shared" if rules.shared else _tenant(call),
        namespace,
        form,
        target.public_name,
        target.group,
        "local" if call.stays_local else "",
        target.region,
        *sorted(target.tags),
    )
    digest = hashlib.sha256()
    _add(digest, b"place", msgspec.json.encode(place))
    for name in sorted(call.pass_on.keys() - OF_TRACES):
        _add(digest, b"header " + name.encode(), call.pass_on[name].encode())
    for name in sorted(fields.keys() - {CACHE_FIELD}):
        _add(digest, b"field " + name.encode(), msgspec.json.format(bytes(fields[name]), indent=-1))
    return f"{namespace}:{digest.hexdigest()}" if namespace else digest.hexdigest()


def _add(digest: "hashlib._Hash", name: bytes, value: bytes) -> None:
    """The lengths keep two parts from being read as others."""
    digest.update(b"%d:%s%d:" % (len(name), name, len(value)))
    digest.update(value)


def _tenant(call: Call) -> str:
    """Who shares answers: the team of the key, or its user, or the key alone."""
    caller = call.caller
    if caller.team_id:
        return f"team:{caller.team_id}"
    if caller.user_id and not caller.has_masters_name:
        return f"user:{caller.user_id}"
    return f"key:{caller.key_id or caller.key_hash}"


class NotedHold(WrappedHold):
    """A hold that remembers how its stream ended."""

    __slots__ = ("answer_id", "usage")

    def __init__(self, hold: Hold) -> None:
        super().__init__(hold)
        self.usage: Usage | None = None
        """What was booked. None: the answer is not complete."""
        self.answer_id: str | None = None

    def answered(self, response_id: str | None) -> None:
        self.answer_id = response_id
        self._hold.answered(response_id)

    def settle(self, usage: Usage) -> None:
        self._hold.settle(usage)
        self.usage = usage


class CopiedStream:
    """A stream that is kept once its client was sent all of it. Implements EventStream."""

    def __init__(self, stream: EventStream, use: CacheUse, hold: NotedHold) -> None:
        self._stream = stream
        self._use = use
        self._hold = hold

    async def events(self) -> AsyncIterator[bytes]:
        """See EventStream."""
        pieces: list[bytes] = []
        left = self._use.most_bytes
        async for piece in self._stream.events():
            left -= len(piece)
            if left < 0:
                pieces.clear()
            else:
                pieces.append(piece)
            yield piece
        if pieces and left >= 0 and self._hold.usage is not None:
            self._use.keep(b"".join(pieces), self._hold.usage, self._hold.answer_id)

    def failed(self, error: GatewayError) -> bytes:
        """See EventStream."""
        return self._stream.failed(error)

    def close(self, error: GatewayError | None = None) -> None:
        """See EventStream."""
        self._stream.close(error)


class ReplayedStream:
    """A stream that was kept, in one piece. Implements EventStream."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def events(self) -> AsyncIterator[bytes]:
        """See EventStream."""
        yield self._body

    def failed(self, error: GatewayError) -> bytes:
        """See EventStream. Nothing fails between the one piece and the end."""
        return b""

    def close(self, error: GatewayError | None = None) -> None:
        """See EventStream. The call is booked already."""
