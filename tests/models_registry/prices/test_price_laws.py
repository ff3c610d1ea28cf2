"""What holds for every price and every usage: no cost is negative, more is never cheaper, parts add up to
the whole before the one rounding, and no usage within its bounds costs more than the ceiling."""

from fractions import Fraction

import msgspec
from hypothesis import assume, given
from hypothesis import strategies as st

from models_registry.prices.price import (
    FEMTO_PER_NANO,
    AtMost,
    Price,
    Service,
    Tier,
    cache_saved_nano,
    ceiling_nano,
    cost_nano,
    cost_parts,
)
from schema.usage import NOTHING_RARE, UNKNOWN_TIER, RareMeters, Usage

COUNTS = st.integers(0, 5_000_000)
RATES = st.integers(0, 10**12)
MAYBE = st.none() | RATES
SEARCHES = st.tuples(RATES, RATES, RATES)
FLAT = st.builds(
    Price,
    input=RATES,
    output=RATES,
    cached=MAYBE,
    cache_write=MAYBE,
    cache_write_1h=MAYBE,
    reasoning=MAYBE,
    audio_input=MAYBE,
    audio_cached=MAYBE,
    audio_output=MAYBE,
    image_input=MAYBE,
    image_cached=MAYBE,
    image_output=MAYBE,
    request_nano=st.integers(0, 10**9),
    image=RATES,
    millisecond=RATES,
    max_ms=st.just(60_000),
    searches=SEARCHES,
)


def with_tiers(base: Price, tiers: dict[int, Price]) -> Price:
    steps = tuple(Tier(over_tokens=over, price=price) for over, price in sorted(tiers.items()))
    return msgspec.structs.replace(base, tiers=steps)


TIERED = st.builds(with_tiers, FLAT, st.dictionaries(st.integers(0, 6_000_000), FLAT, max_size=2))
PRICES = st.builds(
    lambda base, services: msgspec.structs.replace(
        base, services=tuple(Service(name=name, price=price) for name, price in services.items())
    ),
    TIERED,
    st.dictionaries(st.sampled_from(("flex", "priority")), TIERED, max_size=2),
)


@st.composite
def usages(draw: st.DrawFn, most_prompt: int = 5_000_000, most_output: int = 5_000_000) -> Usage:
    """Consistent counts: each part is within what it is part of."""

    def part(of: int) -> int:
        return draw(st.integers(0, of))

    prompt, output = part(most_prompt), part(most_output)
    cached = part(prompt)
    written = part(prompt - cached)
    audio_cached = part(cached)
    image_cached = part(cached - audio_cached)
    fresh = prompt - cached - written
    audio = part(fresh)
    reasoning = part(output)
    said = output - reasoning
    audio_out = part(said)
    rare = RareMeters(
        cache_write_1h_tokens=part(written),
        audio_input_tokens=audio + audio_cached,
        audio_cached_tokens=audio_cached,
        audio_output_tokens=audio_out,
        image_input_tokens=part(fresh - audio) + image_cached,
        image_cached_tokens=image_cached,
        image_output_tokens=part(said - audio_out),
        images=part(3),
        web_searches=part(3),
        search_context=draw(st.sampled_from(("", "low", "medium", "high"))),
    )
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=output,
        cached_tokens=cached,
        cache_write_tokens=written,
        reasoning_tokens=reasoning,
        service_tier=draw(st.sampled_from(("", "flex", "priority", "never heard of"))),
        rare=draw(st.sampled_from((None, rare))),
    )


def plainly(price: Price, usage: Usage, duration_ms: int) -> Fraction:
    """The cost in nano-USD by the plainest reading: each disjoint part of the usage at its own rate."""
    price = {service.name: service.price for service in price.services}.get(usage.service_tier, price)
    for tier in price.tiers:
        price = tier.price if usage.prompt_tokens > tier.over_tokens else price
    rare = usage.rare or NOTHING_RARE

    def at(own: int | None, otherwise: int) -> int:
        return otherwise if own is None else own

    cached_rate, write_rate = at(price.cached, price.input), at(price.cache_write, price.input)
    fresh_audio = rare.audio_input_tokens - rare.audio_cached_tokens
    fresh_image = rare.image_input_tokens - rare.image_cached_tokens
    fresh = usage.prompt_tokens - usage.cached_tokens - usage.cache_write_tokens
    said = usage.completion_tokens - usage.reasoning_tokens
    low, medium, high = price.searches
    lines = [
        (fresh - fresh_audio - fresh_image, price.input),
        (fresh_audio, at(price.audio_input, price.input)),
        (fresh_image, at(price.image_input, price.input)),
        (usage.cached_tokens - rare.audio_cached_tokens - rare.image_cached_tokens, cached_rate),
        (rare.audio_cached_tokens, at(price.audio_cached, cached_rate)),
        (rare.image_cached_tokens, at(price.image_cached, cached_rate)),
        (usage.cache_write_tokens - rare.cache_write_1h_tokens, write_rate),
        (rare.cache_write_1h_tokens, at(price.cache_write_1h, write_rate)),
        (said - rare.audio_output_tokens - rare.image_output_tokens, price.output),
        (rare.audio_output_tokens, at(price.audio_output, price.output)),
        (rare.image_output_tokens, at(price.image_output, price.output)),
        (usage.reasoning_tokens, at(price.reasoning, price.output)),
        (rare.images, price.image),
        (rare.web_searches, {"low": low, "high": high}.get(rare.search_context, medium)),
        (min(duration_ms, price.max_ms), price.millisecond),
        (1, price.request_nano * FEMTO_PER_NANO),
    ]
    return Fraction(sum(count * rate for count, rate in lines), FEMTO_PER_NANO)


@given(PRICES, usages(), st.integers(0, 100_000))
def test_a_cost_is_the_sum_over_all_meters_rounded_up_once(price: Price, usage: Usage, ms: int) -> None:
    assume(price.serves(usage.service_tier))
    exact = plainly(price, usage, ms)
    assert exact <= cost_nano(price, usage, ms) < exact + 1


@given(PRICES, usages(), st.integers(0, 100_000))
def test_the_parts_are_never_negative_and_add_up_to_the_cost(price: Price, usage: Usage, ms: int) -> None:
    parts = cost_parts(price, usage, ms)
    assert min(parts) >= 0
    assert sum(parts) == cost_nano(price, usage, ms)


@given(FLAT, usages())
def test_a_read_of_the_cache_saved_what_plain_input_would_have_cost_more(price: Price, usage: Usage) -> None:
    usage = msgspec.structs.replace(usage, service_tier="", rare=None, estimated=False)
    plain = msgspec.structs.replace(usage, cached_tokens=0)
    price = msgspec.structs.replace(price, cache_write=price.input)
    saved = cache_saved_nano(price, usage)
    assert saved >= 0
    assert cache_saved_nano(price, plain) == 0
    if price.cached is None:
        assert saved == 0
    elif price.cached <= price.input:
        cached = min(usage.cached_tokens, usage.prompt_tokens)
        assert saved == cached * (price.input - price.cached) // FEMTO_PER_NANO


@given(FLAT, usages(), usages())
def test_two_calls_cost_what_one_of_both_would_but_for_the_rounding(
    price: Price, one: Usage, other: Usage
) -> None:
    one, other = (msgspec.structs.replace(usage, service_tier="", rare=None) for usage in (one, other))
    names = ("prompt_tokens", "completion_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens")
    both = Usage(**{name: getattr(one, name) + getattr(other, name) for name in names})
    apart = cost_nano(price, one) + cost_nano(price, other)
    together = cost_nano(price, both) + price.request_nano  # each is a request
    assert together <= apart <= together + 1


@given(
    FLAT, usages(), COUNTS, st.sampled_from(("prompt", "completion", "cached", "cache_write", "reasoning"))
)
def test_more_of_anything_never_costs_less(price: Price, usage: Usage, more: int, meter: str) -> None:
    whole = {"cached": "prompt", "cache_write": "prompt", "reasoning": "completion"}.get(meter, meter)
    names = {f"{meter}_tokens", f"{whole}_tokens"}
    larger = msgspec.structs.replace(usage, **{name: getattr(usage, name) + more for name in names})
    assert cost_nano(price, larger) >= cost_nano(price, usage)


@given(PRICES, usages(), st.integers(0, 50_000), st.integers(0, 50_000))
def test_a_longer_call_never_costs_less(price: Price, usage: Usage, ms: int, more: int) -> None:
    assert cost_nano(price, usage, ms + more) >= cost_nano(price, usage, ms)


@given(PRICES, st.integers(0, 10**6), st.integers(0, 10**6), st.data())
def test_no_usage_within_its_bounds_costs_more_than_the_ceiling(
    price: Price, prompt: int, output: int, data: st.DataObject
) -> None:
    usage = data.draw(usages(most_prompt=prompt, most_output=output))
    ms = data.draw(st.integers(0, 60_000))
    ceiling = ceiling_nano(price, AtMost(prompt, output, images=3, searches=3))
    assert cost_nano(price, usage, ms) <= ceiling
    if not usage.service_tier:
        listed = ceiling_nano(price, AtMost(prompt, output, images=3, searches=3, at_list_price=True))
        assert cost_nano(price, usage, ms) <= listed <= ceiling


@given(PRICES, usages(), st.data())
def test_a_bound_costs_at_least_what_it_bounds(price: Price, usage: Usage, data: st.DataObject) -> None:
    """Whatever tier was served where nobody said, whatever part of it was cached, written or reasoned."""
    bound = Usage(
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        estimated=True,
        service_tier=UNKNOWN_TIER,
        rare=usage.rare,
    )
    assert cost_nano(price, bound, 1000) >= cost_nano(price, usage, 1000)
    known = msgspec.structs.replace(usage, estimated=True, input_reported=True)
    assert cost_nano(price, known, 1000) >= cost_nano(price, usage, 1000)


@given(PRICES, usages())
def test_a_tier_without_rates_costs_at_least_what_any_other_does(price: Price, usage: Usage) -> None:
    unheard = cost_nano(price, msgspec.structs.replace(usage, service_tier="never heard of"), 1000)
    for tier in ("", *(service.name for service in price.services)):
        assert unheard >= cost_nano(price, msgspec.structs.replace(usage, service_tier=tier), 1000)


@given(PRICES, usages())
def test_a_free_price_costs_nothing_and_no_other_is_free(price: Price, usage: Usage) -> None:
    assert cost_nano(Price(source="local"), usage, 10_000) == 0
    if price.is_free:
        assert cost_nano(price, usage, 10_000) == 0
