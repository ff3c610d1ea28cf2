"""Token counts of one upstream attempt, in one convention for all providers."""

import msgspec


class Usage(msgspec.Struct, frozen=True, kw_only=True, gc=False, array_like=True):
    """What an attempt used. `prompt_tokens` is all input, the cached and cache-written part
    included; `completion_tokens` is all output, reasoning included. A backend whose provider
    counts otherwise adds up before it gives this."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: bool = False
    """True where the provider reported nothing and these are upper bounds."""

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens
