"""Names of guardrails in rows and models: only those in force are saved."""

from typing import Any

import pytest

from functions import keys, organizations, projects, stored_models, teams, users
from schema.errors.requests import InvalidRequest
from tests.functions.governed import Case, House, cases, in_house
from tests.functions.registered import registered

DOCUMENT: dict[str, Any] = {"model_list": [], "general_settings": {"store_model_in_db": True}}
NEW = cases(
    (keys.generate, {}),
    (users.new, {"user_id": "ada"}),
    (teams.new, {"team_id": "red"}),
    (organizations.new, {"organization_alias": "acme"}),
)


@pytest.mark.parametrize("case", NEW, ids=lambda case: case[0].__module__)
def test_a_name_that_is_not_in_force_is_refused_where_it_is_saved(postgres_dsn: str, case: Case) -> None:
    function, body = case

    async def scenario(house: House) -> None:
        for given in ({"guardrails": ["pii", "gone"]}, {"metadata": {"guardrails": ["gone"]}}):
            with pytest.raises(
                InvalidRequest, match=r"no guardrail 'gone' in force; .* pii, more, other"
            ) as caught:
                await house.call(function, {**body, **given})
            assert caught.value.param == "guardrails"
        await house.call(function, {**body, "guardrails": ["more", "pii"]})

    in_house(postgres_dsn, scenario)


def test_a_change_is_checked_as_well(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        key = (await house.call(keys.generate, {})).key
        await house.call(teams.new, {"team_id": "red"})
        made = await house.call(projects.new, {"team_id": "red"})
        changes = cases(
            (keys.update, {"key": key}),
            (teams.update, {"team_id": "red"}),
            (projects.update, {"project_id": made.project_id}),
        )
        for function, body in changes:
            with pytest.raises(InvalidRequest, match="no guardrail 'gone'"):
                await house.call(function, {**body, "guardrails": ["gone"]})
            await house.call(function, {**body, "guardrails": ["pii"]})
            await house.call(function, {**body, "guardrails": []})

    in_house(postgres_dsn, scenario)


def test_a_stored_model_names_guardrails_in_force(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        registered(house, DOCUMENT)
        params = {"model": "openai/m", "api_key": "k"}
        model = {"model_name": "m", "litellm_params": {**params, "guardrails": ["gone"]}}
        with pytest.raises(InvalidRequest, match="no guardrail 'gone'") as caught:
            await house.call(stored_models.new, model)
        assert caught.value.param == "litellm_params.guardrails"
        made = await house.call(
            stored_models.new, {**model, "litellm_params": {**params, "guardrails": ["pii"]}}
        )
        change = {"model_info": {"id": made.model_id}, "litellm_params": {"guardrails": ["gone"]}}
        with pytest.raises(InvalidRequest, match="no guardrail 'gone'"):
            await house.call(stored_models.update, change)

    in_house(postgres_dsn, scenario)
