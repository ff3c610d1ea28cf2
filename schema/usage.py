"""What one upstream attempt used, in one convention for all providers."""

import msgspec


class RareMeters(msgspec.Struct, frozen=True, kw_only=True, gc=False, array_like=True):
    """What few answers report. Tokens here are parts of the counts in `Usage`, not beside them."""

    cache_write_1h_tokens: int = 0
    """Of the cache-written tokens: kept for an hour. The rest is kept for five minutes."""
    audio_input_tokens: int = 0
    audio_cached_tokens: int = 0
    """Of the audio input: read from the cache, and so of the cached tokens, too."""
    audio_output_tokens: int = 0
    image_input_tokens: int = 0
    image_cached_tokens: int = 0
    image_output_tokens: int = 0
    images: int = 0
    """Pictures in the request. Counted only where the deployment's price has a rate for one."""
    web_searches: int = 0
    """Searches that the provider ran itself."""
    search_context: str = ""
    """How much a search was to bring: `low`, `medium`, `high`; empty where nobody said."""

    @property
    def counts(self) -> tuple[int, ...]:
        return (
            self.cache_write_1h_tokens,
            self.audio_input_tokens,
            self.audio_cached_tokens,
            self.audio_output_tokens,
            self.image_input_tokens,
            self.image_cached_tokens,
            self.image_output_tokens,
            self.images,
            self.web_searches,
        )


NOTHING_RARE = RareMeters()


class Usage(msgspec.Struct, frozen=True, kw_only=True, gc=False, array_like=True):
    """What an attempt used. `prompt_tokens` is all input, the cached and cache-written part
    included; `completion_tokens` is all output, reasoning included. A backend whose provider
    counts otherwise adds up before it gives this (`models_registry/backends/usage.py`).

    Two meters are not here: a request is one, and its seconds are the attempt's own."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: bool = False
    """True where the provider did not report all of it and these are upper bounds."""
    input_reported: bool = False
    """Of an estimate: the provider did report the input, and the output alone is a bound."""
    service_tier: str = ""
    """What the provider says it served; empty: its standard tier, or it did not say. Of an estimate it may be
    UNKNOWN_TIER."""
    rare: RareMeters | None = None

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


STANDARD_TIERS = frozenset({"", "auto", "default", "standard", "on_demand"})
MAX_TIER_CHARS = 32
UNKNOWN_TIER = "unknown"
"""Of a bound, where the price has several tiers and nobody said which one is served: the dearest counts."""


def tier_served(said: str | None) -> str:
    """A provider's word for the tier it served; empty for its standard one."""
    if said is None or said in STANDARD_TIERS:
        return ""
    return said[:MAX_TIER_CHARS].lower()
