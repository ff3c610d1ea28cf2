"""Which models may have used more tokens than their answers show."""

import msgspec
import pytest

from models_registry.bounds.reasoning import may_reason, reasons_unseen
from models_registry.config.deployments import compile_target
from models_registry.config.reader import read_config
from models_registry.dialects import Dialect
from models_registry.facts.families import is_plain
from models_registry.target import Target
from tests.models_registry.backends.making import chat, target
from tests.models_registry.config.test_deployments import AT

ASKED: tuple[dict[str, object], ...] = (
    {"reasoning_effort": "low"},
    {"thinking": {"type": "enabled", "budget_tokens": 2000}},
    {"reasoning": {"max_tokens": 100}},
    {"extra_body": {"google": {"thinking_config": {}}}},
    {"google": {"thinking_config": {"thinking_budget": 100}}},
    {"thinking_token_budget": 100},
)


def named(model: str, **facts: object) -> Target:
    return msgspec.structs.replace(target(Dialect.OPENAI), model=model, **facts)


@pytest.mark.parametrize(
    "model",
    [
        "o3",
        "openai/o3",
        "gpt-5-mini",
        "gemini-2.5-pro",
        "models/gemini-2.5-pro",
        "grok-4",
        "deepseek-reasoner",
        "my-azure-o3-deployment",
        "magistral-medium",
        "claude-3.7-sonnet:thinking",
        "claude-opus-5",
        "gpt-oss-120b",
        "gpt-40",
    ],
)
def test_a_model_that_nobody_knows_not_to_may_reason_unseen(model: str) -> None:
    assert reasons_unseen(chat().fields(), named(model))


@pytest.mark.parametrize(
    "model",
    [
        "gpt-4",
        "gpt-4o-mini-2024-07-18",
        "openai/gpt-4.1",
        "GPT-3.5-turbo",
        "ft:gpt-4o-2024-08-06:acme::x",
        "anthropic/claude-sonnet-4-6",
        "us.anthropic.claude-3-5-sonnet-20241022-v2:0",
        "mistral-large-latest",
        "accounts/fireworks/models/mixtral-8x7b",
        "deepseek-chat",
    ],
)
def test_families_that_are_known_not_to_reason_do_so_only_where_they_are_asked(model: str) -> None:
    plain = named(model)
    assert is_plain(model)
    assert not reasons_unseen(chat().fields(), plain)
    assert not reasons_unseen(chat(reasoning_effort="none", thinking={"type": "disabled"}).fields(), plain)
    for asked in ASKED:
        assert reasons_unseen(chat(**asked).fields(), plain)
        configured = target(Dialect.OPENAI, params=asked)
        assert reasons_unseen(chat().fields(), msgspec.structs.replace(configured, model=model))


def test_the_config_says_it_for_any_name() -> None:
    assert not reasons_unseen(chat().fields(), named("house-model", supports_reasoning=False))
    assert reasons_unseen(chat().fields(), named("gpt-4", supports_reasoning=True))
    assert reasons_unseen(
        chat(reasoning_effort="high").fields(), named("house-model", supports_reasoning=False)
    )


def test_what_runs_on_ones_own_machines_reasons_where_it_is_asked_to() -> None:
    near = named("deepseek-r1", local=True)
    assert not may_reason(chat().fields(), near)
    assert may_reason(chat(reasoning_effort="low").fields(), near)
    assert may_reason(chat().fields(), named("deepseek-r1", local=True, supports_reasoning=True))
    assert may_reason(chat().fields(), named("o3"))


def test_what_runs_on_ones_own_machines_reasons_where_it_is_seen() -> None:
    assert not reasons_unseen(chat().fields(), named("deepseek-r1", local=True))
    assert not reasons_unseen(chat().fields(), target(Dialect.OLLAMA))


@pytest.mark.parametrize(
    ("info", "unseen"),
    [
        ({}, True),
        ({"supports_reasoning": False}, False),
        ({"base_model": "gpt-4o"}, False),
        ({"base_model": "o3"}, True),
        ({"base_model": "gpt-4o", "supports_reasoning": True}, True),
    ],
)
def test_a_deployment_is_known_by_its_model_info(info: dict[str, object], unseen: bool) -> None:
    entry = {
        "model_name": "m",
        "litellm_params": {"model": "openai/prod-eu", "api_key": "k"},
        "model_info": info,
    }
    config = read_config({"model_list": [entry]}, {})
    assert (config.errors, config.warnings) == ((), ())
    assert reasons_unseen(chat().fields(), compile_target(config, config.deployments[0], AT)) == unseen
