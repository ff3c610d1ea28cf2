"""Which deployments are asked by Responses alone."""

from typing import Any

import pytest

from models_registry.dialects import Dialect
from models_registry.registry import Registry
from tests.functions.contexts import make_registry

AZURE = {"api_base": "https://x.openai.azure.com", "api_key": "k"}
CODEX = "openai/gpt-5-codex"


def dialect(model: str, info: dict[str, Any] | None = None, *, asked: str = "m", **params: Any) -> Dialect:
    entry = {"model_name": "openai/*" if asked != "m" else "m", "model_info": info or {}}
    entry["litellm_params"] = {"model": model, "api_key": "sk-x", **params}
    registry: Registry = make_registry({"model_list": [entry]})
    return registry.target(asked, allowed=(), roll=0.0).dialect


@pytest.mark.parametrize(
    ("model", "info", "params"),
    [
        (CODEX, {}, {}),
        ("openai/o3-pro", {}, {}),
        ("azure/gpt-5-codex", {}, AZURE),
        ("openai/responses/gpt-5", {}, {}),
        ("azure/responses/my-deployment", {}, AZURE),
        ("openai/gpt-5", {"mode": "responses"}, {}),
        ("openai/qwen3", {"mode": "responses"}, {"api_base": "http://gpu/v1"}),
        ("openai/qwen3", {"supported_endpoints": ["/v1/responses"]}, {"api_base": "http://gpu/v1"}),
    ],
)
def test_by_the_table_or_by_the_config_a_model_has_responses_alone(
    model: str, info: dict[str, Any], params: dict[str, Any]
) -> None:
    assert dialect(model, info, **params) is Dialect.RESPONSES


@pytest.mark.parametrize(
    ("model", "info", "params"),
    [
        ("openai/gpt-5", {}, {}),
        (CODEX, {}, {"api_base": "http://gpu/v1"}),
        (CODEX, {"mode": "chat"}, {}),
        (CODEX, {"supported_endpoints": ["/v1/chat/completions", "/v1/responses"]}, {}),
        ("anthropic/claude-sonnet-4-6", {"mode": "responses"}, {}),
    ],
)
def test_any_other_model_keeps_its_dialect(model: str, info: dict[str, Any], params: dict[str, Any]) -> None:
    assert dialect(model, info, **params) is not Dialect.RESPONSES


def test_the_models_of_a_wildcard_are_told_apart() -> None:
    assert dialect("openai/*", asked="openai/gpt-5-codex") is Dialect.RESPONSES
    assert dialect("openai/*", asked="openai/gpt-5") is Dialect.OPENAI
    assert dialect("openai/*", {"mode": "responses"}, asked="openai/gpt-5") is Dialect.RESPONSES
