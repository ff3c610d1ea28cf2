"""LiteLLM's price fields: what each one prices, and the price that they make together.

The name of a field is a meter, and then what the price is limited to: `_above_1hr` for tokens that are cached
for an hour, `_above_200k_tokens` for larger prompts, `_flex`, `_priority` and `_batches` for a service tier.
Source: the price fields documented for LiteLLM 1.109 (`CustomPricingLiteLLMParams` and the price map).
"""

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from types import MappingProxyType

import msgspec

from models_registry.numbers import BadDeployment, number
from models_registry.prices.price import FEMTO_PER_NANO, Price, Service, Tier, rate

MAX_PRICE_USD = Decimal(1000)
"""The most dollars that a token or a call may cost: far above any price, and small enough for the ledger."""
DEAREST_TOKEN_USD = Decimal("0.002")
"""No model costs more a token. The dearest one on a price list costs 0.0006."""
MAX_OVER_TOKENS = Decimal(10**9)

METERS: Mapping[str, str] = MappingProxyType(
    {
        "input_cost_per_token": "input",
        "output_cost_per_token": "output",
        "cache_read_input_token_cost": "cached",
        "input_cost_per_token_cache_hit": "cached",
        "cache_creation_input_token_cost": "cache_write",
        "output_cost_per_reasoning_token": "reasoning",
        "input_cost_per_audio_token": "audio_input",
        "cache_read_input_audio_token_cost": "audio_cached",
        "output_cost_per_audio_token": "audio_output",
        "input_cost_per_image_token": "image_input",
        "cache_read_input_image_token_cost": "image_cached",
        "output_cost_per_image_token": "image_output",
        "input_cost_per_request": "request_nano",
        "input_cost_per_image": "image",
        "input_cost_per_second": "millisecond",
        "output_cost_per_second": "millisecond",
    }
)
"""Names of fields without their endings, each with the meter of `Price` that it prices."""

HOUR = "cache_write_1h"
SEARCH = "search_context_cost_per_query"
SEARCH_SIZES = ("search_context_size_low", "search_context_size_medium", "search_context_size_high")
LADDER = "tiered_pricing"
SERVICES: Mapping[str, str] = MappingProxyType(
    {"flex": "flex", "priority": "priority", "batches": "batch", "ultrafast": "ultrafast"}
)
"""The endings of field names for service tiers, each with the tier's name in providers' answers."""

ELSEWHERE = (
    "input_cost_per_character",
    "output_cost_per_character",
    "input_cost_per_pixel",
    "output_cost_per_pixel",
    "input_cost_per_query",
    "input_cost_per_audio_per_second",
    "output_cost_per_audio_per_second",
    "input_cost_per_video_per_second",
    "output_cost_per_video_per_second",
    "input_cost_per_video_token",
    "output_cost_per_video_token",
    "output_cost_per_image",
    "output_cost_per_second_",
    "cache_creation_input_audio_token_cost",
    "citation_cost_per_token",
    "google_maps_grounding_cost_per_query",
    "ocr_cost_per_",
    "annotation_cost_per_page",
    "code_interpreter_cost_per_session",
    "file_search_cost_per_",
    "vector_store_cost_per_",
    "computer_use_",
    "cost_per_ptu_per_hour",
)
"""The beginnings of price fields without effect: no endpoint of this version has their meter, or no provider
here reports it."""

_NAME = re.compile(
    r"(?P<base>[a-z_]+?)(?P<hour>_above_1hr)?(?:_(?P<early>flex|priority|batches|ultrafast))?"
    r"(?:_above_(?P<over>[1-9][0-9]{0,5})k_tokens)?(?:_(?P<late>flex|priority|batches|ultrafast))?"
)
_PRICE_LIKE = re.compile(r"(?:^|_)costs?(?:_|$)")
_OURS = frozenset({"max_call_cost"})
_WHOLE = frozenset({"input", "output", "request_nano", "millisecond"})
"""Meters that make a whole price. Where the config has a base rate for one of them, the list price does not
count."""


class PriceField(msgspec.Struct, frozen=True, kw_only=True):
    """A price field as it stands in the config."""

    path: str
    value: object


GridPlace = tuple[int, str]
"""Where a rate holds: above this number of prompt tokens, and at this service tier. The base is `(0, "")`."""
BASE: GridPlace = (0, "")
Rates = dict[str, int]
Grid = dict[GridPlace, Rates]


def is_price_field(name: str) -> bool:
    """Whether a key of `litellm_params` or `model_info` is about prices. Such a key is never sent to a
    provider."""
    return (name == LADDER or _PRICE_LIKE.search(name) is not None) and name not in _OURS


def warning_of(name: str) -> str | None:
    """The warning for a price field that has no effect. None: the field has an effect."""
    if name in (LADDER, SEARCH) or _parsed(name) is not None:
        return None
    if name.startswith(ELSEWHERE):
        return "prices what no endpoint of this version uses; it has no effect"
    return "is no price field that this version knows; it has no effect"


def grid_of(fields: Mapping[str, PriceField]) -> Grid:
    """The rates that the fields name, by where they hold. Raises BadDeployment with the path of a bad
    field."""
    grid: Grid = {}
    for name, field in sorted(fields.items()):
        parsed = _parsed(name)
        if name == LADDER:
            _read_ladder(field, grid)
        elif parsed is not None:
            _put(grid, *parsed, number(field.value, field.path, most=MAX_PRICE_USD))
    return grid


def check_prices(fields: Mapping[str, PriceField]) -> None:
    """Raises BadDeployment naming the path of a field that is no price."""
    grid_of(fields)
    searches_of(fields)


def per_million_doubt(name: str, value: object) -> str | None:
    """A warning for the price of a token that looks like one of a million tokens; None where it does not."""
    if name == LADDER and isinstance(value, list):
        steps = (per_million_doubt(key, each) for step in value for key, each in step.items())
        return next(filter(None, steps), None)
    parsed = _parsed(name)
    if parsed is None or parsed[1] in ("request_nano", "image", "millisecond"):
        return None
    usd = number(value, name, most=MAX_PRICE_USD)
    if usd <= DEAREST_TOKEN_USD:
        return None
    shown, per_million = f"{usd.normalize():f}", f"{(usd * 1_000_000).normalize():,f}"
    return (
        f"{shown} dollars a token are {per_million} dollars per million tokens; if {shown} is meant per "
        f"million, write {float(usd / 1_000_000):g}"
    )


def names_whole_price(grid: Grid) -> bool:
    return not _WHOLE.isdisjoint(grid.get(BASE, {}))


def price_of(grid: Grid, start: Price) -> Price:
    """The price `start` with the rates of the grid put over it. A rate that the grid leaves out stays as it
    is."""
    names = {service for _, service in grid if service}
    listed = {service.name: service.price for service in start.services}
    services = tuple(
        Service(name=name, price=_with_tiers(grid, name, listed.get(name, start)))
        for name in sorted(names | listed.keys())
    )
    return msgspec.structs.replace(_with_tiers(grid, "", start), services=services)


def _with_tiers(grid: Grid, service: str, start: Price) -> Price:
    """The price at one service tier. Where the service tier names no rate above a size of prompt, the larger
    of two rates counts: the base rate of the service tier, and the standard rate above that size."""
    everywhere = grid.get(BASE, {}) | grid.get((0, service), {})
    base = _flat(start, everywhere)
    known = {tier.over_tokens: tier.price for tier in start.tiers}
    sizes = {over for over, name in grid if over and name in ("", service)} | known.keys()
    tiers: list[Tier] = []
    price = base
    for over in sorted(sizes):
        if over in known:
            price = _flat(known[over], everywhere)
        rates = dict(grid.get((over, ""), {}))
        if service:
            for meter, here in rates.items():
                there = grid.get((0, service), {}).get(meter)
                rates[meter] = here if there is None else max(here, there)
            rates |= grid.get((over, service), {})
        price = _flat(price, rates)
        tiers.append(Tier(over_tokens=over, price=price))
    return msgspec.structs.replace(base, tiers=tuple(tiers))


def _flat(price: Price, rates: Rates) -> Price:
    return msgspec.structs.replace(price, tiers=(), services=(), **rates)


def _parsed(name: str) -> tuple[GridPlace, str] | None:
    """Where the rate of a field holds, and its meter. None: the name is not that of a single rate."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    base, hour, early, over, late = match.group("base", "hour", "early", "over", "late")
    meter = METERS.get(base)
    if meter is None or (early and late) or (hour and meter != "cache_write"):
        return None
    service = SERVICES.get(early or late or "", "")
    return (int(over or 0) * 1000, service), HOUR if hour else meter


def _put(grid: Grid, place: GridPlace, meter: str, usd: Decimal) -> None:
    rates = grid.setdefault(place, {})
    if meter == "millisecond":  # a second of input and a second of output are the same second
        rates[meter] = rates.get(meter, 0) + rate(usd / 1000)
    elif meter == "request_nano":
        rates[meter] = -(-rate(usd) // FEMTO_PER_NANO)
    else:
        rates[meter] = rate(usd)


def searches_of(fields: Mapping[str, PriceField]) -> tuple[int, int, int] | None:
    """Femto-USD a search with a low, a medium and a high amount of context. An amount that is not named costs
    as much as the next larger one, else as the next smaller one. None: the fields do not say. Raises
    BadDeployment."""
    field = fields.get(SEARCH)
    if field is None:
        return None
    if not isinstance(field.value, Mapping):
        raise BadDeployment(field.path, f"expected a mapping of {', '.join(SEARCH_SIZES)} to dollars")
    unknown = [key for key in field.value if key not in SEARCH_SIZES]
    if unknown or not field.value:
        raise BadDeployment(field.path, f"expected some of {', '.join(SEARCH_SIZES)}, and nothing else")
    usd = {
        key: number(value, f"{field.path}.{key}", most=MAX_PRICE_USD) for key, value in field.value.items()
    }
    named = [rate(usd[size]) if size in usd else None for size in SEARCH_SIZES]
    found = []
    for place in range(3):
        around: Iterable[int | None] = (*named[place:], *reversed(named[:place]))
        found.append(next(each for each in around if each is not None))
    return found[0], found[1], found[2]


def _read_ladder(field: PriceField, grid: Grid) -> None:
    """Read `tiered_pricing`, a list of `{range: [from, to], input_cost_per_token: ...}`, into the grid. A
    step prices the whole of a call whose prompt has more than `from` tokens. Raises BadDeployment."""
    if not isinstance(field.value, list):
        raise BadDeployment(field.path, "expected a list of {range: [from, to], input_cost_per_token: ...}")
    for index, step in enumerate(field.value):
        path = f"{field.path}[{index}]"
        bounds = step.get("range") if isinstance(step, Mapping) else None
        if not isinstance(bounds, list) or not bounds:
            raise BadDeployment(path, "expected a range: [from, to]")
        over = int(number(bounds[0], f"{path}.range[0]", most=MAX_OVER_TOKENS))
        for name, value in step.items():
            if name == "range":
                continue
            found = _parsed(name)
            if found is None or found[0][0]:
                raise BadDeployment(f"{path}.{name}", "is no price of a token in a step of tiered_pricing")
            usd = number(value, f"{path}.{name}", most=MAX_PRICE_USD)
            _put(grid, (over, found[0][1]), found[1], usd)
