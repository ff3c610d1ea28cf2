"""Where a deployment's calls stay, by its config."""

import pytest

from models_registry.target import Residency
from runtime.blueprint import check


def residency(model: str, **params: object) -> Residency:
    entry = {"model_name": "m", "litellm_params": {"model": model, "api_key": "k", **params}}
    checked = check({"model_list": [entry]}, {})
    assert (checked.errors, checked.skipped) == ((), ())
    return checked.registry.named("m")[0].residency


@pytest.mark.parametrize(
    ("model", "address", "found"),
    [
        ("ollama/llama3", "http://ollama:11434", Residency.NEAR),
        ("ollama/llama3", "http://127.0.0.1:11434", Residency.NEAR),
        ("hosted_vllm/qwen", "http://10.0.0.7:8000/v1", Residency.NEAR),
        ("ollama/llama3", "https://ollama.com", Residency.ANYWHERE),
        ("ollama/llama3", "https://gpu.example.com", Residency.ANYWHERE),
        ("openai/gpt-4o", "http://10.0.0.7:8000/v1", Residency.ANYWHERE),
    ],
)
def test_a_local_provider_near_by_is_local_where_nobody_says(
    model: str, address: str, found: Residency
) -> None:
    assert residency(model, api_base=address) is found
    assert found.is_local == (found is not Residency.ANYWHERE)


@pytest.mark.parametrize("address", ["http://10.0.0.7:8000/v1", "https://llm.corp.example.com/v1"])
def test_a_config_says_that_a_deployment_is_local(address: str) -> None:
    """What the name leads to is judged when it is called."""
    assert residency("openai/qwen", api_base=address, residency="local") is Residency.LOCAL


def test_a_config_says_that_a_near_one_is_not() -> None:
    assert residency("ollama/llama3", api_base="http://ollama:11434", residency="cloud") is Residency.ANYWHERE


def test_an_owner_of_a_public_address_says_so() -> None:
    more = {"residency": "local", "allow_public_local": True}
    assert residency("openai/qwen", api_base="http://8.8.8.8/v1", **more) is Residency.TRUSTED


@pytest.mark.parametrize(
    "params",
    [
        {"api_base": "http://8.8.8.8/v1", "residency": "local"},
        {"api_base": "http://169.254.169.254/v1", "residency": "local"},
        {"api_base": "http://[2606:4700::1]/v1", "residency": "local"},
        {"residency": "local"},
        {"residency": "moon"},
        {"residency": "local", "allow_public_local": True},  # at the provider's own host
    ],
)
def test_a_public_address_can_not_be_local(params: dict[str, str]) -> None:
    entry = {"model_name": "m", "litellm_params": {"model": "openai/gpt-4o", "api_key": "k", **params}}
    checked = check({"model_list": [entry]}, {})
    (reason,) = checked.skipped
    assert reason.startswith("model_list[0].litellm_params.residency: ")


def test_model_info_may_say_it_too() -> None:
    entry = {
        "model_name": "m",
        "litellm_params": {"model": "openai/qwen", "api_key": "k", "api_base": "http://10.0.0.1/v1"},
        "model_info": {"residency": "local"},
    }
    assert check({"model_list": [entry]}, {}).registry.named("m")[0].residency is Residency.LOCAL
