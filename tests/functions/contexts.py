"""Contexts for functions called directly: fakes in place of every port that does IO."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from functions.contract.call import MASTER_KEY_HASH, MASTER_USER_ID, Call, Caller
from functions.contract.policy import Policy
from functions.contract.roles import INTERNAL_USER, PROXY_ADMIN
from functions.ports.cache import NO_CACHE, Cache
from functions.ports.context import CatalogueContext, ModelContext
from functions.ports.guardrails import NOBODY_ASKED, Guardrails
from functions.ports.models import Contexts, Files
from functions.ports.state import State
from models_registry.registry import Registry
from runtime.blueprint import check
from runtime.registry.live_models import LiveModels
from runtime.upstream.router import Router
from tests.fakes.deployments import FakeDeployments
from tests.fakes.ledger import FakeLedger
from tests.fakes.ports import ABSENT, NoContexts
from tests.fakes.state import FakeState
from tests.fakes.upstream import FakeUpstream

NOW = datetime.now(UTC).replace(microsecond=0)
"""The real time, since the database has a clock too."""
ADMIN = Caller(role=PROXY_ADMIN, key_hash=MASTER_KEY_HASH, user_id=MASTER_USER_ID, is_master=True)
MEMBER = Caller(role=INTERNAL_USER, key_hash="a" * 8, key_alias="laptop", user_id="ada")
CONFIG: dict[str, Any] = {
    "model_list": [
        {
            "model_name": "gpt",
            "litellm_params": {
                "model": "openai/gpt-4",
                "api_base": "http://openai.test/v1",
                "api_key": "sk-upstream-secret",
            },
        },
        {
            "model_name": "claude",
            "litellm_params": {
                "model": "anthropic/claude-sonnet-4-6",
                "api_base": "http://anthropic.test",
                "api_key": "sk-ant-secret",
            },
        },
        {
            "model_name": "mistral-local",
            "litellm_params": {"model": "ollama/mistral", "api_base": "http://ollama.test"},
        },
        {
            "model_name": "openai/*",
            "litellm_params": {
                "model": "openai/*",
                "api_base": "http://openai.test/v1",
                "api_key": "sk-x-secret",
            },
        },
    ]
}
DEFAULT_POLICY = Policy()
NO_DEPLOYMENTS = FakeDeployments()
ONE_ATTEMPT = CONFIG | {"router_settings": {"num_retries": 0}}


def make_registry(config: dict[str, Any] = CONFIG) -> Registry:
    checked = check(config, {})
    assert checked.errors == ()
    return checked.registry


def make_call(caller: Caller = MEMBER, **more: Any) -> Call:
    facts: dict[str, Any] = {"request_id": "0190-call", "received_at": NOW, "received_mono": 0.0}
    return Call(caller=caller, **(facts | more))


async def no_sleep(seconds: float) -> None:
    return None


def make_router(
    config: dict[str, Any] = ONE_ATTEMPT, sleep: Callable[[float], Awaitable[None]] = no_sleep
) -> Router:
    checked = check(config, {})
    assert checked.errors == ()
    return Router(checked.registry, checked.routing, sleep=sleep)


def model_ctx(
    upstream: FakeUpstream,
    *,
    caller: Caller = MEMBER,
    ledger: FakeLedger | None = None,
    contexts: Contexts | None = None,
    files: Files | None = None,
    state: State | None = None,
    policy: Policy = DEFAULT_POLICY,
    config: dict[str, Any] = ONE_ATTEMPT,
    sleep: Callable[[float], Awaitable[None]] = no_sleep,
    cache: Cache = NO_CACHE,
    guardrails: Guardrails = NOBODY_ASKED,
    **facts: Any,
) -> ModelContext:
    return ModelContext(
        call=make_call(caller, **({"call_type": "acompletion"} | facts)),
        routes=make_router(config, sleep),
        upstream=upstream,
        ledger=ledger or FakeLedger(),
        contexts=contexts or NoContexts(),
        files=files or ABSENT,
        state=state or FakeState(is_open=False),
        policy=policy,
        cache=cache,
        guardrails=guardrails,
    )


def catalogue_ctx(caller: Caller = MEMBER, deployments: FakeDeployments = NO_DEPLOYMENTS) -> CatalogueContext:
    return CatalogueContext(
        call=make_call(caller), models=LiveModels(make_registry()), deployments=deployments
    )
