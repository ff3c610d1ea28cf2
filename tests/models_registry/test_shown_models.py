"""What callers are shown of the registry: names on their lists, and models that can be shown."""

from typing import Any

import pytest

from models_registry.shown_models import ShownModels
from schema.models import AllowedModels
from tests.models_registry.test_registry import ONLY_GPT, WILD, entry, registry


def listed(*lists: AllowedModels, groups: dict[str, Any] | None = None) -> list[str]:
    more = () if groups is None else ({**entry("ollama/*", "ollama/*"), "model_info": groups},)
    return [card.id for card in ShownModels(registry(*WILD, *more)).cards(allowed=lists)]


@pytest.mark.parametrize(
    ("lists", "ids"),
    [
        ((), ["gpt", "openai/*", "claude-*"]),
        ((("openai/gpt-4o", "claude-sonnet-4-6"),), ["openai/gpt-4o", "claude-sonnet-4-6"]),
        ((("gpt", "openai/gpt-4o", "no-such-model"),), ["gpt", "openai/gpt-4o"]),
        ((("openai/gpt-4*",),), ["openai/gpt-4*"]),
        ((("openai/*", "openai/gpt-4o"),), ["openai/gpt-4o", "openai/*"]),
        ((("openai/gpt-4o", "openai/o3"), ("openai/o3",)), ["openai/o3"]),
        ((("openai/gpt-4o",), ("openai/*",)), ["openai/gpt-4o"]),
        ((("openai/gpt-4o",), ("claude-*",)), []),
        ((("*",), ("openai/gpt-4o",)), ["openai/gpt-4o"]),
        ((("all-proxy-models",),), ["gpt", "openai/*", "claude-*"]),
        ((("x" * 300, "nothing/*", "cohere/command"),), []),
    ],
)
def test_names_that_a_list_gives_are_listed_under_wildcards(
    lists: tuple[tuple[str, ...], ...], ids: list[str]
) -> None:
    levels = ("key", "team", "user")
    assert listed(*(AllowedModels(levels[at], names) for at, names in enumerate(lists))) == ids


def test_an_access_groups_wildcard_is_listed_as_it_is_written() -> None:
    assert listed(AllowedModels("key", ("mine",)), groups={"access_groups": ["mine"]}) == ["ollama/*"]


@pytest.mark.parametrize("name", ["openai/gpt-4o", "claude-sonnet-4-6", "gpt", "openai/*"])
def test_what_may_be_called_or_is_listed_can_be_shown(name: str) -> None:
    models = ShownModels(registry(*WILD))
    card = models.card(name, allowed=())
    assert card is not None
    assert card.id == name
    mine = models.card(name, allowed=(AllowedModels("key", (name,)),))
    assert mine == card


@pytest.mark.parametrize("name", ["cohere/command", "openai/", "*", "claude-*-x", "openai/gpt-*"])
def test_what_nobody_can_call_and_nobody_lists_can_not_be_shown(name: str) -> None:
    models = ShownModels(registry(*WILD))
    assert models.card(name, allowed=()) is None
    assert models.card("openai/gpt-4o", allowed=ONLY_GPT) is None
