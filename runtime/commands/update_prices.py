"""`just update-prices`: makes the table of list prices anew of the package `genai-prices`, as it is installed
among the development tools."""

import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import TypeVar

import genai_prices
import msgspec
from genai_prices import types as package
from genai_prices.data_snapshot import get_snapshot

from models_registry.prices.listed import (
    TABLE,
    Clause,
    Dated,
    ListRates,
    Period,
    PricedModel,
    PricedProvider,
    Step,
    TableSource,
    Tiered,
    Variant,
)

NAME = "genai-prices"
S = TypeVar("S", bound=Period)
LINE = msgspec.json.Encoder(decimal_format="string")


def update_prices(to: Path = TABLE) -> None:
    """Write the table of the package that is installed."""
    providers = get_snapshot().providers
    draft = to.with_suffix(".new")
    draft.write_bytes(b"".join(line + b"\n" for line in lines(providers)))
    draft.replace(to)
    sys.stdout.write(f"{sum(len(provider.models) for provider in providers)} models: {to}\n")


def lines(providers: list[package.Provider]) -> Iterator[bytes]:
    """The lines of the table: where it is from, and the providers."""
    yield LINE.encode(TableSource(source=NAME, version=genai_prices.__version__))
    for provider in providers:
        yield LINE.encode(
            PricedProvider(
                id=provider.id,
                match=None if provider.provider_match is None else _clause(provider.provider_match),
                fallbacks=tuple(provider.fallback_model_providers or ()),
                models=msgspec.Raw(LINE.encode([_model(model) for model in provider.models])),
            )
        )


def _model(model: package.ModelInfo) -> PricedModel:
    prices = model.prices
    if isinstance(prices, package.ModelPrice):
        prices = [package.ConditionalPrice(prices=prices)]
    return PricedModel(
        match=_clause(model.match),
        context_window=model.context_window,
        prices=tuple(_within(each.constraint, Dated(rates=_rates(each.prices))) for each in prices),
        variants=tuple(
            _within(each.constraint, Variant(when=each.when, rates=_rates(each.prices)))
            for each in model.price_variants or ()
        ),
    )


def _rates(prices: package.ModelPrice) -> ListRates:
    rates = {name: value for name, value in vars(prices).items() if value is not None}
    return {
        name: Tiered(value.base, tuple(Step(tier.start, tier.price) for tier in value.tiers))
        if isinstance(value, package.TieredPrices)
        else value
        for name, value in rates.items()
    }


def _within(constraint: package.StartDateConstraint | package.TimeOfDateConstraint | None, rates: S) -> S:
    """The rates with the times in which they hold."""
    if isinstance(constraint, package.StartDateConstraint):
        return msgspec.structs.replace(rates, since=constraint.start_date)
    if isinstance(constraint, package.TimeOfDateConstraint):
        start, end = _utc(constraint.start_time), _utc(constraint.end_time)
        return msgspec.structs.replace(rates, start=start, end=end)
    return rates


def _utc(moment: time) -> time:
    """The time of day in UTC. One without a zone is in UTC already."""
    if moment.tzinfo is None:
        return moment
    return datetime.combine(date(2000, 1, 1), moment).astimezone(UTC).time()


def _clause(clause: object) -> Clause:
    match clause:
        case package.ClauseEquals(equals=text):
            return Clause(equals=text.lower())
        case package.ClauseStartsWith(starts_with=text):
            return Clause(starts_with=text.lower())
        case package.ClauseEndsWith(ends_with=text):
            return Clause(ends_with=text.lower())
        case package.ClauseContains(contains=text):
            return Clause(contains=text.lower())
        case package.ClauseRegex(regex=text):
            return Clause(regex=text)
        case package.ClauseOr(or_=clauses):
            return Clause(either=tuple(map(_clause, clauses)))
        case package.ClauseAnd(and_=clauses):
            return Clause(each=tuple(map(_clause, clauses)))
        case _:
            raise ValueError(f"{type(clause).__name__}: a clause that the table has no word for")


if __name__ == "__main__":
    update_prices()
