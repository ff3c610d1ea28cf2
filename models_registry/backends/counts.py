"""Token counts between the wire and `Usage`. A report that can't be true counts as none.

Where cached tokens stand, by dialect (`CACHED`): `Usage.prompt_tokens` holds all input, so what a provider
counts beside its prompt is added to it, and what it counts inside is not.
"""

import enum
from collections.abc import Mapping
from types import MappingProxyType

from models_registry.target import Dialect
from schema.chat import CompletionDetails, PromptDetails, WireUsage
from schema.usage import RareMeters, Usage, tier_served

MAX_COUNT = 2**31 - 1
"""The largest count believed, and the largest the ledger's columns hold."""


class Cached(enum.Enum):
    """Where a provider counts input that it read from a cache or wrote to one."""

    INSIDE = "inside the prompt's count"
    BESIDE = "beside it"
    UNCOUNTED = "nowhere: the prompt's count holds it, and nobody tells which part it is"


CACHED: Mapping[Dialect, Cached] = MappingProxyType(
    {
        Dialect.OPENAI: Cached.INSIDE,
        Dialect.ANTHROPIC: Cached.BESIDE,
        Dialect.OLLAMA: Cached.UNCOUNTED,
    }
)
"""Sources: OpenAI's `prompt_tokens_details.cached_tokens` and its compatible servers (DeepSeek's
`prompt_cache_hit_tokens`, Mistral's `num_cached_tokens`); Anthropic's `input_tokens`, which leaves out
`cache_read_input_tokens` and `cache_creation_input_tokens`; Ollama's `prompt_eval_count`."""


def whole_prompt(dialect: Dialect, counted: int, cached: int) -> int:
    """All input, from what the provider counts as the prompt and as read from or written to a cache."""
    return counted + cached if CACHED[dialect] is Cached.BESIDE else counted


def checked(usage: Usage) -> Usage | None:
    """The usage, or None where a count is negative or beyond MAX_COUNT."""
    counts: tuple[int, ...] = (
        usage.prompt_tokens,
        usage.completion_tokens,
        usage.cached_tokens,
        usage.cache_write_tokens,
        usage.reasoning_tokens,
    )
    if usage.rare is not None:
        counts += usage.rare.counts
    return usage if min(counts) >= 0 and max(counts) <= MAX_COUNT else None


def from_wire(wire: WireUsage, service_tier: str | None = None) -> Usage | None:
    """OpenAI's usage: the cached part is inside the prompt's count, reasoning inside the
    completion's, and so are audio and images. Where the total is more than the two, a provider has left
    something out of them: audio input (Mistral), else reasoning (xAI, Gemini). None where all counts
    are missing."""
    prompt, completion = wire.prompt_tokens or 0, wire.completion_tokens or 0
    if wire.prompt_tokens is None and wire.completion_tokens is None and wire.total_tokens is None:
        return None
    of_prompt, of_completion = wire.prompt_tokens_details, wire.completion_tokens_details
    beside = max(0, (wire.total_tokens or 0) - prompt - completion)
    if beside and (wire.prompt_tokens is None or (of_prompt and of_prompt.audio_tokens == beside)):
        prompt += beside
    else:
        completion += beside
    cached = (of_prompt.cached_tokens if of_prompt else 0) or 0
    cached = cached or wire.prompt_cache_hit_tokens or wire.num_cached_tokens or 0
    return checked(
        Usage(
            prompt_tokens=prompt,
            completion_tokens=completion,
            cached_tokens=cached,
            cache_write_tokens=(of_prompt.cache_write_tokens if of_prompt else 0) or 0,
            reasoning_tokens=(of_completion.reasoning_tokens if of_completion else 0) or 0,
            service_tier=tier_served(service_tier),
            rare=_rare(of_prompt, of_completion),
        )
    )


def _rare(of_prompt: PromptDetails | None, of_completion: CompletionDetails | None) -> RareMeters | None:
    audio_in = of_prompt.audio_tokens if of_prompt else 0
    image_in = of_prompt.image_tokens if of_prompt else 0
    audio_out = of_completion.audio_tokens if of_completion else 0
    image_out = of_completion.image_tokens if of_completion else 0
    if not (audio_in or image_in or audio_out or image_out):
        return None
    return RareMeters(
        audio_input_tokens=audio_in or 0,
        image_input_tokens=image_in or 0,
        audio_output_tokens=audio_out or 0,
        image_output_tokens=image_out or 0,
    )


def to_wire(usage: Usage) -> WireUsage:
    """The usage as OpenAI's clients read it."""
    return WireUsage(
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        total_tokens=usage.total_tokens,
        prompt_tokens_details=PromptDetails(
            cached_tokens=usage.cached_tokens, cache_write_tokens=usage.cache_write_tokens
        ),
        completion_tokens_details=CompletionDetails(reasoning_tokens=usage.reasoning_tokens),
    )
