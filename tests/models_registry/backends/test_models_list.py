"""The list of a provider's models, as a question that costs nothing."""

from typing import Any

import msgspec
import pytest

from models_registry.backends.models_list import flaw_in, models_request
from models_registry.target import Target
from models_registry.turns.facts import CallFacts
from runtime.blueprint import check

FACTS = CallFacts(request_id="", created=0)


def target(model: str, **params: Any) -> Target:
    entry = {"model_name": "m", "litellm_params": {"model": model, "api_key": "sk-provider"} | params}
    checked = check({"model_list": [entry]}, {})
    assert checked.errors == ()
    return checked.registry.everything()[0]


@pytest.mark.parametrize(
    ("model", "params", "url", "header"),
    [
        ("openai/gpt-4o", {}, "https://api.openai.com/v1/models", ("authorization", "Bearer sk-provider")),
        (
            "anthropic/claude-sonnet-4-6",
            {},
            "https://api.anthropic.com/v1/models",
            ("x-api-key", "sk-provider"),
        ),
        ("ollama/llama3", {"api_base": "http://gpu:11434"}, "http://gpu:11434/api/tags", None),
        (
            "azure/gpt4",
            {"api_base": "https://x.openai.azure.com", "api_version": "2024-10-21"},
            "https://x.openai.azure.com/openai/models?api-version=2024-10-21",
            ("api-key", "sk-provider"),
        ),
        (
            "gemini/gemini-2.5-flash",
            {},
            "https://generativelanguage.googleapis.com/v1beta/models",
            ("x-goog-api-key", "sk-provider"),
        ),
    ],
)
def test_each_dialect_has_its_list(
    model: str, params: dict[str, Any], url: str, header: tuple[str, str] | None
) -> None:
    request = models_request(target(model, **params), FACTS)
    assert request is not None
    assert (request.method, request.url, request.body) == ("GET", url, b"")
    if header is not None:
        assert request.headers[header[0]] == header[1]


def test_who_signs_its_calls_has_no_list() -> None:
    aws = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "aws_region_name": "eu-west-1"}
    assert (
        models_request(target("bedrock/anthropic.claude-3-haiku-20240307-v1:0", api_key=None, **aws), FACTS)
        is None
    )


@pytest.mark.parametrize(
    ("status", "flaw"),
    [
        (200, ""),
        (404, ""),
        (405, ""),
        (401, "the provider refuses the credential (HTTP 401)"),
        (403, "the provider refuses the credential (HTTP 403)"),
        (429, "the provider answers HTTP 429"),
        (500, "the provider answers HTTP 500"),
        (302, "the provider answers HTTP 302"),
    ],
)
def test_a_status_tells(status: int, flaw: str) -> None:
    assert flaw_in(status, b"whatever", target("openai/gpt-4o")) == flaw


@pytest.mark.parametrize(
    ("body", "flaw"),
    [
        ({"models": [{"name": "llama3:latest"}]}, ""),
        ({"models": [{"name": "llama3:70b"}]}, "the host does not have the model llama3"),
        ({"models": []}, "the host does not have the model llama3"),
        ([], "the host's list of models can't be read"),
    ],
)
def test_an_ollama_without_the_model_is_unhealthy(body: object, flaw: str) -> None:
    ollama = target("ollama/llama3", api_base="http://gpu:11434")
    assert flaw_in(200, msgspec.json.encode(body), ollama) == flaw
