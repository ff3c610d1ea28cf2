"""How a deployment's price is found. The config's rates come before the provider's list price. Then the
discount and the margin of the config change the rates."""

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import ROUND_CEILING, Decimal

import msgspec

from models_registry.numbers import BadDeployment, Number, number
from models_registry.prices.book import find_price
from models_registry.prices.facts import known_price
from models_registry.prices.fields import Grid, PriceField, grid_of, names_whole_price, price_of, searches_of
from models_registry.prices.price import Price, Service, Tier
from schema.money import NANO_PER_USD

MAX_MARGIN = Decimal(100)
MAX_FIXED_USD = Decimal(1000)
GLOBAL = "global"
_RATES = (
    "input",
    "output",
    "cached",
    "cache_write",
    "cache_write_1h",
    "reasoning",
    "audio_input",
    "audio_cached",
    "audio_output",
    "image_input",
    "image_cached",
    "image_output",
    "image",
    "millisecond",
)
_MARGIN_KEYS = ("percentage", "fixed_amount")


class Adjustment(msgspec.Struct, frozen=True, kw_only=True):
    """How the config changes a provider's rates. The discount is taken off each rate, and the margin is added
    to what is left: 0.1 is a tenth. Each call costs `fixed_nano` nano-USD more."""

    discount: Decimal = Decimal(0)
    margin: Decimal = Decimal(0)
    fixed_nano: int = 0

    @property
    def factor(self) -> Decimal:
        return (1 - self.discount) * (1 + self.margin)


NO_ADJUSTMENT = Adjustment()


class Pricing(msgspec.Struct, frozen=True, kw_only=True):
    """What the config says about the price of one deployment."""

    price_id: str | None = None
    """The id of the provider in the price data. None: the data does not have the provider."""
    prefix: str | None = None
    """The provider under which the table of model facts has prices, where the price data has none."""
    base_model: str | None = None
    """The model whose list price the deployment has. None: the list price of its own model."""
    local: bool = False
    grid: Grid = {}
    searches: tuple[int, int, int] | None = None
    """Femto-USD a search with a low, a medium and a high amount of context. None: the config does not say."""
    version: str | None = None
    """A hash of the price fields. None: the config has none."""
    max_ms: int = 0
    adjustment: Adjustment = NO_ADJUSTMENT

    def price(self, model: str, at: datetime) -> Price | None:
        """The price of a model at a moment. None: neither the config nor the price data has one."""
        price = self._configured(model, at)
        if price is None:
            return None
        return adjusted(timed(price, self.max_ms), self.adjustment)

    def without_margin(self, model: str, at: datetime) -> Price | None:
        """The price that the provider itself takes, without the config's margin. None: there is no margin, or
        the price is unknown."""
        kept = Adjustment(discount=self.adjustment.discount)
        if kept == self.adjustment:
            return None
        return msgspec.structs.replace(self, adjustment=kept).price(model, at)

    def _configured(self, model: str, at: datetime) -> Price | None:
        start: Price | None = Price(source="local") if self.local else None
        if not names_whole_price(self.grid) and not self.local and self.price_id is not None:
            start = find_price(self.price_id, self.base_model or model, at)
            if start is None and self.prefix is not None:
                start = known_price(self.prefix, self.base_model or model)
        if not self.grid and self.searches is None:
            return start
        if start is None and not names_whole_price(self.grid):
            return None
        facts = {"source": "config", "version": self.version, "effective": at.date()}
        price = price_of(self.grid, msgspec.structs.replace(start or Price(), **facts))
        if self.searches is None:
            return price
        return _each(price, lambda flat: msgspec.structs.replace(flat, searches=self.searches))


def pricing_of(fields: Mapping[str, PriceField], start: Pricing) -> Pricing:
    """The pricing with what the price fields of a deployment say. Raises BadDeployment with the path of a
    field that is no price."""
    grid = grid_of(fields)
    said = {name: str(field.value) for name, field in sorted(fields.items())}
    return msgspec.structs.replace(
        start,
        grid=grid,
        searches=searches_of(fields),
        version=hashlib.sha256(msgspec.json.encode(said)).hexdigest()[:12] if said else None,
    )


def timed(price: Price, max_ms: int) -> Price:
    """The price with the deadline that bounds its rates by time."""
    return _each(price, lambda flat: msgspec.structs.replace(flat, max_ms=max_ms if flat.millisecond else 0))


def adjusted(price: Price, adjustment: Adjustment) -> Price:
    """The price with the discount and the margin. Every rate stays a whole number, rounded up."""
    if adjustment == NO_ADJUSTMENT:
        return price

    factor = adjustment.factor

    def scaled(rate: int) -> int:
        return int((rate * factor).to_integral_value(rounding=ROUND_CEILING))

    def change(flat: Price) -> Price:
        rates: dict[str, object] = {}
        for name in _RATES:
            value = getattr(flat, name)
            rates[name] = None if value is None else scaled(value)
        request = scaled(flat.request_nano) + adjustment.fixed_nano
        searches = tuple(map(scaled, flat.searches))
        return msgspec.structs.replace(flat, request_nano=request, searches=searches, **rates)

    return _each(price, change)


def _each(price: Price, change: Callable[[Price], Price]) -> Price:
    """The price after a change of itself, of its tiers and of its service tiers."""
    return msgspec.structs.replace(
        change(price),
        tiers=tuple(
            Tier(over_tokens=tier.over_tokens, price=_each(tier.price, change)) for tier in price.tiers
        ),
        services=tuple(
            Service(name=service.name, price=_each(service.price, change)) for service in price.services
        ),
    )


def adjustment_of(
    discounts: Mapping[str, Number],
    margins: Mapping[str, Number | Mapping[str, Number]],
    prefix: str,
    *,
    local: bool,
) -> Adjustment:
    """The adjustment for a provider, by its entries in `cost_discount_config` and `cost_margin_config`. The
    margin named `global` is for providers without an entry, and never for local models. Raises
    BadDeployment."""
    path = "litellm_settings.cost_discount_config"
    discount = number(discounts.get(prefix, 0), f"{path}.{prefix}", most=Decimal(1))
    name = prefix if prefix in margins or local else GLOBAL
    margin, path = margins.get(name, 0), f"litellm_settings.cost_margin_config.{name}"
    fixed: object = 0
    if isinstance(margin, Mapping):
        unknown = [key for key in margin if key not in _MARGIN_KEYS]
        if unknown:
            raise BadDeployment(f"{path}.{unknown[0]}", f"expected {' or '.join(_MARGIN_KEYS)}")
        fixed, margin = margin.get("fixed_amount", 0), margin.get("percentage", 0)
    share = number(margin, path, most=MAX_MARGIN)
    fixed_usd = number(fixed, f"{path}.fixed_amount", most=MAX_FIXED_USD)
    fixed_nano = int((fixed_usd * NANO_PER_USD).to_integral_value(rounding=ROUND_CEILING))
    return Adjustment(discount=discount, margin=share, fixed_nano=fixed_nano)


def unused_adjustments(names: Mapping[str, object], known: Mapping[str, object], path: str) -> list[str]:
    """Warnings for entries whose name is no provider's."""
    return [
        f"{path}.{name}: no provider of that name; it has no effect"
        for name in names
        if name != GLOBAL and name not in known
    ]
