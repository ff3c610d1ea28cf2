"""What one upstream attempt used, in one convention for all providers."""

import msgspec


class RareMeters(msgspec.Struct, frozen=True, kw_only=True, gc=False, array_like=True):
    """Meters that few answers report. The tokens here are parts of the counts in `Usage`; they don't come on
    top."""

    cache_write_1h_tokens: int = 0
    """The cache-written tokens that are kept for an hour. The rest is kept for five minutes."""
    audio_input_tokens: int = 0
    audio_cached_tokens: int = 0
    """The tokens of audio input that were read from the cache. They are part of the cached tokens too."""
    audio_output_tokens: int = 0
    image_input_tokens: int = 0
    image_cached_tokens: int = 0
    image_output_tokens: int = 0
    images: int = 0
    """Pictures in the request. Counted only where the deployment's price has a rate for one."""
    web_searches: int = 0
    """Searches that the provider ran itself."""
    search_context: str = ""
    """How much a search was to bring: `low`, `medium` or `high`; empty where the request did not say."""

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
    """What an attempt used. `prompt_tokens` is all input, with what was read from and written to the cache.
    `completion_tokens` is all output, with the reasoning. A backend whose provider counts otherwise adds the
    counts up. Two meters are missing here: an attempt is always one request, and its row knows its
    duration."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: bool = False
    """True where the provider did not report all counts, so that some of these are upper bounds."""
    input_reported: bool = False
    """True where the counts are an estimate, but the provider did report the input: the output alone is a
    bound."""
    service_tier: str = ""
    """The service tier that the provider says it served; empty for its standard tier, or where it did not
    say. An estimate may have UNKNOWN_TIER."""
    rare: RareMeters | None = None

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


STANDARD_TIERS = frozenset({"", "auto", "default", "standard", "on_demand"})
MAX_TIER_CHARS = 32
UNKNOWN_TIER = "unknown"
"""The tier of an upper bound, where the price has several tiers and nobody said which one is served: the
dearest counts."""


def tier_served(said: str | None) -> str:
    """A provider's word for the tier it served; empty for its standard one."""
    if said is None or said in STANDARD_TIERS:
        return ""
    return said[:MAX_TIER_CHARS].lower()
