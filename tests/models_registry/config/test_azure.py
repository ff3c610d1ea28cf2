"""Azure's addresses, however a config has them."""

import json
from typing import Any

import pytest

from models_registry.backends import BACKENDS
from models_registry.backends.backend import UpstreamRequest
from models_registry.turns.facts import CallFacts
from runtime.blueprint import check
from schema.chat import ChatRequest, Message
from schema.embeddings import EmbeddingsRequest

FACTS = CallFacts(request_id="r", created=0)
RESOURCE = "https://acme.openai.azure.com"
OPERATION = "/openai/deployments/gpt/chat/completions?api-version="


def sent(params: dict[str, Any], **env: str) -> UpstreamRequest:
    params = {"model": "azure/gpt", "api_key": "k-azure", **params}
    found = check({"model_list": [{"model_name": "m", "litellm_params": params}]}, env)
    assert found.skipped_lines == ()
    target = found.registry.target("m", allowed=(), roll=0.0)
    request = ChatRequest(model="m", messages=[Message(role="user", content="Hi")])
    return BACKENDS[target.dialect].chat_request(request, target, FACTS)


@pytest.mark.parametrize(
    ("params", "env", "url"),
    [
        ({"api_base": RESOURCE}, {}, f"{RESOURCE}{OPERATION}2025-02-01-preview"),
        ({"api_base": f"{RESOURCE}/"}, {}, f"{RESOURCE}{OPERATION}2025-02-01-preview"),
        ({"api_base": f"{RESOURCE}/openai"}, {}, f"{RESOURCE}{OPERATION}2025-02-01-preview"),
        ({"api_base": RESOURCE, "api_version": "2024-10-21"}, {}, f"{RESOURCE}{OPERATION}2024-10-21"),
        ({"api_base": f"{RESOURCE}?api-version=2024-06-01"}, {}, f"{RESOURCE}{OPERATION}2024-06-01"),
        ({"api_base": RESOURCE}, {"AZURE_API_VERSION": "2023-05-15"}, f"{RESOURCE}{OPERATION}2023-05-15"),
        ({}, {"AZURE_API_BASE": RESOURCE}, f"{RESOURCE}{OPERATION}2025-02-01-preview"),
        (
            {"api_base": f"{RESOURCE}/openai/deployments/other/chat/completions?api-version=2024-10-21"},
            {},
            f"{RESOURCE}/openai/deployments/other/chat/completions?api-version=2024-10-21",
        ),
        ({"api_base": f"{RESOURCE}/openai/v1"}, {}, f"{RESOURCE}/openai/v1/chat/completions"),
        ({"api_base": f"{RESOURCE}/openai/v1/"}, {}, f"{RESOURCE}/openai/v1/chat/completions"),
        (
            {"api_base": f"{RESOURCE}/openai/v1", "api_version": "preview"},
            {},
            f"{RESOURCE}/openai/v1/chat/completions?api-version=preview",
        ),
        (
            {"api_base": "https://acme.services.ai.azure.com", "model": "azure_ai/mistral-large"},
            {},
            "https://acme.services.ai.azure.com/models/chat/completions?api-version=2024-05-01-preview",
        ),
        (
            {"api_base": RESOURCE, "model": "azure/my model/ü"},
            {},
            f"{RESOURCE}/openai/deployments/my%20model%2F%C3%BC/chat/completions?api-version=2025-02-01-preview",
        ),
    ],
)
def test_an_address_leads_to_the_deployment(params: dict[str, Any], env: dict[str, str], url: str) -> None:
    request = sent(params, **env)
    assert request.url == url
    assert request.headers["api-key"] == "k-azure"
    assert "authorization" not in request.headers


def test_the_model_of_a_wildcard_stands_in_the_path() -> None:
    params = {"model": "azure/*", "api_base": RESOURCE, "api_key": "k"}
    found = check({"model_list": [{"model_name": "azure/*", "litellm_params": params}]}, {})
    target = found.registry.target("azure/gpt-4o", allowed=(), roll=0.0)
    asked = EmbeddingsRequest(model="azure/gpt-4o", input="x")
    request = BACKENDS[target.dialect].embeddings_request(asked, target, FACTS)
    assert request.url == f"{RESOURCE}/openai/deployments/gpt-4o/embeddings?api-version=2025-02-01-preview"


@pytest.mark.parametrize("base_model", ["azure/gpt-4o", "litellm/azure/gpt-4o", "gpt-4o", "litellm/gpt-4o"])
def test_the_price_is_that_of_the_base_model(base_model: str) -> None:
    params = {"model": "azure/my-deployment", "api_base": RESOURCE, "api_key": "k"}
    entry = {"model_name": "m", "litellm_params": params, "model_info": {"base_model": base_model}}
    target = check({"model_list": [entry]}, {}).registry.target("m", allowed=(), roll=0.0)
    assert target.price is not None
    assert target.price.input == 2_500_000_000


@pytest.mark.parametrize(
    ("address", "says"),
    [
        (f"{RESOURCE}?key=s3cret", "may have no query but api-version"),
        (f"{RESOURCE}#x", "may have no query but api-version"),
        ("ftp://acme.openai.azure.com", "expected http:// or https:// and a host"),
        ("https://user:s3cret@acme.openai.azure.com", "holds a user or password"),
    ],
)
def test_an_address_that_is_none_is_told_without_its_secrets(address: str, says: str) -> None:
    params = {"model": "azure/gpt", "api_base": address, "api_key": "k"}
    (line,) = check({"model_list": [{"model_name": "m", "litellm_params": params}]}, {}).skipped_lines
    assert says in line
    assert "s3cret" not in line


def test_the_environments_key_goes_to_azures_hosts_alone() -> None:
    env = {"AZURE_API_KEY": "k-env"}
    assert (
        sent({"api_key": "os.environ/AZURE_API_KEY", "api_base": RESOURCE}, **env).headers["api-key"]
        == "k-env"
    )
    params = {"model": "azure/gpt", "api_base": "https://evil.example"}
    (line,) = check({"model_list": [{"model_name": "m", "litellm_params": params}]}, env).skipped_lines
    assert "goes to azure's own hosts alone" in line
    assert json.dumps(line).find("k-env") == -1
