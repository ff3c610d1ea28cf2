"""The list prices of providers: the table, and how a model is found in it.

The table is `list_prices.jsonl`. Its first line names the source, and each other line is a provider.
`just update-prices` makes it of the package `genai-prices` (`runtime/commands/update_prices.py`), which is
among the development tools alone: with what it imports, it would cost each process 15 MB and 0.4 s.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import cache, lru_cache
from pathlib import Path

import msgspec

TABLE = Path(__file__).with_name("list_prices.jsonl")
COMPACT_DATE = re.compile(r"-(20\d{2})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=-|:|$)")
"""A date in a name as some routers write it: `gpt-5.2-20251211`. The table has `gpt-5.2-2025-12-11`."""
MAX_NAME_CHARS = 1_000
"""A longer name is no model's: it is not compared with the whole table, and not kept."""


class Clause(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the names of a model have in common, in lower case. One field is set."""

    equals: str | None = None
    starts_with: str | None = None
    ends_with: str | None = None
    contains: str | None = None
    regex: str | None = None
    either: "tuple[Clause, ...]" = msgspec.field(default=(), name="or")
    each: "tuple[Clause, ...]" = msgspec.field(default=(), name="and")

    def matches(self, name: str) -> bool:
        """Whether a name, which is in lower case, is meant."""
        if self.equals is not None:
            return name == self.equals
        if self.starts_with is not None:
            return name.startswith(self.starts_with)
        if self.ends_with is not None:
            return name.endswith(self.ends_with)
        if self.contains is not None:
            return self.contains in name
        if self.regex is not None:
            return re.search(self.regex, name) is not None
        if self.each:
            return all(clause.matches(name) for clause in self.each)
        return any(clause.matches(name) for clause in self.either)


class Step(msgspec.Struct, frozen=True):
    """The rate of a call whose prompt has more than `start` tokens."""

    start: int
    price: Decimal


class Tiered(msgspec.Struct, frozen=True):
    """A rate that depends on the size of the prompt. `tiers` are ascending."""

    base: Decimal
    tiers: tuple[Step, ...]

    def above(self, start: int) -> Decimal:
        """The rate just above so many prompt tokens."""
        reached = [tier.price for tier in self.tiers if tier.start <= start]
        return reached[-1] if reached else self.base


ListRates = Mapping[str, Decimal | Tiered]
"""Dollars by the package's names: `input_mtok` is a million tokens, `requests_kcount` a thousand calls."""


class Period(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """When rates hold: from a day on, or in hours of each day, in UTC. Without either: always."""

    since: date | None = None
    start: time | None = None
    end: time | None = None

    def holds(self, at: datetime) -> bool:
        """Whether a moment lies in it. A moment without a zone is in UTC."""
        moment = at if at.tzinfo is None else at.astimezone(UTC)
        if self.since is not None:
            return moment.date() >= self.since
        if self.start is None or self.end is None:
            return True
        now = moment.time()
        if self.end < self.start:
            return now >= self.start or now < self.end
        return self.start <= now < self.end


class Dated(Period, frozen=True, kw_only=True, omit_defaults=True):
    """ListRates, and when they hold."""

    rates: ListRates


class Variant(Period, frozen=True, kw_only=True, omit_defaults=True):
    """ListRates in place of the standard ones, for calls of a kind: `{"service_tier": "flex"}`."""

    when: Mapping[str, str]
    rates: ListRates


class PricedModel(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A model with its prices."""

    match: Clause
    context_window: int | None = None
    prices: tuple[Dated, ...]
    """The last one that holds counts; the first, where none holds."""
    variants: tuple[Variant, ...] = ()

    def rates(self, at: datetime, when: Mapping[str, str] | None = None) -> ListRates:
        """The rates at a moment, for calls of a kind."""
        standard = (self.dated(at) or self.prices[0]).rates
        if when is None:
            return standard
        changed: dict[str, Decimal | Tiered] = {}
        for variant in self.variants:
            if variant.when.items() <= when.items() and variant.holds(at):
                for name, rate in variant.rates.items():
                    changed.setdefault(name, rate)
        return {**standard, **changed}

    def dated(self, at: datetime) -> Dated | None:
        """The prices that hold at a moment. None: none of them does."""
        return next((each for each in reversed(self.prices) if each.holds(at)), None)


class TableSource(msgspec.Struct, frozen=True):
    """Where the table is from."""

    source: str
    version: str


class PricedProvider(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A provider, and its models as JSON: they are read when one of them is asked for."""

    id: str
    match: Clause | None = None
    """Other names of the provider."""
    fallbacks: tuple[str, ...] = ()
    """Providers whose models it offers too, by id."""
    models: msgspec.Raw


_MODELS = msgspec.json.Decoder(tuple[PricedModel, ...])


def source() -> TableSource:
    """Where the table is from."""
    return _table()[0]


def find_listed(provider_id: str, model: str) -> PricedModel | None:
    """The entry of a model, by its name at a provider. None: the table has none."""
    return None if len(model) > MAX_NAME_CHARS else _found(provider_id.lower().strip(), model.lower())


@lru_cache(maxsize=4096)
def _found(provider_id: str, name: str) -> PricedModel | None:
    provider = _provider(provider_id)
    if provider is None:
        return None
    dashed = COMPACT_DATE.sub(r"-\1-\2-\3", name)
    return _entry(provider, name) or (None if dashed == name else _entry(provider, dashed))


def _entry(provider: PricedProvider, name: str) -> PricedModel | None:
    for each in _offers(provider):
        for model in _models(each.id):
            if model.match.matches(name):
                return model
    return None


def _offers(provider: PricedProvider) -> Iterator[PricedProvider]:
    """The provider, then those whose models it offers."""
    yield provider
    by_id = _table()[1]
    for fallback in provider.fallbacks:
        if fallback in by_id:
            yield by_id[fallback]


def _provider(name: str) -> PricedProvider | None:
    by_id = _table()[1]
    matching = (each for each in by_id.values() if each.match is not None and each.match.matches(name))
    return by_id.get(name) or next(matching, None)


@cache
def _models(provider_id: str) -> tuple[PricedModel, ...]:
    """The models of a provider of the table."""
    return _MODELS.decode(_table()[1][provider_id].models)


@lru_cache(maxsize=1)
def _table() -> tuple[TableSource, Mapping[str, PricedProvider]]:
    first, _, rest = TABLE.read_bytes().partition(b"\n")
    providers = msgspec.json.Decoder(PricedProvider).decode_lines(rest)
    return msgspec.json.decode(first, type=TableSource), {each.id: each for each in providers}
