"""The price of a call and of a model, by the registry of today."""

from models_registry.priced_models import price_named
from models_registry.registry import Registry
from tests.models_registry.test_registry import entry, registry


def input_usd(found: Registry, provider: str, model: str) -> float | None:
    """The price of a million prompt tokens."""
    price = price_named(found, provider, model)
    return None if price is None else price.input / 10**9


def test_a_model_without_a_deployment_has_its_list_price_whatever_another_one_costs() -> None:
    listed = registry(entry("openai/*", "openai/*"))
    own = registry(
        entry("gpt", "openai/gpt-4", input_cost_per_token=0.5, base_model="gpt-4"),
        entry("mini", "openai/my-mini", model_info={"base_model": "gpt-4o-mini"}),
    )
    assert input_usd(own, "openai", "gpt-4") == 500_000
    for model in ("gpt-4o-mini", "gpt-4o"):
        assert input_usd(own, "openai", model) == input_usd(listed, "openai", model) is not None
    assert input_usd(own, "openai", "no-such-model") is None
    assert input_usd(own, "anthropic", "claude-3-opus") is None


def test_a_model_that_a_wildcard_covers_costs_what_the_wildcard_says() -> None:
    found = registry(
        entry("gpt-*", "openai/gpt-*", input_cost_per_token=0.25, output_cost_per_token=0.5),
        entry("o", "openai/o3", input_cost_per_token=0.5, output_cost_per_token=1),
    )
    assert input_usd(found, "openai", "gpt-4o-mini") == 250_000
    assert input_usd(found, "openai", "o4-mini") != 250_000
