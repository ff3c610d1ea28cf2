from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from models_registry.config.deployments import compile_target
from models_registry.config.reader import read_config
from models_registry.prices.price import AtMost, Price, ceiling_nano, cost_nano
from models_registry.target import Target
from schema.money import usd
from schema.usage import RareMeters, Usage
from tests.models_registry.config.test_deployments import AT, compiled, config_of, refusal

THOUSAND = Usage(prompt_tokens=1_000, completion_tokens=1_000)


def priced(**fields: Any) -> Price:
    price = compiled(**fields).price
    assert price is not None
    return price


def entry(model: str, params: dict[str, Any], info: dict[str, Any], **settings: Any) -> Target:
    document = {
        "model_list": [
            {
                "model_name": "m",
                "litellm_params": {"model": model, "api_key": "sk-x", **params},
                "model_info": info,
            },
        ],
        "litellm_settings": settings,
    }
    config = read_config(document, {})
    assert config.errors == ()
    return compile_target(config, config.deployments[0], AT)


def dollars(price: Price | None, usage: Usage = THOUSAND) -> Decimal:
    assert price is not None
    return usd(cost_nano(price, usage))


# Which price wins


def test_without_fields_the_providers_list_counts_and_says_which() -> None:
    price = priced(model="openai/o3")
    assert (price.source, price.effective) == ("genai-prices", date(2025, 6, 10))
    assert price.version


def test_a_configs_price_of_a_token_replaces_the_whole_list_price() -> None:
    price = priced(model="openai/gpt-4o", input_cost_per_token=1e-6)
    assert (price.output, price.cached, price.services) == (0, None, ())
    assert (price.source, price.effective) == ("config", AT.date())
    assert price.version


def test_a_rare_field_alone_changes_its_meter_and_leaves_the_rest_of_the_list() -> None:
    listed = priced(model="openai/gpt-4o")
    price = priced(model="openai/gpt-4o", cache_read_input_token_cost=1e-9)
    assert price.cached == 10**6
    assert (price.input, price.output, price.source) == (listed.input, listed.output, "config")


def test_model_info_may_hold_the_fields_as_well_and_litellm_params_win() -> None:
    info = {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6}
    assert dollars(entry("openai/own", {}, info).price) == Decimal("0.003")
    assert dollars(entry("openai/own", {"input_cost_per_token": 3e-6}, info).price) == Decimal("0.005")


def test_a_base_model_lends_its_list_price() -> None:
    assert dollars(entry("openai/my-deployment", {}, {"base_model": "gpt-4"}).price) == Decimal("0.09")
    assert dollars(entry("openai/mine", {}, {"base_model": "anthropic/claude-sonnet-4-6"}).price) == Decimal(
        "0.018"
    )


def test_local_models_are_free_and_unknown_ones_have_no_price() -> None:
    local = priced(model="ollama/mistral", api_base="http://host")
    assert (local.is_free, local.source) == (True, "local")
    assert compiled(model="openai/nobody-knows").price is None


def test_the_version_follows_the_fields_and_nothing_else() -> None:
    one = priced(input_cost_per_token=1e-6, temperature=0.1).version
    assert one == priced(input_cost_per_token=1e-6, temperature=0.9).version
    assert one != priced(input_cost_per_token=2e-6).version


def test_prices_are_those_of_the_date_asked_for() -> None:
    target = compiled(model="openai/o3")
    before = target.pricing.price(target.model, datetime(2025, 6, 9, tzinfo=UTC))
    after = target.pricing.price(target.model, datetime(2025, 6, 10, tzinfo=UTC))
    assert (dollars(before), dollars(after)) == (Decimal("0.05"), Decimal("0.01"))
    assert before is not None
    assert before.effective is None


# Tiers and services of the config


def test_fields_above_a_size_and_of_a_service_tier_hold_where_they_say() -> None:
    price = priced(
        input_cost_per_token=1e-6,
        output_cost_per_token=1e-5,
        input_cost_per_token_above_200k_tokens=2e-6,
        input_cost_per_token_priority=4e-6,
        input_cost_per_token_flex=5e-7,
        output_cost_per_token_batches=5e-6,
        cache_creation_input_token_cost=1.25e-6,
        cache_creation_input_token_cost_above_1hr=2e-6,
    )

    def cost(prompt: int, tier: str = "", **more: Any) -> Decimal:
        return dollars(price, Usage(prompt_tokens=prompt, service_tier=tier, **more))

    assert cost(200_000) == Decimal("0.2")
    assert cost(200_001) == Decimal("0.400002")
    assert (cost(1_000, "priority"), cost(1_000, "flex")) == (Decimal("0.004"), Decimal("0.0005"))
    assert dollars(price, Usage(completion_tokens=1_000, service_tier="batch")) == Decimal("0.005")
    written = RareMeters(cache_write_1h_tokens=400)
    assert cost(1_000, cache_write_tokens=1_000, rare=written) == Decimal("0.00155")


def test_tiered_pricing_is_a_ladder_of_whole_calls() -> None:
    ladder = [
        {"range": [0, 32_000], "input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6},
        {"range": [32_000, 128_000], "input_cost_per_token": 3e-6, "output_cost_per_token": 4e-6},
    ]
    price = priced(model="openai/qwen", tiered_pricing=ladder)
    assert dollars(price, Usage(prompt_tokens=32_000, completion_tokens=10)) == Decimal("0.03202")
    assert dollars(price, Usage(prompt_tokens=32_001, completion_tokens=10)) == Decimal("0.096043")


def test_a_search_costs_by_the_size_of_its_context() -> None:
    sizes = {"search_context_size_low": 0.025, "search_context_size_high": 0.05}
    price = priced(input_cost_per_token=0, output_cost_per_token=0, search_context_cost_per_query=sizes)

    def search(size: str) -> Decimal:
        return dollars(price, Usage(rare=RareMeters(web_searches=1, search_context=size)))

    assert (search("low"), search("high")) == (Decimal("0.025"), Decimal("0.05"))
    assert search("medium") == search("") == Decimal("0.05")  # not named: what the next larger one costs


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"input_cost_per_token": -1}, "input_cost_per_token"),
        ({"tiered_pricing": {"a": 1}}, "tiered_pricing"),
        ({"tiered_pricing": [{"input_cost_per_token": 1}]}, "tiered_pricing[0]"),
        ({"tiered_pricing": [{"range": [0, 9], "colour": 1}]}, "tiered_pricing[0].colour"),
        ({"search_context_cost_per_query": 0.1}, "search_context_cost_per_query"),
        ({"search_context_cost_per_query": {"tiny": 0.1}}, "search_context_cost_per_query"),
    ],
)
def test_a_field_that_is_no_price_is_refused_by_its_path(fields: dict[str, Any], path: str) -> None:
    assert refusal(**fields).startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("input_cost_per_character", "no endpoint of this version"),
        ("ocr_cost_per_page", "no endpoint of this version"),
        ("imput_cost_per_token", "no price field"),
        ("input_cost_per_token_above_1hr", "no price field"),
    ],
)
def test_a_price_field_without_effect_is_a_warning_and_never_sent(name: str, says: str) -> None:
    fields: dict[str, Any] = {name: 1}
    config = config_of(**fields)
    (warning,) = [text for text in config.warnings if name in text]
    assert warning.startswith(f"model_list[0].litellm_params.{name}")
    assert says in warning
    assert name not in compile_target(config, config.deployments[0], AT).params


# Time


def test_time_is_priced_up_to_the_deadline_and_held_up_to_it() -> None:
    price = priced(model="ollama/mistral", api_base="http://host", input_cost_per_second=0.001, timeout=30)
    assert usd(cost_nano(price, THOUSAND, 10_000)) == Decimal("0.01")
    assert usd(cost_nano(price, THOUSAND, 90_000)) == Decimal("0.03")
    assert usd(ceiling_nano(price, AtMost(0, 0))) == Decimal("0.03")


# What the house adds


def test_a_discount_and_a_margin_change_every_rate() -> None:
    target = entry(
        "openai/gpt-4",
        {},
        {},
        cost_discount_config={"openai": 0.1},
        cost_margin_config={"openai": {"percentage": 0.5, "fixed_amount": 0.001}},
    )
    assert dollars(target.price) == Decimal("0.09") * Decimal("0.9") * Decimal("1.5") + Decimal("0.001")
    own = target.pricing.without_margin(target.model, AT)
    assert dollars(own) == Decimal("0.081")


def test_the_global_margin_is_never_put_on_local_models() -> None:
    margins = {"cost_margin_config": {"global": 0.5}}
    assert dollars(entry("openai/gpt-4", {}, {}, **margins).price) == Decimal("0.135")
    local = entry("ollama/mistral", {"api_base": "http://host"}, {}, **margins)
    assert local.price is not None
    assert local.price.is_free
