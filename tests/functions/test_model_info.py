import asyncio
from typing import Any

import msgspec
import pytest

from functions import model_info
from functions.ports.context import CatalogueContext
from runtime.blueprint import check
from runtime.registry.live_models import LiveModels
from schema.errors.rows import NotFound
from schema.model_info import GroupInfoQuery, ModelInfoQuery
from schema.models import AllowedModels
from tests.fakes.deployments import FakeDeployments
from tests.functions.contexts import ADMIN, MEMBER, catalogue_ctx

SECRET = "sk-the-providers-own-key"
SECRETS = dict.fromkeys(
    ("api_key", "hf_token", "access_token", "aws_access_key_id", "private_key", "api-key", "passphrase"),
    SECRET,
)
DOCUMENT: dict[str, Any] = {
    "model_list": [
        {
            "model_name": "five",
            "litellm_params": {
                "model": "openai/gpt-5",
                "api_key": SECRET,
                "api_base": "https://eu.api.openai.com/v1",
                "extra_headers": {"x-secret": SECRET},
                "temperature": 0.5,
            },
            "model_info": {
                "id": "five-1",
                "tier": "free",
                "api_key": SECRET,
                **SECRETS,
                "supports_vision": False,
            },
        },
        {
            "model_name": "five",
            "litellm_params": {"model": "openai/gpt-4o", "api_key": SECRET, "input_cost_per_token": 1},
            "model_info": {"id": "five-2"},
        },
        {"model_name": "claude-*", "litellm_params": {"model": "anthropic/claude-*", "api_key": SECRET}},
        {"model_name": "broken", "litellm_params": {"model": "nobody/x"}},
        {"model_name": "at-home", "litellm_params": {"model": "ollama/llama3"}},
    ]
}


def ctx(caller: Any = ADMIN) -> CatalogueContext:
    made = catalogue_ctx(caller)
    return msgspec.structs.replace(made, models=LiveModels(check(DOCUMENT, {}).registry))


def shown(caller: Any = ADMIN, model_id: str | None = None) -> list[dict[str, Any]]:
    answer = asyncio.run(model_info.deployments(ModelInfoQuery(litellm_model_id=model_id), ctx(caller)))
    found: list[dict[str, Any]] = msgspec.to_builtins(answer)["data"]
    return found


def groups(caller: Any = ADMIN, name: str | None = None) -> dict[str, dict[str, Any]]:
    answer = asyncio.run(model_info.groups(GroupInfoQuery(model_group=name), ctx(caller)))
    return {each["model_group"]: dict(each) for each in answer.data}


def only(*names: str) -> Any:
    return msgspec.structs.replace(MEMBER, models=(AllowedModels("key", names),))


def test_a_deployment_is_shown_with_what_it_takes_and_costs() -> None:
    five = shown(model_id="five-1")[0]
    assert five["model_name"] == "five"
    assert five["litellm_params"]["model"] == "openai/gpt-5"
    info = five["model_info"]
    assert (info["max_input_tokens"], info["max_output_tokens"]) == (272_000, 128_000)
    assert info["input_cost_per_token"] == pytest.approx(1.25e-6)
    assert info["reasoning_effort_levels"] == ["minimal", "low", "medium", "high"]
    assert not {"temperature", "stop"} & set(info["supported_openai_params"])
    assert "reasoning_effort" in info["supported_openai_params"]
    assert (info["tier"], info["supports_vision"], info["status"]) == ("free", False, "ok")


def test_nothing_shown_has_a_secret() -> None:
    text = msgspec.json.encode([shown(), groups()]).decode()
    assert SECRET not in text
    assert "x-secret" not in text


def test_an_address_is_shown_to_administrators_alone() -> None:
    assert shown(model_id="five-1")[0]["litellm_params"]["api_base"] == "https://eu.api.openai.com/v1"
    member = msgspec.json.encode([shown(MEMBER), groups(MEMBER)]).decode()
    assert "eu.api.openai.com" not in member


def test_an_entry_that_can_not_be_called_says_why() -> None:
    broken = next(each for each in shown() if each["model_name"] == "broken")
    assert broken["model_info"]["status"] == "error"
    assert "model_list[3]" in broken["model_info"]["error"]


def test_a_key_sees_its_own_models_alone() -> None:
    assert {each["model_name"] for each in shown(only("five"))} == {"five"}
    assert set(groups(only("five"))) == {"five"}
    assert groups(only("five"), "at-home") == {}
    assert all(name.startswith("claude-") for name in groups(only("claude-*")))


def test_an_unknown_id_is_not_found() -> None:
    with pytest.raises(NotFound):
        shown(model_id="nobody")


def test_a_group_has_the_largest_limits_and_the_dearest_prices() -> None:
    five = groups()["five"]
    assert (five["max_output_tokens"], five["input_cost_per_token"]) == (128_000, 1)
    assert (five["providers"], five["supports_vision"]) == (["openai"], True)
    assert {"temperature", "reasoning_effort"} <= set(five["supported_openai_params"])


def test_a_wildcard_is_shown_as_the_models_that_it_covers() -> None:
    found = groups()
    assert "claude-opus-4-7" in found
    assert "claude-*" not in found
    assert found["claude-opus-4-7"]["max_output_tokens"] == 128_000


def test_one_group_may_be_asked_for_by_a_name_that_a_wildcard_covers() -> None:
    found = groups(name="claude-of-tomorrow")
    assert list(found) == ["claude-of-tomorrow"]
    assert groups(name="nobody") == {}


def test_a_local_model_says_so() -> None:
    info = next(each for each in shown() if each["model_name"] == "at-home")["model_info"]
    assert (info["local"], info["input_cost_per_token"]) == (True, 0)


def test_what_a_host_said_to_a_check_is_for_administrators() -> None:
    words = "acct-77 has no access to the model at gpu-1.internal"
    state = {"state": "unhealthy", "last_check": {"ok": False, "s_ago": 3.0, "error": words}}

    def health(caller: Any) -> Any:
        made = catalogue_ctx(caller, FakeDeployments(shown={"five-1": state}))
        made = msgspec.structs.replace(made, models=LiveModels(check(DOCUMENT, {}).registry))
        answer = asyncio.run(model_info.deployments(ModelInfoQuery(litellm_model_id="five-1"), made))
        return answer.data[0].model_info["health"]

    assert health(ADMIN) == state
    assert health(MEMBER) == {"state": "unhealthy", "last_check": {"ok": False, "s_ago": 3.0}}
