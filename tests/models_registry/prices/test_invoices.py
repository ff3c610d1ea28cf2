"""Calls as a provider bills them: the usage, the published rates, and the sum worked out by hand."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from models_registry.prices.book import find_price
from models_registry.prices.price import Price, cost_nano
from schema.money import usd
from schema.usage import RareMeters, Usage
from tests.models_registry.config.test_deployments import compiled

AT = datetime(2026, 11, 24, tzinfo=UTC)


def listed(provider: str, model: str) -> Price:
    price = find_price(provider, model, AT)
    assert price is not None
    return price


def used(prompt: int, completion: int = 0, **more: object) -> Usage:
    return Usage(prompt_tokens=prompt, completion_tokens=completion, **more)  # type: ignore[arg-type]  # by name


HOUR = RareMeters(cache_write_1h_tokens=4_000)
SEARCHED = RareMeters(web_searches=3)
SPOKEN = RareMeters(audio_input_tokens=1_000, audio_output_tokens=2_000)


@pytest.mark.parametrize(
    ("provider", "model", "usage", "dollars"),
    [
        # $30 in, $60 out a million
        ("openai", "gpt-4", used(1_000), "0.03"),
        ("openai", "gpt-4", used(1_000, 500), "0.06"),
        # $2.50, cached $1.25, out $10: 1,976 fresh + 1,024 cached + 300
        ("openai", "gpt-4o", used(3_000, 300, cached_tokens=1_024), "0.00922"),
        ("openai", "gpt-4o", used(3_000, 300, cached_tokens=1_024, service_tier="priority"), "0.015674"),
        ("openai", "gpt-4o", used(1_000, 1_000, service_tier="batch"), "0.00625"),
        # reasoning is output: $2 and $8
        ("openai", "o3", used(75, 1_186, reasoning_tokens=1_024), "0.009638"),
        ("openai", "o3", used(75, 1_186, reasoning_tokens=1_024, service_tier="flex"), "0.004819"),
        # $10 a thousand searches
        ("openai", "gpt-4o-mini-search-preview", used(10, 100, rare=RareMeters(web_searches=1)), "0.0100615"),
        # audio $32 in and $64 out, text $4 and $16
        ("openai", "gpt-realtime", used(1_500, 2_500, rare=SPOKEN), "0.17"),
        # above 272,000 tokens of prompt all of it at $5 and $22.50, below at $2.50 and $15
        ("openai", "gpt-5.4", used(272_000, 1_000), "0.695"),
        ("openai", "gpt-5.4", used(272_001, 1_000), "1.382505"),
        ("openai", "text-embedding-3-small", used(8), "0.00000016"),
        # $3, read $0.30, written $3.75 (an hour: $6), out $15
        ("anthropic", "claude-sonnet-4-6", used(0, 1_000), "0.015"),
        ("anthropic", "claude-sonnet-4-6", used(12_050, 500, cached_tokens=10_000), "0.01665"),
        ("anthropic", "claude-sonnet-4-6", used(12_050, 500, cache_write_tokens=12_000), "0.05265"),
        (
            "anthropic",
            "claude-sonnet-4-6",
            used(12_050, 500, cache_write_tokens=12_000, rare=HOUR),
            "0.06165",
        ),
        ("anthropic", "claude-sonnet-4-6", used(2_000, 100, rare=SEARCHED), "0.0375"),
        ("anthropic", "claude-sonnet-4-5", used(200_000, 1_000), "0.615"),
        ("anthropic", "claude-sonnet-4-5", used(200_001, 1_000), "1.222506"),
    ],
)
def test_a_call_costs_what_the_providers_invoice_says(
    provider: str, model: str, usage: Usage, dollars: str
) -> None:
    assert usd(cost_nano(listed(provider, model), usage)) == Decimal(dollars)


@pytest.mark.parametrize(
    ("model", "fields", "usage", "duration_ms", "dollars"),
    [
        ("openai/gpt-4", {}, used(1_000, 1_000), 900, "0.09"),
        ("openai/own", {"input_cost_per_token": 1e-6}, used(1_000, 1_000), 900, "0.001"),
        ("openai/own", {"input_cost_per_request": 0.002}, used(1_000, 1_000), 900, "0.002"),
        ("openai/own", {"input_cost_per_second": 0.0004}, used(1_000, 1_000), 2_500, "0.001"),
        (
            "openai/own",
            {"input_cost_per_token": 1e-6, "output_cost_per_token": 4e-6, "input_cost_per_second": 0.0004},
            used(1_000, 1_000),
            2_500,
            "0.006",
        ),
        (
            "openai/own",
            {"input_cost_per_token": 2e-6, "cache_read_input_token_cost": 5e-7, "output_cost_per_token": 0},
            used(1_000, 50, cached_tokens=600),
            0,
            "0.0011",
        ),
        (
            "openai/own",
            {"input_cost_per_token": 1e-6, "input_cost_per_image": 0.003},
            used(1_000, rare=RareMeters(images=2)),
            0,
            "0.007",
        ),
        # local: free, or by the token, or by the second that its GPU is held
        ("ollama/mistral", {}, used(10**6, 10**6), 60_000, "0"),
        ("ollama/mistral", {"input_cost_per_token": 1e-8}, used(1_000, 10), 60_000, "0.00001"),
        ("ollama/mistral", {"output_cost_per_second": 0.0005}, used(1_000, 10), 12_345, "0.0061725"),
        ("hosted_vllm/qwen", {"input_cost_per_second": 0.0005}, used(1_000, 10), 12_345, "0.0061725"),
    ],
)
def test_a_call_costs_what_the_configs_fields_say(
    model: str, fields: dict[str, Any], usage: Usage, duration_ms: int, dollars: str
) -> None:
    price = compiled(model=model, api_base="http://host", **fields).price
    assert price is not None
    assert usd(cost_nano(price, usage, duration_ms)) == Decimal(dollars)
