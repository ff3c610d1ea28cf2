"""The table of list prices is what `just update-prices` makes of the package, and finds what it finds."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import pytest
from genai_prices import types as package
from genai_prices.data import providers
from genai_prices.data_snapshot import get_snapshot

from models_registry.prices.listed import TABLE, Clause, ListRates, Period, Tiered, find_listed
from runtime.commands.update_prices import lines, update_prices

MOMENTS = (
    datetime(2023, 1, 1, tzinfo=UTC),
    datetime(2025, 6, 9, 3, tzinfo=UTC),
    datetime(2026, 12, 1, 7, 30, tzinfo=timezone(timedelta(hours=2))),
    datetime(2026, 12, 1, 12),
)
NAMES_A_PROVIDER = 250


def texts(clause: Any) -> Iterator[str]:
    """The words of a clause of the package."""
    for word in ("equals", "starts_with", "ends_with", "contains", "regex"):
        if hasattr(clause, word):
            yield getattr(clause, word)
    for word in ("or_", "and_"):
        for each in getattr(clause, word, ()):
            yield from texts(each)


def names() -> list[str]:
    """Names of models as people write them: with other cases, endings, routes, and dates without dashes."""
    words = sorted({text for each in providers for model in each.models for text in texts(model.match)})
    return [
        *words,
        *(word.upper() for word in words[::9]),
        *(f"{word}-x" for word in words[::7]),
        *(f"vendor/{word}" for word in words[::11]),
        *(word.replace("-2025-", "-2025").replace("-2024-", "-2024") for word in words),
        *("gpt-5.2-20251211", "gpt-4o-20240806", "gpt-4o-20241301", "no-such-model", "x" * 2_000, ""),
    ]


def plain(rates: ListRates) -> dict[str, object]:
    """ListRates in the package's own objects."""
    return {
        name: package.TieredPrices(rate.base, [package.Tier(tier.start, tier.price) for tier in rate.tiers])
        if isinstance(rate, Tiered)
        else rate
        for name, rate in rates.items()
    }


def test_the_table_is_what_the_installed_package_makes() -> None:
    """Where it is not, the package was upgraded: run `just update-prices`."""
    assert TABLE.read_bytes() == b"".join(line + b"\n" for line in lines(providers))


def test_the_command_writes_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    update_prices(tmp_path / "t.jsonl")
    assert (tmp_path / "t.jsonl").read_bytes() == TABLE.read_bytes()
    assert capsys.readouterr().out == f"2330 models: {tmp_path / 't.jsonl'}\n"


@pytest.mark.parametrize(
    "provider_id", [*(each.id for each in providers), "Gemini ", "xai", "bedrock", "none"]
)
def test_a_model_is_found_with_the_prices_that_the_package_finds(provider_id: str) -> None:
    known, chance = names(), random.Random(provider_id)
    found = 0
    for name in chance.sample(known, NAMES_A_PROVIDER):
        ours = find_listed(provider_id, name)
        try:
            _, theirs = get_snapshot().find_provider_model(name, None, provider_id, None)
        except LookupError:
            assert ours is None, name
            continue
        assert ours is not None, name
        found += 1
        assert ours.context_window == theirs.context_window
        for at in MOMENTS:
            assert plain(ours.rates(at)) == vars(theirs.get_prices(at))
            for variant in theirs.price_variants or ():
                assert plain(ours.rates(at, variant.when)) == vars(theirs.get_prices(at, variant.when))
    assert found or provider_id not in {"openai", "azure", "anthropic", "google", "aws", "openrouter"}


@pytest.mark.parametrize(
    ("clause", "matches", "others"),
    [
        ({"regex": "^gpt-[45]$"}, ["gpt-4"], ["gpt-4o"]),
        ({"ends_with": "-mini"}, ["gpt-4o-mini"], ["mini-x"]),
        ({"and": [{"starts_with": "a"}, {"contains": "b"}]}, ["ab", "axb"], ["a", "b"]),
        ({"or": [{"equals": "a"}, {"equals": "b"}]}, ["a", "b"], ["ab", ""]),
        ({"or": []}, [], ["", "a"]),
    ],
)
def test_a_clause_matches_names(clause: object, matches: list[str], others: list[str]) -> None:
    found = msgspec.convert(clause, Clause)
    assert [name for name in (*matches, *others) if found.matches(name)] == matches


def test_hours_over_midnight_hold_before_and_after_it() -> None:
    night = Period(start=time(22), end=time(6))
    held = [hour for hour in range(24) if night.holds(datetime(2026, 1, 1, hour))]
    assert held == [0, 1, 2, 3, 4, 5, 22, 23]
