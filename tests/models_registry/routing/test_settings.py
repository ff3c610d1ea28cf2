"""What a config says about retries and fallbacks."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from runtime.blueprint import check

MODELS = [
    {
        "model_name": name,
        "litellm_params": {"model": f"openai/{model}", "api_key": "sk-x", "input_cost_per_token": 0},
    }
    for name, model in (("m", "m"), ("n", "n"), ("openai/*", "*"))
]


def checked(router: dict[str, Any] | None = None, litellm: dict[str, Any] | None = None) -> Any:
    return check(
        {"model_list": MODELS, "router_settings": router or {}, "litellm_settings": litellm or {}}, {}
    )


def test_the_router_settings_count_before_litellms() -> None:
    both = checked(
        {"num_retries": 1, "fallbacks": [{"m": ["n"]}]}, {"num_retries": 5, "fallbacks": [{"n": ["m"]}]}
    )
    assert (both.routing.retries, both.routing.fallbacks) == (1, {"m": ("n",)})
    one = checked(None, {"num_retries": 5, "fallbacks": [{"n": ["m"]}], "default_fallbacks": ["m"]})
    assert (one.routing.retries, one.routing.fallbacks) == (5, {"n": ("m",), "*": ("m",)})
    assert one.warnings == ()


def test_a_model_that_is_not_there_is_warned_of_by_path() -> None:
    found = checked(
        {
            "fallbacks": [{"m": ["nobody", "openai/gpt-4"]}],
            "context_window_fallbacks": [{"who": ["n"]}],
            "default_fallbacks": ["gone"],
        }
    )
    assert found.errors == ()
    assert set(found.warnings) == {
        "router_settings.fallbacks[0].m: no model is called 'nobody'",
        "router_settings.context_window_fallbacks[0].who: no model is called 'who'",
        "default_fallbacks: no model is called 'gone'",
    }


@pytest.mark.parametrize(
    ("router", "warning"),
    [
        (
            {"fallbacks": [{"m": ["n"]}, {"m": ["m"]}]},
            "router_settings.fallbacks[1].m: the model stands twice, and the first counts",
        ),
        (
            {"fallbacks": [{"m": ["openai/*"]}]},
            "router_settings.fallbacks[0].m: 'openai/*' is a wildcard; a model has to be named here",
        ),
        (
            {"fallbacks": [{"openai/*": ["m"]}]},
            "router_settings.fallbacks[0].openai/*: 'openai/*' is a wildcard; a model has to be named here",
        ),
        (
            {"fallbacks": [{"*": ["m"]}], "default_fallbacks": ["n"]},
            'default_fallbacks: has no effect beside "*" in fallbacks',
        ),
        (
            {"model_group_retry_policy": {"who": {"DefaultRetries": 1}}},
            "router_settings.model_group_retry_policy: no model is called 'who'",
        ),
    ],
)
def test_what_has_no_effect_is_warned_of(router: dict[str, Any], warning: str) -> None:
    found = checked(router)
    assert (found.errors, found.warnings) == ((), (warning,))
    assert found.routing.fallbacks.get("m", ("n",))[0] in ("n", "openai/*")


def test_a_null_in_a_policy_says_nothing() -> None:
    found = checked({"retry_policy": {"DefaultRetries": None, "TimeoutErrorRetries": 1}})
    assert (found.errors, found.routing.policy) == ((), {"TimeoutErrorRetries": 1})


def test_the_example_of_the_page_loads() -> None:
    page = (Path(__file__).parents[3] / "docs" / "routing.md").read_text()
    example = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)[0]
    found = check(
        yaml.safe_load(example), {"OPENAI_API_KEY": "sk-a", "SECOND_KEY": "sk-b", "ANTHROPIC_API_KEY": "c"}
    )
    assert (found.errors, found.warnings) == ((), ())


@pytest.mark.parametrize(
    ("router", "error"),
    [
        ({"num_retries": -1}, "router_settings.num_retries: expected 0 to 20, found -1"),
        ({"num_retries": "many"}, "router_settings.num_retries: Expected `int | null`, got `str`"),
        ({"retry_after": 61}, "router_settings.retry_after: expected a number of zero or more, up to 60"),
        ({"fallbacks": {"m": ["n"]}}, "router_settings.fallbacks: Expected `array | null`, got `object`"),
        (
            {"retry_policy": {"BadGatewayRetries": 1}},
            "router_settings.retry_policy.BadGatewayRetries: no kind of error; expected one of "
            "AuthenticationErrorRetries, BadRequestErrorRetries, ContentPolicyViolationErrorRetries, "
            "DefaultRetries, InternalServerErrorRetries, NotFoundErrorRetries, RateLimitErrorRetries, "
            "ServiceUnavailableErrorRetries, TimeoutErrorRetries",
        ),
        (
            {"model_group_retry_policy": {"m": {"DefaultRetries": 101}}},
            "router_settings.model_group_retry_policy.m.DefaultRetries: expected 0 to 20, found 101",
        ),
    ],
)
def test_what_is_wrong_is_named_by_path(router: dict[str, Any], error: str) -> None:
    assert checked(router).errors == (error,)


@pytest.mark.parametrize(
    ("router", "error"),
    [
        ({"allowed_fails": 10**6}, "router_settings.allowed_fails: expected 0 to 10000"),
        (
            {"allowed_fails_policy": {"OddAllowedFails": 1}},
            "allowed_fails_policy.OddAllowedFails: no kind of error",
        ),
        ({"cooldown_time": -1}, "router_settings.cooldown_time: expected a number"),
        ({"retry_budget_percent": "x"}, "router_settings.retry_budget_percent: expected a number"),
        ({"model_group_alias": {"a": "b", "b": "c"}}, "model_group_alias.a: 'b' is an alias itself"),
        ({"model_group_alias": {"a*": "b"}}, "model_group_alias.a*: a wildcard can't be an alias"),
        ({"provider_budget_config": {"openai": {}}}, "provider_budget_config.openai: expected budget_limit"),
        (
            {"provider_budget_config": {"nobody": {"budget_limit": 5, "time_period": "soon"}}},
            "provider_budget_config.nobody.time_period: expected a duration",
        ),
    ],
)
def test_a_setting_that_is_wrong_is_named(router: dict[str, Any], error: str) -> None:
    found = check({"router_settings": router}, {})
    assert any(error in each for each in found.errors), found.errors


def test_settings_of_choice_and_cooldowns_are_read() -> None:
    given = {
        "routing_strategy": "latency-based-routing",
        "optional_pre_call_checks": ["prompt_caching", "session_affinity", "router_budget_limiting"],
        "enable_tag_filtering": True,
        "tag_filtering_match_any": False,
        "enable_health_check_routing": True,
        "allowed_fails": 7,
        "allowed_fails_policy": {"TimeoutErrorAllowedFails": 2},
        "cooldown_time": "12.5",
        "retry_budget_percent": 50,
        "retry_budget_per_s": 2,
    }
    found = check({"router_settings": given}, {})
    assert (found.errors, found.warnings) == ((), ())
    choice, cooldowns, budget = found.routing.choice, found.routing.cooldowns, found.routing.retry_budget
    assert choice.strategy.value == "latency-based-routing"
    assert [each.value for each in choice.affinities] == ["session_affinity", "prompt_caching"]
    assert (choice.checks_tags, choice.any_tag, choice.check_stale_s) == (True, False, 900.0)
    assert (cooldowns.allowed_fails, cooldowns.span_s) == (7, 12.5)
    assert set(cooldowns.policy.values()) == {2}
    assert (budget.share, budget.per_s, budget.most) == (0.5, 2.0, 20.0)


def test_what_has_no_effect_is_told() -> None:
    router = {
        "optional_pre_call_checks": ["magic"],
        "provider_budget_config": {"groq": {"budget_limit": 5}},
        "model_group_alias": {"a": "nobody"},
    }
    found = check({"router_settings": router}, {})
    assert found.errors == ()
    assert len(found.warnings) == 3
