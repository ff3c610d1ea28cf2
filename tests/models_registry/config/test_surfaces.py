"""Which surfaces a deployment has itself."""

import pytest

from models_registry.config.providers import PROVIDERS
from models_registry.config.sections import ModelInfo
from models_registry.config.surfaces import surfaces_of
from models_registry.turns.surfaces import Surface

CHAT, COMPLETIONS = Surface.CHAT, Surface.COMPLETIONS
RESPONSES, MESSAGES = Surface.RESPONSES, Surface.MESSAGES


@pytest.mark.parametrize(
    ("provider", "own_host", "info", "surfaces"),
    [
        ("openai", True, ModelInfo(), {RESPONSES}),
        ("openai", False, ModelInfo(), set()),
        ("openai", False, ModelInfo(mode="responses"), {RESPONSES}),
        ("openai", False, ModelInfo(mode="chat"), set()),
        ("openai", True, ModelInfo(supported_endpoints=["/v1/chat/completions"]), {CHAT}),
        ("openai", False, ModelInfo(supported_endpoints=["/v1/responses", "/v1/audio"]), {RESPONSES}),
        ("text-completion-openai", True, ModelInfo(), {COMPLETIONS}),
        ("hosted_vllm", False, ModelInfo(), {COMPLETIONS}),
        ("ollama", False, ModelInfo(), set()),
        ("custom_openai", False, ModelInfo(mode="completion"), {COMPLETIONS}),
        ("deepseek", True, ModelInfo(), {MESSAGES}),
        ("deepseek", False, ModelInfo(), set()),
        ("hosted_vllm", False, ModelInfo(supported_endpoints=["/v1/messages"]), {MESSAGES}),
    ],
)
def test_a_row_says_it_for_its_own_hosts_and_the_config_for_all(
    provider: str, own_host: bool, info: ModelInfo, surfaces: set[Surface]
) -> None:
    assert surfaces_of(PROVIDERS[provider], info, own_host=own_host) == surfaces
