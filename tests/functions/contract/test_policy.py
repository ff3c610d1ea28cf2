"""What an operator's config may say about keys and budgets, and what it may not."""

from decimal import Decimal
from typing import Any

import pytest

from functions.contract.policy import Policy
from runtime.blueprint import check

DOCUMENT: dict[str, Any] = {
    "litellm_settings": {
        "timezone": "Europe/Berlin",
        "max_budget": "250.5",
        "budget_duration": "monthly",
        "budget_exceeded_status_code": 429,
        "default_key_generate_params": {"rpm_limit": 10},
        "upperbound_key_generate_params": {"max_budget": 5},
        "key_generation_settings": {"personal_key_generation": {"allowed_user_roles": ["proxy_admin"]}},
        "default_internal_user_params": {"models": ["gpt-4"]},
        "max_internal_user_budget": 3,
        "internal_user_budget_duration": "7d",
        "max_end_user_budget": 0.25,
        "max_end_user_budget_id": "customers",
    },
    "general_settings": {
        "max_parallel_requests": 4,
        "global_max_parallel_requests": 100,
        "apply_user_budget_to_team_keys": True,
        "devops_key_duration": "2h",
        "devops_key_budget": 0.5,
        "default_output_tokens": 512,
    },
}


def test_the_settings_are_litellms_and_none_of_them_is_unknown() -> None:
    checked = check(DOCUMENT, {})
    policy = checked.policy
    assert (checked.errors, checked.warnings) == ((), ())
    assert str(policy.zone) == "Europe/Berlin"
    assert (policy.budget, policy.budget_duration, policy.budget_exceeded_status) == (
        Decimal("250.5"),
        "30d",
        429,
    )
    assert bytes(policy.key_defaults["rpm_limit"]) == b"10"
    assert bytes(policy.key_upper_bounds["max_budget"]) == b"5"
    assert policy.personal_key_roles == ("proxy_admin",)
    assert {name: bytes(value) for name, value in policy.user_defaults.items()} == {
        "models": b'["gpt-4"]',
        "max_budget": b"3",
        "budget_duration": b'"7d"',
    }
    assert (policy.customer_budget, policy.customer_budget_id) == (Decimal("0.25"), "customers")
    assert (policy.key_parallel, policy.parallel, policy.apply_user_budget_to_team_keys) == (4, 100, True)
    assert (policy.devops_key_duration, policy.devops_key_budget) == ("2h", Decimal("0.5"))
    assert policy.default_output_tokens == 512


def test_nothing_said_is_nothing_limited() -> None:
    assert check({}, {}).policy == Policy()
    assert check({"litellm_settings": {"max_budget": 0}}, {}).policy.budget is None, "LiteLLM's none"


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        ({"litellm_settings": {"timezone": "Mars/Olympus"}}, "litellm_settings.timezone"),
        ({"litellm_settings": {"max_budget": "lots"}}, "litellm_settings.max_budget"),
        ({"litellm_settings": {"max_budget": -1}}, "litellm_settings.max_budget"),
        ({"litellm_settings": {"budget_duration": "often"}}, "litellm_settings.budget_duration"),
        ({"litellm_settings": {"budget_exceeded_status_code": 200}}, "budget_exceeded_status_code"),
        ({"litellm_settings": {"key_alias_pattern": "["}}, "litellm_settings.key_alias_pattern"),
        ({"general_settings": {"devops_key_duration": "0h"}}, "general_settings.devops_key_duration"),
        ({"general_settings": {"max_parallel_requests": -1}}, "general_settings.max_parallel_requests"),
    ],
)
def test_what_is_wrong_is_named_by_its_path(settings: dict[str, Any], path: str) -> None:
    (error,) = check(settings, {}).errors
    assert path in error


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"user_header_name": "X-Shop-User"}, ("x-shop-user",)),
        ({"user_header_name": ["X-A", "x-a", " X-B "]}, ("x-a", "x-b")),
        ({"user_header_names": ["X-A"]}, ("x-a",)),
        ({"user_header_mappings": {"header_name": "X-A", "litellm_user_role": "customer"}}, ("x-a",)),
        (
            {
                "user_header_mappings": [
                    {"header_name": "X-A", "litellm_user_role": "internal_user"},
                    {"header_name": "X-B", "litellm_user_role": "customer"},
                ],
                "user_header_name": "X-C",
            },
            ("x-c", "x-b"),
        ),
        ({"user_header_name": ""}, ()),
    ],
)
def test_the_headers_that_name_customers_are_those_of_the_config(
    settings: dict[str, object], names: tuple[str, ...]
) -> None:
    checked = check({"model_list": [], "general_settings": settings}, {})
    assert (checked.errors, checked.policy.customer_headers) == ((), names)
    told = [warning for warning in checked.warnings if "user_header_mappings" in warning]
    assert len(told) == ("internal_user" in str(settings)), told


def test_a_call_is_tagged_with_its_program_unless_the_config_says_otherwise() -> None:
    for setting, tagged in (({}, True), ({"disable_add_user_agent_to_request_tags": True}, False)):
        assert check({"litellm_settings": setting}, {}).policy.tags_agents is tagged
