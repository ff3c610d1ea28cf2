"""Token counts between the wire and `Usage`. A report that can't be true counts as none."""

from schema.chat import CompletionDetails, PromptDetails, WireUsage
from schema.usage import Usage

MAX_COUNT = 2**31 - 1
"""The largest count believed, and the largest the ledger's columns hold."""


def checked(usage: Usage) -> Usage | None:
    """The usage, or None where a count is negative or beyond MAX_COUNT."""
    counts = (
        usage.prompt_tokens,
        usage.completion_tokens,
        usage.cached_tokens,
        usage.cache_write_tokens,
        usage.reasoning_tokens,
    )
    return usage if min(counts) >= 0 and max(counts) <= MAX_COUNT else None


def from_wire(wire: WireUsage) -> Usage | None:
    """OpenAI's usage: the cached part is inside the prompt's count, reasoning inside the
    completion's. Where the total is more than the two, a provider has left something out of them:
    audio input (Mistral), else reasoning (xAI, Gemini). None where all counts are missing."""
    prompt, completion = wire.prompt_tokens or 0, wire.completion_tokens or 0
    if wire.prompt_tokens is None and wire.completion_tokens is None and wire.total_tokens is None:
        return None
    of_prompt, of_completion = wire.prompt_tokens_details, wire.completion_tokens_details
    beside = max(0, (wire.total_tokens or 0) - prompt - completion)
    if beside and (wire.prompt_tokens is None or (of_prompt and of_prompt.audio_tokens == beside)):
        prompt += beside
    else:
        completion += beside
    return checked(
        Usage(
            prompt_tokens=prompt,
            completion_tokens=completion,
            cached_tokens=(of_prompt.cached_tokens if of_prompt else 0) or 0,
            cache_write_tokens=(of_prompt.cache_write_tokens if of_prompt else 0) or 0,
            reasoning_tokens=(of_completion.reasoning_tokens if of_completion else 0) or 0,
        )
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
