"""What users and keys may do is told with reasons, and is what the gateway goes by."""

from decimal import Decimal

import pytest

from functions import keys, organizations, permissions, teams, users
from functions.contract.call import Caller
from functions.contract.roles import INTERNAL_USER
from runtime.registry.live_models import LiveModels
from schema.errors.rows import NotFound
from schema.permissions import ModelsOfTeam, Permissions
from tests.functions.contexts import make_registry
from tests.functions.governed import Body, House, in_house

ADA = Caller(role=INTERNAL_USER, key_hash="0" * 64, user_id="ada")


async def peopled(house: House) -> None:
    """Ada, who may use all models, and is the admin of the team red, which may use gpt alone."""
    house.give(models=LiveModels(make_registry()))
    await house.call(users.new, {"user_id": "ada", "auto_create_key": False})
    await house.call(users.new, {"user_id": "bob", "auto_create_key": False, "models": ["claude"]})
    await house.call(
        teams.new,
        {
            "team_id": "red",
            "team_alias": "red",
            "models": ["gpt", "openai/*"],
            "max_budget": 5,
            "rpm_limit": 9,
        },
    )
    await house.call(teams.member_add, {"team_id": "red", "member": {"user_id": "ada", "role": "admin"}})


def in_team(found: Permissions, team_id: str | None) -> ModelsOfTeam:
    (models,) = (each for each in found.models if each.team_id == team_id)
    return models


def ids(models: ModelsOfTeam) -> set[str]:
    return {each.id for each in models.models}


def test_a_person_may_use_models_by_lists_and_by_teams_each_with_its_reason(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await peopled(house)
        found = await house.call(permissions.user, {"user_id": "ada"})
        assert (found.user_id, found.key) == ("ada", None)
        assert {"gpt", "claude", "mistral-local"} <= ids(in_team(found, None))
        assert in_team(found, None).denied == []
        red = in_team(found, "red")
        assert ids(red) == {"gpt", "openai/*"}
        assert {each.id: each.because for each in red.models}["gpt"].endswith("team: gpt")
        reasons = {each.id: each.because for each in red.denied}
        assert set(reasons) == {"claude", "mistral-local"}
        assert reasons["claude"] == "team: the list has gpt, openai/*"
        assert [(each.level, each.max_budget) for each in red.budgets if each.level == "team"] == [
            ("team", Decimal(5))
        ]
        assert ("team", "requests", 9) in [(each.level, each.meter, each.limit) for each in red.limits]
        bob = await house.call(permissions.user, {"user_id": "bob"})
        assert ids(in_team(bob, None)) == {"claude"}
        assert [each.team_id for each in bob.models] == [None]

    in_house(postgres_dsn, scenario)


def test_roles_and_accesses_say_where_they_come_from(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await peopled(house)
        await house.call(organizations.new, {"organization_id": "acme", "organization_alias": "acme"})
        member: Body = {"user_id": "ada", "role": "org_admin"}
        await house.call(organizations.member_add, {"organization_id": "acme", "member": member})
        found = await house.call(permissions.user, {"user_id": "ada"})
        assert [(each.role, each.because) for each in found.roles] == [
            ("internal_user", "the user's own role"),
            ("team_admin", "admin of the team red"),
            ("org_admin", "admin of the organization acme"),
        ]
        may = {each.access: each for each in found.may}
        assert may["keys_write"].reaches == ["mine", "organization", "team"]
        assert "team_admin: team" in may["keys_write"].because
        assert "settings_write" not in may

    in_house(postgres_dsn, scenario)


def test_who_is_blocked_may_do_nothing_and_is_told_why(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await peopled(house)
        await house.call(users.block, {"user_id": "ada"})
        found = await house.call(permissions.user, {"user_id": "ada"})
        assert (found.roles, found.may) == ([], [])
        assert "blocked" in (in_team(found, None).refusal or "")
        assert in_team(found, None).models == []

    in_house(postgres_dsn, scenario)


def test_a_key_narrows_what_its_user_and_team_may_use(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await peopled(house)
        made = await house.call(
            keys.generate,
            {
                "user_id": "ada",
                "team_id": "red",
                "models": ["gpt"],
                "allowed_routes": ["/v1/chat/completions"],
            },
        )
        found = await house.call(permissions.key, {"key": made.key})
        assert (found.user_id, found.key) == ("ada", made.token)
        assert found.routes == ["/v1/chat/completions"]
        assert ids(in_team(found, "red")) == {"gpt"}
        (why,) = (each.because for each in in_team(found, "red").denied if each.id == "openai/*")
        assert why == "key: the list has gpt"
        await house.call(keys.block, {"key": made.key})
        blocked = await house.call(permissions.key, {"key": made.token})
        assert "blocked" in (in_team(blocked, "red").refusal or "")

    in_house(postgres_dsn, scenario)


def test_somebody_elses_permissions_are_not_there(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await peopled(house)
        made = await house.call(keys.generate, {"user_id": "bob"})
        for function, body in ((permissions.user, {"user_id": "bob"}), (permissions.key, {"key": made.key})):
            with pytest.raises(NotFound):
                await house.call(function, body, ADA)
        own = await house.call(permissions.user, {}, ADA)
        assert own.user_id == "ada"

    in_house(postgres_dsn, scenario)
