"""Prices from the `genai-prices` data, as our own integers."""

from datetime import datetime
from decimal import Decimal

import msgspec
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelPrice, TieredPrices

from models_registry.price import Price, Tier, rate

_TOKENS = 1_000_000  # the data is in dollars a million tokens
_SOURCE = "genai-prices"


def find_price(provider_id: str, model: str, at: datetime) -> Price | None:
    """The list price of a model at a moment, or None where the data does not know it."""
    try:
        _, info = get_snapshot().find_provider_model(model, None, provider_id, None)
    except LookupError:
        return None
    prices = info.get_prices(at)
    base = _price(prices, 0)
    if base is None:
        return None
    tiered = [value for value in vars(prices).values() if isinstance(value, TieredPrices)]
    starts = sorted({tier.start for value in tiered for tier in value.tiers})
    above = [(start, _price(prices, start)) for start in starts]
    tiers = tuple(Tier(over_tokens=start, price=price) for start, price in above if price is not None)
    return msgspec.structs.replace(base, tiers=tiers)


def find_window(provider_id: str, model: str) -> int | None:
    """The context window of a model in tokens, or None where the data does not know it."""
    try:
        _, info = get_snapshot().find_provider_model(model, None, provider_id, None)
    except LookupError:
        return None
    return info.context_window


def _at(value: Decimal | TieredPrices, start: int) -> Decimal:
    """The rate in force just above `start` prompt tokens."""
    if not isinstance(value, TieredPrices):
        return value
    reached = [tier.price for tier in value.tiers if tier.start <= start]
    return reached[-1] if reached else value.base


def _price(prices: ModelPrice, over_tokens: int) -> Price | None:
    """The rates above a prompt size; None where the model is not priced by input tokens."""

    def token_rate(name: str) -> int | None:
        value = getattr(prices, name, None)
        return None if value is None else rate(_at(value, over_tokens) / _TOKENS)

    input_rate = token_rate("input_mtok")
    if input_rate is None:
        return None
    per_thousand = getattr(prices, "requests_kcount", None)
    return Price(
        input=input_rate,
        output=token_rate("output_mtok") or 0,
        cached=token_rate("cache_read_mtok"),
        cache_write=token_rate("cache_write_mtok"),
        request_nano=0 if per_thousand is None else -(-rate(_at(per_thousand, over_tokens) / 1000) // 10**6),
        source=_SOURCE,
    )
