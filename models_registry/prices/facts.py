"""Prices from the table of model facts, for models that the price data does not know yet."""

from decimal import Decimal
from functools import lru_cache

import msgspec

from models_registry.facts.table import ModelFacts, TokenPrices, facts_of
from models_registry.prices.price import Price, Tier, rate

SOURCE = "model-facts"


@lru_cache(maxsize=1024)
def known_price(provider: str, model: str) -> Price | None:
    """The price of a provider's model. None: the table has none, or it has prices by something else than
    tokens alone."""
    facts = facts_of(provider, model)
    if facts is None or facts.prices is None:
        return None
    return msgspec.structs.replace(
        _flat(facts.prices), tiers=_tiers(facts), version=f"{facts.provider}/{facts.model}"
    )


def _tiers(facts: ModelFacts) -> tuple[Tier, ...]:
    return tuple(Tier(over_tokens=step.over, price=_flat(step.prices)) for step in facts.steps)


def _flat(prices: TokenPrices) -> Price:
    return Price(
        input=rate(Decimal(prices.input)),
        output=rate(Decimal(prices.output)),
        cached=None if prices.cached is None else rate(Decimal(prices.cached)),
        cache_write=None if prices.cache_write is None else rate(Decimal(prices.cache_write)),
        source=SOURCE,
    )
