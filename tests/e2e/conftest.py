"""One gateway, one fake provider and one embedded model for all end-to-end tests that can share them."""

import uuid
from collections.abc import Iterator

import pytest

from runtime.local.model import ALIAS, Address
from tests.conftest import execute
from tests.databases import dsn_of
from tests.e2e.gateway import Gateway, serving
from tests.e2e.seed import provider_env, shipped_config
from tests.fakes.hostile_upstream import HostileUpstream, closed_port
from tests.fakes.json_server import Asked, json_server

PROVIDER_KEY = "sk-the-providers-own-secret-key"
SALT_KEY = "sk-salt-key-of-the-end-to-end-tests"
INPUT_USD = 2.5e-06
OUTPUT_USD = 1e-05
MAX_BODY_MB = 2


def shields(asked: Asked) -> tuple[int, bytes]:
    """The guardrail of the tests: it refuses what has `forbidden` in it."""
    said = (
        b'{"action":"BLOCKED","blocked_reason":"no"}' if b"forbidden" in asked.body else b'{"action":"NONE"}'
    )
    return 200, said


def config_for(
    upstream: str, model: Address | None = None, guardrail: str = "http://guard.invalid"
) -> dict[str, object]:
    """A config whose models say what stands behind them. `hostile/<script>` runs that script. `slow/<script>`
    runs it with a deadline of a second. `anthropic/<script>` and `ollama/<script>` run it in those dialects.
    `native/<script>` has Responses itself, and `alone/<script>` has nothing else.
    `smollm2-local` is a real model."""

    def entry(name: str, model: str, api_base: str, **more: object) -> dict[str, object]:
        params = {"model": model, "api_base": api_base, "api_key": PROVIDER_KEY, **more}
        return {"model_name": name, "litellm_params": params}

    def native(name: str, model: str, api_base: str, **more: object) -> dict[str, object]:
        info = {"supported_endpoints": ["/v1/chat/completions", "/v1/responses"]}
        return {**entry(name, model, api_base, **more), "model_info": info}

    def alone(name: str, model: str, api_base: str, **more: object) -> dict[str, object]:
        return {**entry(name, model, api_base, **more), "model_info": {"mode": "responses"}}

    prices = {"input_cost_per_token": INPUT_USD, "output_cost_per_token": OUTPUT_USD}
    models = [
        entry("hostile/*", "openai/*", f"{upstream}/v1", **prices),
        entry("slow/*", "openai/*", f"{upstream}/v1", timeout=1, **prices),
        entry("anthropic/*", "anthropic/*", upstream, **prices),
        entry("ollama/*", "ollama/*", upstream),
        native("native/*", "openai/*", f"{upstream}/v1", **prices),
        alone("alone/*", "openai/*", f"{upstream}/v1", **prices),
        entry("down", "openai/gpt-4", f"http://127.0.0.1:{closed_port()}/v1", **prices),
    ]
    if model is not None:
        real = entry("smollm2-local", f"llamacpp/{ALIAS}", model.api_base, api_key=model.api_key.reveal())
        models.append(real)
    shield = {"guardrail": "generic_guardrail_api", "mode": ["pre_call", "post_call"], "api_base": guardrail}
    return {
        "model_list": models,
        "guardrails": [{"guardrail_name": "shield", "litellm_params": shield}],
        "general_settings": {"max_request_size_mb": MAX_BODY_MB},
        "router_settings": {"num_retries": 0},  # each failure by itself; test_retries.py retries
    }


@pytest.fixture(scope="session")
def upstream() -> Iterator[HostileUpstream]:
    with HostileUpstream().in_thread() as server:
        yield server
        assert server.errors == []


@pytest.fixture(scope="session")
def gateway(
    postgres_server: str,
    migrated_template: str,
    upstream: HostileUpstream,
    possible_model: Address | str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Gateway]:
    """A gateway of one worker, for tests that leave it as it was."""
    name = f"e2e_{uuid.uuid4().hex}"
    execute(postgres_server, f"CREATE DATABASE {name} TEMPLATE {migrated_template}")
    model = None if isinstance(possible_model, str) else possible_model
    folder = tmp_path_factory.mktemp("gateway")
    env = {"SWITCHGEAR_SALT_KEY": SALT_KEY}
    with json_server(shields) as shield:
        config = config_for(upstream.url, model, shield.url)
        with serving(folder, config, dsn_of(postgres_server, name), env=env) as running:
            yield running
    execute(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def virtual_key(gateway: Gateway) -> str:
    """A key for all models, named `laptop`."""
    return gateway.virtual_key("laptop", user_id="ada")


@pytest.fixture(scope="session")
def seed(
    postgres_server: str,
    migrated_template: str,
    upstream: HostileUpstream,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Gateway]:
    """A gateway with the config of the user's document, with the fake provider at the addresses of all three
    providers."""
    name = f"seed_{uuid.uuid4().hex}"
    execute(postgres_server, f"CREATE DATABASE {name} TEMPLATE {migrated_template}")
    env = {**provider_env(upstream.url), "SWITCHGEAR_SALT_KEY": SALT_KEY}
    dsn = dsn_of(postgres_server, name)
    with serving(tmp_path_factory.mktemp("seed"), shipped_config(upstream.url), dsn, env=env) as running:
        yield running
    execute(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")
