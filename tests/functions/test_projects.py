"""Projects: parts of a team's work, with budgets of their own."""

from typing import Any

import pytest

from functions import keys, projects, teams
from functions.contract.call import Caller
from functions.contract.policy import Policy
from functions.contract.roles import INTERNAL_USER
from runtime.identity.authority import Authority, authority_of
from schema.errors.callers import NotAllowed
from schema.errors.requests import InvalidRequest, UnsupportedParameter
from schema.errors.rows import Conflict, NotFound
from schema.limits import Meter
from schema.tables.authority import AuthorityView
from tests.functions.governed import House, in_house

ALPHA = {"project_id": "alpha", "team_id": "red", "project_alias": "Alpha", "max_budget": 5}
LEAD = Caller(role=INTERNAL_USER, key_hash="e" * 8, user_id="lead", teams={"red": "admin"}, team_id="red")


async def with_teams(house: House) -> None:
    for team_id in ("red", "blue"):
        await house.call(teams.new, {"team_id": team_id, "models": ["gpt", "claude"]})


async def authority(house: House, token: str) -> Authority:
    with house.database.asking():
        row = await AuthorityView.select().where(AuthorityView.presented == token).first()
    assert row is not None
    return authority_of(row, Policy())


def test_a_project_is_made_changed_shown_and_deleted(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await with_teams(house)
        made = await house.call(projects.new, ALPHA)
        assert made.litellm_budget_table is not None
        assert (made.team_id, made.project_alias) == ("red", "Alpha")
        assert made.litellm_budget_table.max_budget == 5
        changed = await house.call(
            projects.update, {"project_id": "alpha", "max_budget": 7, "models": ["gpt"]}
        )
        assert changed.litellm_budget_table is not None
        assert changed.models == ["gpt"]
        assert changed.litellm_budget_table.max_budget == 7
        assert await house.call(projects.info, {"project_id": "alpha"}) == changed
        other = await house.call(projects.new, {"team_id": "blue"})
        assert {each.project_id for each in await house.call(projects.list_projects)} == {
            "alpha",
            other.project_id,
        }
        of_red = await house.call(projects.list_projects, {"team_id": "red"})
        assert [each.project_id for each in of_red] == ["alpha"]
        await house.call(projects.delete, {"project_ids": ["alpha"]})
        for function in (projects.info,):
            with pytest.raises(NotFound):
                await house.call(function, {"project_id": "alpha"})
        with pytest.raises(NotFound):
            await house.call(projects.update, {"project_id": "alpha", "max_budget": 1})

    in_house(postgres_dsn, scenario)


def test_a_key_in_a_project_has_its_budget_and_its_models(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await with_teams(house)
        await house.call(projects.new, {**ALPHA, "models": ["gpt"], "rpm_limit": 9})
        made = await house.call(keys.generate, {"team_id": "red", "project_id": "alpha"})
        assert made.project_id == "alpha"
        await house.call(keys.generate, {"team_id": "red"})
        listed = await house.call(keys.list_keys, {"project_id": "alpha"})
        assert listed.keys == [made.token]
        found = await authority(house, made.token)
        caller = found.caller
        assert caller is not None
        assert caller.project_id == "alpha"
        rules = {rule.account: rule for rule in caller.rules}
        assert rules["money:project:alpha"].limit == 5_000_000_000
        holder = rules["money:project:alpha"].holder
        assert (holder.kind, holder.object_id) == ("project", "alpha")
        assert rules["rpm:project:alpha"].meter is Meter.REQUESTS
        assert ("project", ("gpt",)) in [(each.level, each.names) for each in caller.models]
        assert {"project:alpha", "team:red"} <= found.topics
        await house.call(projects.update, {"project_id": "alpha", "blocked": True})
        blocked = await authority(house, made.token)
        assert blocked.caller is None
        assert "project" in str(blocked.refusal)

    in_house(postgres_dsn, scenario)


def test_a_key_is_in_a_project_of_its_own_team_alone(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await with_teams(house)
        await house.call(projects.new, ALPHA)
        await house.call(projects.new, {"project_id": "beta", "team_id": "blue"})
        for body in (
            {"project_id": "alpha"},
            {"project_id": "alpha", "team_id": "blue"},
            {"project_id": "nosuch", "team_id": "red"},
        ):
            with pytest.raises(InvalidRequest, match="project_id"):
                await house.call(keys.generate, body)
        key = (await house.call(keys.generate, {"team_id": "red", "project_id": "alpha"})).token
        with pytest.raises(InvalidRequest, match="project_id"):
            await house.call(keys.update, {"key": key, "team_id": "blue"})
        with pytest.raises(InvalidRequest, match="project_id"):
            await house.call(keys.update, {"key": key, "project_id": "beta"})
        with pytest.raises(InvalidRequest, match="project_id"):  # an empty id is no wish to leave a project
            await house.call(keys.update, {"key": key, "project_id": ""})
        await house.call(keys.update, {"key": key, "team_id": "blue", "project_id": "beta"})
        with pytest.raises(Conflict, match="in use"):
            await house.call(projects.delete, {"project_ids": ["beta"]})
        await house.call(keys.update, {"key": key, "project_id": None})
        await house.call(projects.delete, {"project_ids": ["beta"]})

    in_house(postgres_dsn, scenario)


def test_a_teams_admin_puts_keys_into_projects_and_takes_none_out(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await with_teams(house)
        await house.call(projects.new, ALPHA)
        await house.call(projects.new, {"project_id": "gamma", "team_id": "red"})
        made = await house.call(keys.generate, {"team_id": "red", "project_id": "alpha"}, by=LEAD)
        for value in (None, "gamma"):
            with pytest.raises(NotAllowed, match="project_id"):
                await house.call(keys.update, {"key": made.token, "project_id": value}, by=LEAD)
        seen = await house.call(projects.list_projects, by=LEAD)
        assert {each.project_id for each in seen} == {"alpha", "gamma"}

    in_house(postgres_dsn, scenario)


def test_a_deleted_team_takes_its_projects_along(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await with_teams(house)
        await house.call(projects.new, ALPHA)
        await house.call(keys.generate, {"team_id": "red", "project_id": "alpha"})
        await house.call(teams.delete, {"team_ids": ["red"]})
        assert await house.call(projects.list_projects) == []

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("team_id", "nosuch"),
        ("team_id", ""),
        ("project_id", "a\nb"),
        ("max_budget", -1),
        ("budget_id", "nosuch"),
        ("object_permission", {"x": 1}),
    ],
)
def test_what_no_project_can_have_is_refused_by_name(postgres_dsn: str, field: str, value: Any) -> None:
    async def scenario(house: House) -> None:
        await with_teams(house)
        body = {"project_id": "alpha", "team_id": "red", field: value}
        with pytest.raises((InvalidRequest, UnsupportedParameter), match=field.removesuffix("_id")):
            await house.call(projects.new, body)

    in_house(postgres_dsn, scenario)
