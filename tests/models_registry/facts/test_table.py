"""What models take: figures that providers document, so that a table made anew has to keep them."""

from typing import Any

import pytest

from models_registry.facts.table import ModelFacts, facts_of, listed, overridden

FOUR = ("minimal", "low", "medium", "high")
STRICT = {"adaptive": True, "budgeted": False, "sampling": False, "prefill": False}


@pytest.mark.parametrize(
    ("provider", "model", "expected"),
    [
        (
            "openai",
            "gpt-5",
            {
                "sampling": False,
                "efforts": ("minimal", "low", "medium", "high"),
                "max_output_tokens": 128_000,
            },
        ),
        ("openai", "o3", {"sampling": False, "efforts": ("low", "medium", "high"), "reasoning": True}),
        ("openai", "gpt-4o", {"sampling": True, "reasoning": False, "max_output_tokens": 16_384}),
        ("openai", "gpt-5.2", {"efforts": ("none", "low", "medium", "high", "xhigh")}),
        ("anthropic", "claude-sonnet-4-5", {"max_output_tokens": 64_000, "budgeted": True, "sampling": True}),
        (
            "anthropic",
            "claude-opus-4-7",
            STRICT | {"max_output_tokens": 128_000},
        ),
        ("gemini", "gemini-2.5-pro", {"inputs": ("audio", "image", "pdf", "video"), "reasoning": True}),
    ],
)
def test_documented_facts_are_in_the_table(provider: str, model: str, expected: dict[str, object]) -> None:
    found = facts_of(provider, model)
    assert found is not None
    assert {name: getattr(found, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("provider", "model", "like"),
    [
        ("openai", "gpt-5-2025-08-07", ("openai", "gpt-5")),
        ("openai", "GPT-4o", ("openai", "gpt-4o")),
        ("anthropic", "claude-sonnet-4-5@20250929", ("anthropic", "claude-sonnet-4-5")),
        ("anthropic", "claude-opus-4-7-latest", ("anthropic", "claude-opus-4-7")),
        ("openrouter_clone", "openai/gpt-5", ("openai", "gpt-5")),
        ("some_proxy", "us.anthropic.claude-opus-4-7-v1:0", ("anthropic", "claude-opus-4-7")),
        ("openai", "ft:gpt-4o", ("openai", "gpt-4o")),
    ],
)
def test_a_dated_or_routed_name_has_the_facts_of_its_model(
    provider: str, model: str, like: tuple[str, str]
) -> None:
    found, known = facts_of(provider, model), facts_of(*like)
    assert found is not None
    assert known is not None
    assert (found.sampling, found.efforts, found.max_output_tokens) == (
        known.sampling,
        known.efforts,
        known.max_output_tokens,
    )


@pytest.mark.parametrize("provider", ["some_proxy", "hosted_vllm", "custom_openai"])
def test_a_price_holds_at_the_provider_that_asks_it_alone(provider: str) -> None:
    """Whoever else hosts the model has a price of its own."""
    found = facts_of(provider, "claude-mythos-5")
    assert found is not None
    assert (found.provider, found.prices) == (provider, None)
    own = facts_of("anthropic", "claude-mythos-5")
    assert own is not None
    assert own.prices is not None


@pytest.mark.parametrize("model", ["", "my-own-model", "gpt", "llama-mine", "x" * 10_000, "..", "-latest"])
def test_a_model_that_nobody_knows_has_no_facts(model: str) -> None:
    assert facts_of("hosted_vllm", model) is None


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        ({"supports_sampling_params": False}, {"sampling": False}),
        ({"max_tokens": 100}, {"max_output_tokens": 100}),
        ({"max_tokens": 100, "max_output_tokens": 50}, {"max_output_tokens": 50}),
        ({"reasoning_effort_levels": ["low"]}, {"efforts": ("low",)}),
        (
            {"supports_reasoning": True, "supports_adaptive_thinking": True},
            {"reasoning": True, "adaptive": True},
        ),
    ],
)
def test_the_config_has_the_last_word(info: dict[str, Any], expected: dict[str, object]) -> None:
    for known in (None, facts_of("openai", "gpt-5")):
        found = overridden(known, "openai", "gpt-5", info)
        assert found is not None
        assert {name: getattr(found, name) for name in expected} == expected


@pytest.mark.parametrize(
    "info", [{}, {"mode": "chat"}, {"max_tokens": "many"}, {"max_tokens": True}, {"supports_reasoning": 1}]
)
def test_a_config_that_says_nothing_of_them_leaves_the_facts_alone(info: dict[str, Any]) -> None:
    assert overridden(None, "hosted_vllm", "mine", info) is None
    known = ModelFacts(provider="openai", model="x")
    assert overridden(known, "openai", "x", info) is known


def test_a_providers_models_can_be_listed() -> None:
    names = [each.model for each in listed("anthropic")]
    assert "claude-opus-4-7" in names
    assert names == sorted(names)
    assert listed("nobody") == []
