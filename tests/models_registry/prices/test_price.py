from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_registry.prices.book import find_price
from models_registry.prices.price import AtMost, Price, Tier, ceiling_nano, cost_nano, rate
from schema.money import usd
from schema.usage import Usage

COUNTS = st.integers(0, 10_000_000)
RATES = st.integers(0, 10**12)
NOW = datetime(2026, 11, 1, tzinfo=UTC)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    prompt, output = draw(COUNTS), draw(COUNTS)
    cached = draw(st.integers(0, prompt))
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=output,
        cached_tokens=cached,
        cache_write_tokens=draw(st.integers(0, prompt - cached)),
        reasoning_tokens=draw(st.integers(0, output)),
    )


prices = st.builds(
    Price,
    input=RATES,
    output=RATES,
    cached=st.none() | RATES,
    cache_write=st.none() | RATES,
    reasoning=st.none() | RATES,
    request_nano=st.integers(0, 10**9),
)


@given(prices, usages())
def test_a_cost_is_the_exact_sum_rounded_up_once(price: Price, usage: Usage) -> None:
    def of(own: int | None, else_: int) -> int:
        return else_ if own is None else own

    plain = usage.prompt_tokens - usage.cached_tokens - usage.cache_write_tokens
    exact = Fraction(
        plain * price.input
        + usage.cached_tokens * of(price.cached, price.input)
        + usage.cache_write_tokens * of(price.cache_write, price.input)
        + (usage.completion_tokens - usage.reasoning_tokens) * price.output
        + usage.reasoning_tokens * of(price.reasoning, price.output),
        10**6,
    )
    cost = cost_nano(price, usage) - price.request_nano
    assert exact <= cost < exact + 1


@given(prices, usages(), COUNTS)
def test_more_output_never_costs_less(price: Price, usage: Usage, more: int) -> None:
    larger = Usage(
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens + more,
        cached_tokens=usage.cached_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        reasoning_tokens=usage.reasoning_tokens,
    )
    assert cost_nano(price, larger) >= cost_nano(price, usage) >= 0


@pytest.mark.parametrize(
    ("dollars_a_token", "tokens", "nano"),
    [("0.00003", 1000, 30_000_000), ("0.000015", 1000, 15_000_000), ("0.0000000375", 1, 38)],
)
def test_known_rates(dollars_a_token: str, tokens: int, nano: int) -> None:
    price = Price(input=rate(Decimal(dollars_a_token)))
    assert cost_nano(price, Usage(prompt_tokens=tokens)) == nano


@pytest.mark.parametrize("bad", ["-1", "NaN", "Infinity"])
def test_a_rate_that_is_no_amount_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="dollars"):
        rate(Decimal(bad))


def test_a_tier_prices_the_whole_call_above_its_size() -> None:
    price = Price(input=10**6, tiers=(Tier(over_tokens=100, price=Price(input=2 * 10**6)),))
    assert cost_nano(price, Usage(prompt_tokens=100)) == 100
    assert cost_nano(price, Usage(prompt_tokens=101)) == 202


def test_the_documents_models_cost_what_it_says() -> None:
    gpt_4 = find_price("openai", "gpt-4", NOW)
    sonnet = find_price("anthropic", "claude-sonnet-4-6", NOW)
    assert gpt_4 is not None
    assert sonnet is not None
    assert usd(cost_nano(gpt_4, Usage(prompt_tokens=1000))) == Decimal("0.03")
    assert usd(cost_nano(sonnet, Usage(completion_tokens=1000))) == Decimal("0.015")


def test_list_prices_with_tiers_come_over() -> None:
    price = find_price("anthropic", "claude-sonnet-4-5", NOW)
    assert price is not None
    assert usd(cost_nano(price, Usage(prompt_tokens=200_000))) == Decimal("0.6")
    assert usd(cost_nano(price, Usage(prompt_tokens=300_000))) == Decimal("1.8")


def test_an_unknown_model_has_no_price() -> None:
    assert find_price("openai", "no-such-model-at-all", NOW) is None


MAYBE_RATES = st.none() | RATES
FLAT_PRICES = st.builds(
    Price,
    input=RATES,
    output=RATES,
    cached=MAYBE_RATES,
    cache_write=MAYBE_RATES,
    reasoning=MAYBE_RATES,
    request_nano=st.integers(min_value=0, max_value=10**9),
)
TIERED_PRICES = st.builds(
    lambda base, tiers: msgspec.structs.replace(
        base, tiers=tuple(Tier(over_tokens=over, price=price) for over, price in sorted(tiers.items()))
    ),
    FLAT_PRICES,
    st.dictionaries(st.integers(min_value=0, max_value=10**6), FLAT_PRICES, max_size=3),
)


@given(TIERED_PRICES, COUNTS, COUNTS, st.data())
def test_no_usage_within_its_bounds_costs_more_than_the_ceiling(
    price: Price, prompt: int, output: int, data: st.DataObject
) -> None:
    used = data.draw(st.integers(0, prompt))
    answered = data.draw(st.integers(0, output))
    usage = Usage(
        prompt_tokens=used,
        completion_tokens=answered,
        cached_tokens=data.draw(st.integers(0, used)),
        cache_write_tokens=data.draw(st.integers(0, used)),
        reasoning_tokens=data.draw(st.integers(0, answered)),
    )
    assert cost_nano(price, usage) <= ceiling_nano(price, AtMost(prompt, output))


@given(TIERED_PRICES, COUNTS, COUNTS)
def test_the_ceiling_grows_with_the_bounds(price: Price, prompt: int, output: int) -> None:
    assert ceiling_nano(price, AtMost(prompt, output)) <= ceiling_nano(price, AtMost(prompt + 1, output + 1))
