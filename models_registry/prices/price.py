"""What an attempt costs. All numbers are integers, and a cost is rounded once, upwards.

Rates are in femto-USD (1e-15 dollars) a token, so that a hundredth of a cent a million tokens is still a
whole number. Costs are in nano-USD (1e-9 dollars). A price is made when the config is read. Whatever follows
from its rates, such as the dearest rates for ceilings, is worked out then, so that a call needs only
multiplications.
"""

from collections.abc import Iterable
from datetime import date
from decimal import ROUND_CEILING, Decimal
from typing import NamedTuple

import msgspec

from schema.corrections import Priced
from schema.usage import NOTHING_RARE, RareMeters, Usage

FEMTO_PER_USD = 10**15
FEMTO_PER_NANO = 10**6


class Parts(NamedTuple):
    """A cost by what it is for, in one unit of money. The parts are disjoint and add up to the whole."""

    input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0
    tools: int = 0
    request: int = 0
    time: int = 0


class AtMost(msgspec.Struct, frozen=True, gc=False):
    """The most that a call can use. `at_list_price`: the call is sure to be served at the standard service
    tier, or at a cheaper one."""

    prompt_tokens: int
    completion_tokens: int
    images: int = 0
    searches: int = 0
    at_list_price: bool = False


class Dearest(NamedTuple):
    """The highest rates that a call can meet, in femto-USD."""

    input: int
    output: int
    request: int
    millisecond: int
    max_ms: int
    """The milliseconds after which every call has ended. 0: time costs nothing."""
    image: int
    search: int


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """The rates of one deployment, in femto-USD a token unless a field says otherwise. None: these tokens
    have no rate of their own. They cost as much as other input or output; cached audio and images, and tokens
    cached for an hour, cost as much as other cached or cache-written tokens."""

    input: int = 0
    output: int = 0
    cached: int | None = None
    cache_write: int | None = None
    cache_write_1h: int | None = None
    reasoning: int | None = None
    audio_input: int | None = None
    audio_cached: int | None = None
    audio_output: int | None = None
    image_input: int | None = None
    image_cached: int | None = None
    image_output: int | None = None
    request_nano: int = 0
    """Nano-USD a call."""
    image: int = 0
    """Femto-USD a picture in the request."""
    millisecond: int = 0
    """Femto-USD a millisecond that the attempt took, up to `max_ms`."""
    max_ms: int = 0
    """The milliseconds after which its deadline has ended an attempt. Always set where `millisecond` is."""
    searches: tuple[int, int, int] = (0, 0, 0)
    """Femto-USD a web search by the provider, with a low, a medium and a high amount of context."""
    tiers: tuple["Tier", ...] = ()
    """Rates for larger prompts, in ascending order. The last tier that the size of the prompt reaches prices
    the whole call."""
    services: tuple["Service", ...] = ()
    source: str = "config"
    """`config`, `genai-prices`, `model-facts` or `local`."""
    version: str | None = None
    """The version of the source: the package's version, or the hash of the config's price fields."""
    effective: date | None = None
    """The day from which this price holds. None: its source does not say."""
    listed: tuple[tuple[int, Dearest], ...] = ()
    """Worked out: pairs of a number of prompt tokens and the dearest rates above it, at the standard service
    tier."""
    dearest: tuple[tuple[int, Dearest], ...] = ()
    """Worked out: such pairs with the dearest rates of all service tiers."""

    is_free: bool = False
    """Worked out: no call costs anything."""

    def __post_init__(self) -> None:
        listed = _reach((self,))
        anywhere = _reach((self, *(service.price for service in self.services)))
        msgspec.structs.force_setattr(self, "listed", listed)
        msgspec.structs.force_setattr(self, "dearest", anywhere)
        msgspec.structs.force_setattr(self, "is_free", not any(anywhere[-1][1]))

    @property
    def origin(self) -> Priced:
        """Where the price is from, as a correction says it."""
        return Priced(source=self.source, version=self.version, effective=self.effective)

    def serves(self, tier: str) -> bool:
        """Whether the price has rates for a service tier, such as `flex`. Empty: the standard tier."""
        return not tier or any(service.name == tier for service in self.services)


class Tier(msgspec.Struct, frozen=True, kw_only=True):
    """Other rates for a call whose prompt has more than `over_tokens` tokens."""

    over_tokens: int
    price: Price


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """Other rates for a call that the provider served at this service tier: `flex`, `priority`, `batch`."""

    name: str
    price: Price


def rate(usd_per_token: Decimal) -> int:
    """A rate in femto-USD a token, rounded up. Raises ValueError where the dollars are below zero or not
    finite."""
    if not usd_per_token.is_finite() or usd_per_token < 0:
        raise ValueError(f"a price must be a number of dollars of zero or more, not {usd_per_token}")
    return int((usd_per_token * FEMTO_PER_USD).to_integral_value(rounding=ROUND_CEILING))


def cost_nano(price: Price, usage: Usage, duration_ms: int = 0) -> int:
    """The cost of one attempt in nano-USD: the sum of its parts, then rounded up."""
    return -(-sum(_femto(price, usage, duration_ms)) // FEMTO_PER_NANO)


def cost_parts(price: Price, usage: Usage, duration_ms: int = 0) -> Parts:
    """The cost of one attempt in nano-USD, by what it is for. The one rounding is shared out, so that the
    parts add up to `cost_nano`."""
    return _rounded(_femto(price, usage, duration_ms))


def cache_saved_nano(price: Price, usage: Usage) -> int:
    """What reading from the cache saved in nano-USD, rounded down: the price of the cached input as plain
    input, less what it cost. What it cost to write the cache is not in it."""
    if not usage.cached_tokens:
        return 0
    rare = usage.rare
    if rare is not None:
        rare = msgspec.structs.replace(rare, audio_cached_tokens=0, image_cached_tokens=0)
    plain = msgspec.structs.replace(usage, cached_tokens=0, rare=rare)
    saved = sum(_femto(price, plain, 0)) - sum(_femto(price, usage, 0))
    return max(0, saved) // FEMTO_PER_NANO


def ceiling_nano(price: Price, most: AtMost) -> int:
    """The most, in nano-USD, that a call within these bounds can cost."""
    return -(-sum(_ceiling(price, most)) // FEMTO_PER_NANO)


def ceiling_parts(price: Price, most: AtMost) -> Parts:
    """The ceiling of `ceiling_nano`, by what it is for."""
    return _rounded(Parts(*_ceiling(price, most)))


def _ceiling(price: Price, most: AtMost) -> tuple[int, ...]:
    """The fields of Parts, in femto-USD. Each meter has its dearest rate in any tier that such a prompt can
    reach, and the call runs for as long as its deadline allows."""
    dearest = _reached(price.listed if most.at_list_price else price.dearest, most.prompt_tokens)
    return (
        most.prompt_tokens * dearest.input + most.images * dearest.image,
        0,
        0,
        most.completion_tokens * dearest.output,
        0,
        most.searches * dearest.search,
        dearest.request,
        dearest.millisecond * dearest.max_ms,
    )


def _femto(price: Price, usage: Usage, duration_ms: int) -> Parts:
    """The parts in femto-USD. The dearest rates count for an estimate, and for a service tier that the price
    has no rates for, since nobody knows which rates applied."""
    if not price.serves(usage.service_tier):
        return _bound(_reached(price.dearest, usage.prompt_tokens), usage, duration_ms)
    if usage.service_tier:
        price = next(each.price for each in price.services if each.name == usage.service_tier)
    if usage.estimated:
        return _estimate(price, usage, duration_ms)
    for tier in price.tiers:
        if usage.prompt_tokens > tier.over_tokens:
            price = tier.price
    return _exact(price, usage, duration_ms)


def _exact(price: Price, usage: Usage, duration_ms: int) -> Parts:
    if usage.rare is not None:
        return _with_rare(price, usage, usage.rare, duration_ms)
    if not (usage.cached_tokens or usage.cache_write_tokens or usage.reasoning_tokens):
        return Parts(
            usage.prompt_tokens * price.input,
            output=usage.completion_tokens * price.output,
            request=price.request_nano * FEMTO_PER_NANO,
            time=_time(price, duration_ms),
        )
    cached = min(usage.cached_tokens, usage.prompt_tokens)
    written = min(usage.cache_write_tokens, usage.prompt_tokens - cached)
    reasoning = min(usage.reasoning_tokens, usage.completion_tokens)
    return Parts(
        (usage.prompt_tokens - cached - written) * price.input,
        cached * (price.input if price.cached is None else price.cached) if cached else 0,
        written * (price.input if price.cache_write is None else price.cache_write) if written else 0,
        (usage.completion_tokens - reasoning) * price.output,
        reasoning * (price.output if price.reasoning is None else price.reasoning) if reasoning else 0,
        0,
        price.request_nano * FEMTO_PER_NANO,
        _time(price, duration_ms),
    )


def _with_rare(price: Price, usage: Usage, rare: RareMeters, duration_ms: int) -> Parts:
    """The parts where rare meters were used. Audio and image tokens are taken out of the counts that include
    them. A part that is larger than the count it belongs to is believed only up to that count."""
    cached = min(usage.cached_tokens, usage.prompt_tokens)
    written = min(usage.cache_write_tokens, usage.prompt_tokens - cached)
    reasoning = min(usage.reasoning_tokens, usage.completion_tokens)
    written_1h = min(rare.cache_write_1h_tokens, written)
    audio_cached = min(rare.audio_cached_tokens, cached)
    image_cached = min(rare.image_cached_tokens, cached - audio_cached)
    fresh = usage.prompt_tokens - cached - written
    audio = min(max(0, rare.audio_input_tokens - rare.audio_cached_tokens), fresh)
    image = min(max(0, rare.image_input_tokens - rare.image_cached_tokens), fresh - audio)
    said = usage.completion_tokens - reasoning
    audio_out = min(rare.audio_output_tokens, said)
    image_out = min(rare.image_output_tokens, said - audio_out)
    cached_rate = _or(price.cached, price.input)
    write_rate = _or(price.cache_write, price.input)
    return Parts(
        input=(fresh - audio - image) * price.input
        + audio * _or(price.audio_input, price.input)
        + image * _or(price.image_input, price.input)
        + rare.images * price.image,
        cache_read=(cached - audio_cached - image_cached) * cached_rate
        + audio_cached * _or(price.audio_cached, cached_rate)
        + image_cached * _or(price.image_cached, cached_rate),
        cache_write=(written - written_1h) * write_rate + written_1h * _or(price.cache_write_1h, write_rate),
        output=(said - audio_out - image_out) * price.output
        + audio_out * _or(price.audio_output, price.output)
        + image_out * _or(price.image_output, price.output),
        reasoning=reasoning * _or(price.reasoning, price.output),
        tools=rare.web_searches * _search_rate(price, rare.search_context),
        request=price.request_nano * FEMTO_PER_NANO,
        time=_time(price, duration_ms),
    )


def _estimate(price: Price, usage: Usage, duration_ms: int) -> Parts:
    """The parts of an estimate at a known service tier. Input that was reported has its exact cost."""
    bound = _bound(_reached(price.listed, usage.prompt_tokens), usage, duration_ms)
    if not usage.input_reported:
        return bound
    known = _femto(price, msgspec.structs.replace(usage, service_tier="", estimated=False), duration_ms)
    return bound._replace(input=known.input, cache_read=known.cache_read, cache_write=known.cache_write)


def _bound(dearest: Dearest, usage: Usage, duration_ms: int) -> Parts:
    rare = usage.rare or NOTHING_RARE
    return Parts(
        input=usage.prompt_tokens * dearest.input + rare.images * dearest.image,
        output=usage.completion_tokens * dearest.output,
        tools=rare.web_searches * dearest.search,
        request=dearest.request,
        time=dearest.millisecond * min(max(0, duration_ms), dearest.max_ms),
    )


def _time(price: Price, duration_ms: int) -> int:
    return price.millisecond * min(max(0, duration_ms), price.max_ms) if price.millisecond else 0


def _search_rate(price: Price, context: str) -> int:
    """The rate of a search. Without an amount of context the medium rate counts, as at the providers."""
    low, medium, high = price.searches
    return {"low": low, "high": high}.get(context, medium)


def _or(own: int | None, other: int) -> int:
    return other if own is None else own


def _rounded(femto: Parts) -> Parts:
    """The parts in nano-USD. The sum so far is rounded up after each part, and the part is what it adds to
    that."""
    parts, total, booked = [], 0, 0
    for part in femto:
        if part:
            total += part
            whole = -(-total // FEMTO_PER_NANO)
            parts.append(whole - booked)
            booked = whole
        else:
            parts.append(0)
    return Parts(*parts)


def _reached(steps: tuple[tuple[int, Dearest], ...], prompt_tokens: int) -> Dearest:
    found = steps[0][1]
    for over, dearest in steps:
        if prompt_tokens > over:
            found = dearest
    return found


def _reach(prices: Iterable[Price]) -> tuple[tuple[int, Dearest], ...]:
    """The dearest rates of these prices, above each size of prompt at which one of them changes. No step is
    cheaper than the one before: a prompt that is bounded by a size may also be a smaller one."""
    found: list[tuple[int, Dearest]] = []
    for price in prices:
        found.append((-1, _dearest(price)))
        found += [(tier.over_tokens, _dearest(tier.price)) for tier in price.tiers]
    steps: dict[int, Dearest] = {}
    highest = Dearest(0, 0, 0, 0, 0, 0, 0)
    for over, dearest in sorted(found, key=lambda step: step[0]):
        highest = Dearest(*map(max, highest, dearest))
        steps[over] = highest
    return tuple(steps.items())


def _dearest(price: Price) -> Dearest:
    inputs = (
        price.input,
        price.cached,
        price.cache_write,
        price.cache_write_1h,
        price.audio_input,
        price.audio_cached,
        price.image_input,
        price.image_cached,
    )
    outputs = (price.output, price.reasoning, price.audio_output, price.image_output)
    return Dearest(
        max(each or 0 for each in inputs),
        max(each or 0 for each in outputs),
        price.request_nano * FEMTO_PER_NANO,
        price.millisecond if price.max_ms else 0,
        price.max_ms if price.millisecond else 0,
        price.image,
        max(price.searches),
    )
