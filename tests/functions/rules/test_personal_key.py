"""The key whose limits somebody has who calls without a key."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from functions.contract.policy import Policy
from functions.contract.roles import ASSIGNABLE, DEVOPS, INTERNAL_USER, ORG_ADMIN, PROXY_ADMIN
from functions.rules.personal_key import personal_key
from schema.errors.requests import InvalidRequest


def json(**fields: Any) -> dict[str, msgspec.Raw]:
    return {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in fields.items()}


def test_without_settings_only_a_tester_has_limits() -> None:
    for role in ASSIGNABLE:
        made = personal_key(role, Policy())
        assert made is not None
        limits = (made.max_budget, made.budget_duration)
        assert limits == ((Decimal(1), "24h") if role == DEVOPS else (None, None)), role


def test_what_the_config_gives_and_allows_holds_and_not_for_an_admin() -> None:
    policy = Policy(
        key_defaults=json(models=["cheap"], rpm_limit=5, metadata={"local_only": True}),
        key_upper_bounds=json(max_budget=10, tpm_limit=100, duration="30d"),
    )
    for role in (INTERNAL_USER, ORG_ADMIN):
        made = personal_key(role, policy)
        assert made is not None
        assert (made.max_budget, made.budget_duration, made.tpm_limit) == (Decimal(10), "24h", 100)
        assert (made.models, made.rpm_limit) == (["cheap"], 5)
        assert bytes(made.metadata["local_only"]) == b"true"
    tester = personal_key(DEVOPS, policy)
    assert tester is not None
    assert (tester.max_budget, tester.tpm_limit, tester.models) == (Decimal(1), 100, [])
    admin = personal_key(PROXY_ADMIN, policy)
    assert admin is not None
    assert (admin.max_budget, admin.models) == (None, [])


def test_a_budget_of_a_key_that_ends_lasts_as_long_as_the_key() -> None:
    made = personal_key(INTERNAL_USER, Policy(key_defaults=json(max_budget=2, duration="7d")))
    assert made is not None
    assert (made.max_budget, made.budget_duration) == (Decimal(2), "7d")


@pytest.mark.parametrize(
    "policy",
    [
        Policy(personal_key_roles=("proxy_admin",)),
        Policy(key_defaults=json(max_budget=20), key_upper_bounds=json(max_budget=10)),
    ],
)
def test_who_can_make_no_key_has_none(policy: Policy) -> None:
    assert personal_key(INTERNAL_USER, policy) is None


def test_for_a_team_the_role_in_the_team_counts() -> None:
    policy = Policy(personal_key_roles=("proxy_admin",), team_key_roles=("admin",))
    for in_team, may in ((None, False), ("", True), ("user", False), ("admin", True)):
        assert (personal_key(INTERNAL_USER, policy, in_team=in_team) is not None) is may


def test_settings_that_do_not_fit_are_told() -> None:
    with pytest.raises(InvalidRequest, match="default_key_generate_params"):
        personal_key(INTERNAL_USER, Policy(key_defaults=json(max_budget="much")))
