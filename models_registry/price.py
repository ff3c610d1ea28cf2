"""What an attempt costs: integers from end to end, rounded once, and up.

Rates are femto-USD (1e-15) a token, so that a hundredth of a cent a million tokens is still a
whole number; a cost is nano-USD (1e-9).
"""

from decimal import ROUND_CEILING, Decimal

import msgspec

from schema.usage import Usage

FEMTO_PER_USD = 10**15
FEMTO_PER_NANO = 10**6
NANO_PER_USD = 10**9


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """Rates of one deployment in femto-USD a token, and per call in nano-USD."""

    input: int = 0
    output: int = 0
    cached: int | None = None
    """None: cached input costs what other input costs. Likewise below."""
    cache_write: int | None = None
    reasoning: int | None = None
    request_nano: int = 0
    tiers: tuple["Tier", ...] = ()
    """Ascending; the last one reached by the prompt's size prices the whole call."""
    source: str = "config"


class Tier(msgspec.Struct, frozen=True, kw_only=True):
    """Other rates for a call whose prompt has more than `over_tokens`."""

    over_tokens: int
    price: Price


def rate(usd_per_token: Decimal) -> int:
    """A rate in femto-USD a token, up to the next whole one. Raises ValueError unless >= 0."""
    if not usd_per_token.is_finite() or usd_per_token < 0:
        raise ValueError(f"a price must be a number of dollars of zero or more, not {usd_per_token}")
    return int((usd_per_token * FEMTO_PER_USD).to_integral_value(rounding=ROUND_CEILING))


def cost_nano(price: Price, usage: Usage) -> int:
    """The cost of one attempt in nano-USD: the meters are disjoint, summed, then rounded up."""
    for tier in price.tiers:
        if usage.prompt_tokens > tier.over_tokens:
            price = tier.price
    cached = min(usage.cached_tokens, usage.prompt_tokens)
    written = min(usage.cache_write_tokens, usage.prompt_tokens - cached)
    reasoning = min(usage.reasoning_tokens, usage.completion_tokens)
    femto = (
        (usage.prompt_tokens - cached - written) * price.input
        + cached * (price.input if price.cached is None else price.cached)
        + written * (price.input if price.cache_write is None else price.cache_write)
        + (usage.completion_tokens - reasoning) * price.output
        + reasoning * (price.output if price.reasoning is None else price.reasoning)
    )
    return -(-femto // FEMTO_PER_NANO) + price.request_nano


def ceiling_nano(price: Price, prompt_tokens: int, completion_tokens: int) -> int:
    """The most that a call of at most so many tokens can cost: each at its dearest rate, in any tier
    that such a prompt can reach."""
    prompt, output, request_nano = _dearest(price)
    for tier in price.tiers:
        if prompt_tokens > tier.over_tokens:
            each = _dearest(tier.price)
            prompt, output = max(prompt, each[0]), max(output, each[1])
            request_nano = max(request_nano, each[2])
    femto = prompt_tokens * prompt + completion_tokens * output
    return -(-femto // FEMTO_PER_NANO) + request_nano


def _dearest(price: Price) -> tuple[int, int, int]:
    """Its highest rates of input and output, and what a call costs."""
    return (
        max(price.input, price.cached or 0, price.cache_write or 0),
        max(price.output, price.reasoning or 0),
        price.request_nano,
    )


def usd(nano: int) -> Decimal:
    """Nano-USD as exact dollars, for the column and the header."""
    return Decimal(nano).scaleb(-9)
