"""What the tests of the user's document share: its models and its config."""

from typing import Any

import openai
import yaml

from tests.e2e.gateway import ROOT, Gateway
from tests.fakes.hostile_upstream import HostileUpstream, Seen

INFRA = ROOT / "infra"
CONFIG = INFRA / "config" / "litellm-config.yaml"
HELLO: Any = [{"role": "user", "content": "Hello"}]
CLOUD = ("gpt-4", "gpt-3.5-turbo", "claude-3-sonnet")
LOCAL = ("mistral-local", "llama3-local", "codellama-local", "phi3-local")


def shipped_config(ollama_url: str) -> dict[str, Any]:
    """The config of the compose deployment, with Ollama at another address. The database and the master key
    come from the environment."""
    document: dict[str, Any] = yaml.safe_load(CONFIG.read_text().replace("http://ollama:11434", ollama_url))
    document["general_settings"].clear()
    return document


def provider_env(upstream_url: str) -> dict[str, str]:
    """The environment that puts a fake provider in place of the two cloud providers."""
    return {
        "OPENAI_API_KEY": "sk-openai",
        "ANTHROPIC_API_KEY": "sk-ant",
        "OPENAI_BASE_URL": f"{upstream_url}/v1",
        "ANTHROPIC_BASE_URL": upstream_url,
    }


def client(gateway: Gateway, key: str | None = None) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=key or gateway.key, max_retries=0)


def ask(gateway: Gateway, upstream: HostileUpstream, model: str, call_id: str) -> Seen:
    """Make one call with the document's program, and give what the provider saw of it."""
    before = len(upstream.requests)
    client(gateway).chat.completions.create(
        model=model, messages=HELLO, extra_headers={"x-litellm-call-id": call_id}
    )
    (seen,) = upstream.requests[before:]
    return seen
