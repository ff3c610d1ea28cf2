"""The port of the response cache. Its implementation is in `runtime/cache`."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from functions.contract.call import Call
from models_registry.config.response_cache import CACHE_OFF, CacheRules
from schema.usage import Usage


class KeptAnswer(msgspec.Struct, frozen=True, array_like=True):
    """An answer as a client was sent it, whole or as the events of its stream."""

    body: bytes
    made_at: float
    """When the provider gave it, in seconds since 1970."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    answer_id: str | None = None
    """The id in the answer, by which its row is found."""

    @property
    def usage(self) -> Usage:
        """What its call used. The call that it answers uses nothing."""
        return Usage(
            prompt_tokens=self.prompt_tokens,
            completion_tokens=self.completion_tokens,
            reasoning_tokens=self.reasoning_tokens,
        )


class Cache(Protocol):
    """Answers by key. What is wrong with the cache is no concern of a call: `find` and `keep` raise
    nothing."""

    @property
    def is_on(self) -> bool:
        """Whether anything is kept."""
        ...

    @property
    def rules(self) -> CacheRules: ...

    async def find(self, key: str, *, not_before: float) -> KeptAnswer | None:
        """The answer that is kept under a key, if it was made at `not_before` (in seconds since 1970) or
        later. None: there is none, or it can't be had in time."""
        ...

    def keep(self, key: str, answer: KeptAnswer, *, ttl_s: float) -> None:
        """Keep an answer for so long. Nothing waits for it."""
        ...

    async def ping(self) -> bool:
        """Whether an answer can be kept and found. Raises DatabaseUnavailable."""
        ...

    async def trial(self, rules: CacheRules) -> str:
        """Why no answer could be kept by these rules, which are not put in force. Empty: one could. Raises
        DatabaseUnavailable."""
        ...

    async def delete(self, keys: Sequence[str], *, call: Call) -> int:
        """Delete answers, at every worker, and write it into the audit log. Gives how many there were, as far
        as that is known. Raises DatabaseUnavailable."""
        ...

    async def flush(self, *, call: Call) -> None:
        """The same for all answers."""
        ...


class NoCache:
    """A cache that is switched off. Implements Cache."""

    is_on = False
    rules = CACHE_OFF

    async def find(self, key: str, *, not_before: float) -> KeptAnswer | None:
        return None

    def keep(self, key: str, answer: KeptAnswer, *, ttl_s: float) -> None:
        return None

    async def ping(self) -> bool:
        return False

    async def trial(self, rules: CacheRules) -> str:
        return "This gateway has no cache."

    async def delete(self, keys: Sequence[str], *, call: Call) -> int:
        return 0

    async def flush(self, *, call: Call) -> None:
        return None


NO_CACHE = NoCache()
