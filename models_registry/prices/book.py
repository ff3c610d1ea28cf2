"""Prices from the table of list prices, as our own integers."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from models_registry.prices.listed import ListRates, PricedModel, Tiered, find_listed, source
from models_registry.prices.price import FEMTO_PER_NANO, Price, Service, Tier, rate

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
    listed = find_listed(provider_id, model)
    if listed is None:
        return None
    price, dated = _with_tiers(listed.rates(at)), listed.dated(at)
    if price is None:
        return None
    services = []
    for name, when in sorted(_service_tiers(listed).items()):
        here = _with_tiers(listed.rates(at, when))
        if here is not None and here != price:
            services.append(Service(name=name, price=here))
    return msgspec.structs.replace(
        price,
        services=tuple(services),
        version=source().version,
        effective=None if dated is None else dated.since,
    )


def find_window(provider_id: str, model: str) -> int | None:
    """The context window of a model in tokens, or None where the data does not know it."""
    listed = find_listed(provider_id, model)
    return None if listed is None else listed.context_window


def _service_tiers(listed: PricedModel) -> Mapping[str, Mapping[str, str]]:
    """The service tiers with prices of their own, each with the condition that selects it in the data."""
    found: dict[str, Mapping[str, str]] = {}
    for variant in listed.variants:
        if len(variant.when) == 1:
            ((key, name),) = variant.when.items()
            if key in _SERVICE_KEYS:
                found[name] = variant.when
    return found


def _with_tiers(rates: ListRates) -> Price | None:
    base = _price(rates, 0)
    if base is None:
        return None
    starts = sorted(
        {tier.start for value in rates.values() if isinstance(value, Tiered) for tier in value.tiers}
    )
    above = [(start, _price(rates, start)) for start in starts]
    tiers = tuple(Tier(over_tokens=start, price=price) for start, price in above if price is not None)
    return msgspec.structs.replace(base, tiers=tiers)


def _price(rates: ListRates, over_tokens: int) -> Price | None:
    """The rates above a size of prompt in tokens. None: the model is not priced by input tokens."""

    def rate_of(name: str, per: int) -> int | None:
        value = rates.get(name)
        if value is None:
            return None
        return rate((value.above(over_tokens) if isinstance(value, Tiered) else value) / per)

    input_rate = rate_of("input_mtok", _TOKENS)
    if input_rate is None:
        return None
    found = {meter: each for meter, name in _METERS if (each := rate_of(name, _TOKENS)) is not None}
    search = rate_of("web_searches_kcount", _CALLS) or 0
    price = Price(
        input=input_rate,
        request_nano=-(-(rate_of("requests_kcount", _CALLS) or 0) // FEMTO_PER_NANO),
        searches=(search, search, search),
        source=source().source,
    )
    return msgspec.structs.replace(price, **found)
