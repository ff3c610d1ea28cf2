"""The table of model facts out of two public sources."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_registry.facts.distill import distilled
from models_registry.facts.table import ModelFacts, PriceStep, TokenPrices

OPENAI = {"litellm_provider": "openai"}
KNOWN = frozenset({"openai"})
"""The prefixes that a config can name."""


def unpriced(provider: str, model: str) -> bool:
    return False


def of_litellm(**entry: Any) -> ModelFacts:
    (found,) = distilled(
        {"openai/m": {"litellm_provider": "openai", **entry}}, [], known=KNOWN, is_priced=unpriced
    )
    return found


def of_models_dev(**entry: Any) -> ModelFacts:
    (found,) = distilled({}, [("openai", "M", entry)], known=KNOWN, is_priced=unpriced)
    return found


def test_a_name_loses_its_prefix_and_its_capitals() -> None:
    assert (of_litellm().provider, of_litellm().model, of_models_dev().model) == ("openai", "m", "m")


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"supports_reasoning": True}, ("low", "medium", "high")),
        ({"supports_reasoning": False}, ()),
        (
            {"supports_reasoning": True, "supports_xhigh_reasoning_effort": True},
            ("low", "medium", "high", "xhigh"),
        ),
        ({"supports_reasoning": True, "supports_low_reasoning_effort": False}, ("medium", "high")),
        ({"supports_reasoning": True, "reasoning_effort_levels": ["high", "max", "x"]}, ("high", "max")),
    ],
)
def test_levels_of_effort(entry: dict[str, Any], expected: tuple[str, ...]) -> None:
    assert of_litellm(**entry).efforts == expected


def test_where_the_sources_disagree_the_stricter_counts() -> None:
    (found,) = distilled(
        {"m": {"litellm_provider": "openai", "max_output_tokens": 100, "supports_sampling_params": False}},
        [
            (
                "openai",
                "m",
                {"limit": {"context": 1000, "output": 200}, "temperature": True, "reasoning": True},
            )
        ],
        known=KNOWN,
        is_priced=unpriced,
    )
    assert (found.max_output_tokens, found.context_window) == (100, 1000)
    assert (found.sampling, found.reasoning) == (False, True)


def test_prices_are_dollars_a_token_and_steps_ascend() -> None:
    one = of_litellm(
        input_cost_per_token=2.5e-06,
        output_cost_per_token=1e-05,
        input_cost_per_token_above_200k_tokens=5e-06,
        input_cost_per_token_above_128k_tokens=4e-06,
    )
    assert one.prices == TokenPrices(input="0.0000025", output="0.00001")
    assert [step.over for step in one.steps] == [128_000, 200_000]
    two = of_models_dev(
        cost={"input": 2.5, "output": 10, "cache_read": 0.25, "context_over_200k": {"input": 5, "output": 15}}
    )
    assert two.prices == TokenPrices(input="0.0000025", output="0.00001", cached="0.00000025")
    assert two.steps == (PriceStep(over=200_000, prices=TokenPrices(input="0.000005", output="0.000015")),)


def test_a_price_that_the_price_data_has_is_left_out() -> None:
    entry = {"litellm_provider": "openai", "input_cost_per_token": 1e-06}
    found = distilled(
        {"a": entry, "b": entry}, [], known=KNOWN, is_priced=lambda provider, model: model == "a"
    )
    assert [each.prices is None for each in found] == [True, False]


def test_of_models_dev_the_providers_are_taken_that_a_config_can_name() -> None:
    dev: list[tuple[str, str, dict[str, Any]]] = [
        (name, "gpt-5", {}) for name in ("nano-gpt", "moonshotai-cn", "nobody")
    ]
    found = distilled({}, dev, known={"nano_gpt", "moonshot_cn"}, is_priced=unpriced)
    assert [each.provider for each in found] == ["moonshot_cn", "nano_gpt"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FIELDS = st.sampled_from(
    [
        "litellm_provider", "mode", "max_output_tokens", "max_input_tokens", "supports_reasoning",
        "supported_modalities", "input_cost_per_token", "input_cost_per_token_above_200k_tokens",
        "reasoning_effort_levels", "reasoning_options", "limit", "modalities", "cost", "deprecation_date",
        "temperature",
    ]
)  # fmt: skip


@given(st.dictionaries(FIELDS, JSON, max_size=6))
def test_no_entry_of_a_source_breaks_the_table(entry: dict[str, Any]) -> None:
    distilled({"m": entry}, [("openai", "m", entry)], known=KNOWN, is_priced=unpriced)
