"""Prices of models that the price data does not know."""

from typing import Any

import pytest

from models_registry.prices.price import cost_nano
from models_registry.target import Target
from runtime.blueprint import check
from schema.usage import Usage

NEW = "claude-mythos-5"
"""A model that the table has a price of, and the price data has not."""


def target(model: str, **info: Any) -> Target:
    params = {"model": model, "api_key": "sk-x", "api_base": "https://api.anthropic.com"}
    if not model.startswith("anthropic"):
        params["api_base"] = "https://models.example.com/v1"
    entry = {"model_name": "m", "litellm_params": params, "model_info": info}
    checked = check({"model_list": [entry]}, {})
    assert checked.errors == checked.skipped == ()
    return checked.registry.target("m", allowed=(), roll=0.0)


def test_a_new_model_has_the_price_of_the_table() -> None:
    price = target(f"anthropic/{NEW}").price
    assert price is not None
    assert (price.source, price.version) == ("model-facts", f"anthropic/{NEW}")
    assert cost_nano(price, Usage(prompt_tokens=1_000, completion_tokens=1_000)) > 0


@pytest.mark.parametrize("model", ["openai/claude-mythos-5", "custom_openai/claude-mythos-5"])
def test_another_host_of_the_model_has_no_price_of_the_table(model: str) -> None:
    assert target(model).price is None


def test_the_configs_price_comes_before_the_tables() -> None:
    price = target(f"anthropic/{NEW}", input_cost_per_token=0.5, output_cost_per_token=1).price
    assert price is not None
    assert price.source == "config"


def test_a_base_model_may_name_a_model_of_the_table() -> None:
    price = target("openai/mine", base_model=f"anthropic/{NEW}").price
    assert price is not None
    assert price.source == "model-facts"
