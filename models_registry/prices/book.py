"""Prices from the `genai-prices` data, as our own integers."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal

import genai_prices
import msgspec
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelInfo, ModelPrice, StartDateConstraint, TieredPrices

from models_registry.prices.price import FEMTO_PER_NANO, Price, Service, Tier, rate

SOURCE = "genai-prices"
_TOKENS = 1_000_000  # the data has dollars a million tokens, and a thousand calls
_CALLS = 1_000
_METERS: tuple[tuple[str, str], ...] = (
    ("output", "output_mtok"),
    ("cached", "cache_read_mtok"),
    ("cache_write", "cache_write_mtok"),
    ("cache_write_1h", "cache_write_1h_mtok"),
    ("reasoning", "output_reasoning_mtok"),
    ("audio_input", "input_audio_mtok"),
    ("audio_cached", "cache_audio_read_mtok"),
    ("audio_output", "output_audio_mtok"),
    ("image_input", "input_image_mtok"),
    ("image_cached", "cache_image_read_mtok"),
    ("image_output", "output_image_mtok"),
)
"""The meters of `Price`, each with its name in the data. Input is not here: its rate must be there, the
others may be missing."""
_SERVICE_KEYS = ("service_tier", "processing", "speed")
"""The keys under which the data has the prices of service tiers. The value of such a key is the tier's name
in answers."""


def find_price(provider_id: str, model: str, at: datetime) -> Price | None:
    """The list price of a model at a moment, or None where the data does not know it."""
    info = _find(provider_id, model)
    if info is None:
        return None
    price = _with_tiers(info.get_prices(at))
    if price is None:
        return None
    services = []
    for name, context in sorted(_contexts(info).items()):
        here = _with_tiers(info.get_prices(at, context))
        if here is not None and here != price:
            services.append(Service(name=name, price=here))
    return msgspec.structs.replace(
        price,
        services=tuple(services),
        source=SOURCE,
        version=genai_prices.__version__,
        effective=_since(info, at),
    )


def find_window(provider_id: str, model: str) -> int | None:
    """The context window of a model in tokens, or None where the data does not know it."""
    info = _find(provider_id, model)
    return None if info is None else info.context_window


def _find(provider_id: str, model: str) -> ModelInfo | None:
    try:
        return get_snapshot().find_provider_model(model, None, provider_id, None)[1]
    except LookupError:
        return None


def _contexts(info: ModelInfo) -> dict[str, Mapping[str, str]]:
    """The service tiers with prices of their own, each with the condition that selects it in the data."""
    found: dict[str, Mapping[str, str]] = {}
    for variant in info.price_variants or ():
        if len(variant.when) == 1:
            ((key, name),) = variant.when.items()
            if key in _SERVICE_KEYS:
                found[name] = variant.when
    return found


def _since(info: ModelInfo, at: datetime) -> date | None:
    """The day from which the price in force at a moment holds. None: the data does not say."""
    if isinstance(info.prices, ModelPrice):
        return None
    for each in reversed(info.prices):
        if each.constraint is None:
            return None
        if each.constraint.active(at):
            return each.constraint.start_date if isinstance(each.constraint, StartDateConstraint) else None
    return None


def _with_tiers(prices: ModelPrice) -> Price | None:
    base = _price(prices, 0)
    if base is None:
        return None
    tiered = [value for value in vars(prices).values() if isinstance(value, TieredPrices)]
    starts = sorted({tier.start for value in tiered for tier in value.tiers})
    above = [(start, _price(prices, start)) for start in starts]
    tiers = tuple(Tier(over_tokens=start, price=price) for start, price in above if price is not None)
    return msgspec.structs.replace(base, tiers=tiers)


def _at(value: Decimal | TieredPrices, start: int) -> Decimal:
    """The rate in force just above `start` prompt tokens."""
    if not isinstance(value, TieredPrices):
        return value
    reached = [tier.price for tier in value.tiers if tier.start <= start]
    return reached[-1] if reached else value.base


def _price(prices: ModelPrice, over_tokens: int) -> Price | None:
    """The rates above a size of prompt in tokens. None: the model is not priced by input tokens."""

    def rate_of(name: str, per: int) -> int | None:
        value = getattr(prices, name, None)
        return None if value is None else rate(_at(value, over_tokens) / per)

    input_rate = rate_of("input_mtok", _TOKENS)
    if input_rate is None:
        return None
    rates = {meter: found for meter, name in _METERS if (found := rate_of(name, _TOKENS)) is not None}
    search = rate_of("web_searches_kcount", _CALLS) or 0
    price = Price(
        input=input_rate,
        request_nano=-(-(rate_of("requests_kcount", _CALLS) or 0) // FEMTO_PER_NANO),
        searches=(search, search, search),
        source=SOURCE,
    )
    return msgspec.structs.replace(price, **rates)
