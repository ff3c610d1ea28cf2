"""Models that are stored: made, changed, blocked and deleted while calls go on."""

import json
from typing import Any

import pytest

from functions import model_info, models, stored_models, teams
from functions.contract.call import Caller
from functions.contract.roles import INTERNAL_USER
from schema.errors.callers import NotAllowed
from schema.errors.models import ModelInError, ModelNotFound
from schema.errors.requests import InvalidRequest, UnsupportedParameter
from schema.errors.rows import AlreadyExists, NotFound
from tests.functions.governed import House, in_house
from tests.functions.registered import KEY, LEAD, PARAMS, STORING, registered

OTHER = Caller(role=INTERNAL_USER, key_hash="f" * 8, user_id="other", teams={"blue": "admin"}, team_id="blue")


async def made(house: House, name: str = "m", **more: Any) -> str:
    """Store a model, and give its id."""
    body = {"model_name": name, "litellm_params": PARAMS, **more}
    return (await house.call(stored_models.new, body)).model_id


def test_a_stored_model_can_be_called_at_once_and_its_key_is_not_shown(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        found = registered(house)
        shown = await house.call(
            stored_models.new,
            {"model_name": "m", "litellm_params": PARAMS, "model_info": {"description": "d"}},
        )
        target = found.models.of_team(None).target("m", allowed=(), roll=0.0)
        assert (target.model_id, target.model) == (shown.model_id, "gpt-4o")
        assert target.api_key is not None
        assert target.api_key.reveal() == KEY
        assert target.price is not None, "it has the list price, as a model of the file has"
        assert shown.litellm_params == {"model": "openai/gpt-4o", "api_key": "****wxyz"}
        assert shown.model_info == {"description": "d", "id": shown.model_id, "db_model": True}
        assert (shown.created_by, shown.blocked) == ("default_user_id", False)

    in_house(postgres_dsn, scenario)


def test_a_stored_model_is_sealed_and_the_audit_log_has_nothing_of_it(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        registered(house)
        id = await made(house)
        await house.call(
            stored_models.patch, {"model_id": id, "litellm_params": {"api_key": f"{KEY}-2", "rpm": 5}}
        )
        row = await house.database.pool.fetchrow(
            'SELECT litellm_params::text AS params, model_name FROM "LiteLLM_ProxyModelTable"'
        )
        params = json.loads(row["params"])
        assert (params["model"], params["rpm"], row["model_name"]) == ("openai/gpt-4o", 5, "m")
        assert params["api_key"].startswith("sealed:")
        assert KEY not in row["params"]
        audit = await house.database.pool.fetch(
            "SELECT action, object_id, changed_by, concat(before_value, updated_values) AS told"
            " FROM \"LiteLLM_AuditLog\" WHERE table_name = 'LiteLLM_ProxyModelTable' ORDER BY updated_at"
        )
        assert [(each["action"], each["object_id"], each["changed_by"]) for each in audit] == [
            ("created", id, "default_user_id"),
            ("updated", id, "default_user_id"),
        ]
        for each in audit:
            assert KEY not in each["told"], "an audit row is for ever"
            assert "sealed:" not in each["told"], "a sealed value too"
            assert "(sealed " in each["told"], "that a value changed is told"

    in_house(postgres_dsn, scenario)


def test_a_change_keeps_what_it_does_not_name(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        found = registered(house)
        id = await made(house, model_info={"description": "d"})
        before = await house.database.pool.fetchval(
            "SELECT litellm_params->>'api_key' FROM \"LiteLLM_ProxyModelTable\""
        )
        changed = await house.call(
            stored_models.update,
            {"model_info": {"id": id, "mode": "chat"}, "litellm_params": {"temperature": 0.5}},
        )
        assert changed.litellm_params == {
            "model": "openai/gpt-4o",
            "api_key": "****wxyz",
            "temperature": 0.5,
        }
        assert changed.model_info == {"description": "d", "mode": "chat", "id": id, "db_model": True}
        after = await house.database.pool.fetchval(
            "SELECT litellm_params->>'api_key' FROM \"LiteLLM_ProxyModelTable\""
        )
        assert after == before, "a value that did not change keeps its sealed text"
        renamed = await house.call(stored_models.patch, {"model_id": id, "model_name": "n"})
        assert renamed.model_name == "n"
        with pytest.raises(ModelNotFound):
            found.models.of_team(None).target("m", allowed=(), roll=0.0)
        gone = await house.call(
            stored_models.patch, {"model_id": id, "litellm_params": {"temperature": None}}
        )
        assert "temperature" not in gone.litellm_params

    in_house(postgres_dsn, scenario)


def test_a_masked_value_that_is_sent_back_changes_nothing(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        found = registered(house)
        id = await made(house)
        shown = await house.call(stored_models.patch, {"model_id": id, "litellm_params": {"rpm": 9}})
        again = await house.call(
            stored_models.patch, {"model_id": id, "litellm_params": dict(shown.litellm_params)}
        )
        assert again.litellm_params == shown.litellm_params
        target = found.models.of_team(None).target("m", allowed=(), roll=0.0)
        assert target.api_key is not None
        assert target.api_key.reveal() == KEY
        with pytest.raises(InvalidRequest, match="masked"):
            await house.call(stored_models.patch, {"model_id": id, "litellm_params": {"api_key": "****0000"}})

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize(
    "change",
    [
        {"api_base": "http://gpu-2:8000/v1"},
        {"api_base": None},
        {"model": "hosted_vllm/gpt-4o"},
        {"custom_llm_provider": "hosted_vllm"},
    ],
)
def test_a_key_does_not_go_to_another_address(postgres_dsn: str, change: dict[str, Any]) -> None:
    """Whoever may change a model and may not read its key can't send the key to an address of his own."""

    async def scenario(house: House) -> None:
        found = registered(house, env={"OPENAI_API_KEY": "sk-of-the-environment"})
        params = {
            **PARAMS,
            "api_base": "http://gpu-1:8000/v1",
            "extra_headers": {"x-token": "h-secret"},
            "temperature": 0.1,
        }
        id = await made(house, litellm_params=params)
        changed = await house.call(stored_models.patch, {"model_id": id, "litellm_params": change})
        assert changed.cleared_params == ["api_key", "extra_headers"]
        target = found.models.of_team(None).target("m", allowed=(), roll=0.0)
        assert target.api_key is None or target.api_key.reveal() != KEY
        assert target.headers == {}
        assert "temperature" in target.params
        both = {"model_id": id, "litellm_params": {"api_base": "http://gpu-3:8000/v1", "api_key": f"{KEY}-3"}}
        assert (await house.call(stored_models.patch, both)).cleared_params == []
        target = found.models.of_team(None).target("m", allowed=(), roll=0.0)
        assert target.api_key is not None
        assert target.api_key.reveal() == f"{KEY}-3"

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"model": "nosuch/x"}, "litellm_params.model: names no provider"),
        ({**PARAMS, "api_base": "http://169.254.169.254/v1"}, "litellm_params.api_base"),
        ({**PARAMS, "api_base": "gopher://x"}, "litellm_params.api_base"),
        ({**PARAMS, "api_key": "os.environ/OPENAI_API_KEY"}, "api_env_allowlist"),
        ({**PARAMS, "extra_headers": {"x": "os.environ/OPENAI_API_KEY"}}, "api_env_allowlist"),
        ({**PARAMS, "stop": ["os.environ/OPENAI_API_KEY"]}, "api_env_allowlist"),
        ({**PARAMS, "ssl_certificate": "/etc/passwd"}, "ssl_certificate: a file"),
        ({**PARAMS, "ssl_verify": "/etc/passwd"}, "ssl_verify: a file"),
        ({**PARAMS, "timeout": "soon"}, "litellm_params.timeout"),
        ({**PARAMS, "input_cost_per_token": -1}, "input_cost_per_token"),
        ({**PARAMS, "api_key": 5}, "litellm_params.api_key"),
        ({**PARAMS, "litellm_credential_name": "nosuch"}, "there is no credential"),
        ({"api_key": KEY}, "litellm_params"),
        ({**PARAMS, **{f"x{place}": 1 for place in range(300)}}, "at most 200 names"),
        ({**PARAMS, "x": "y" * 70_000}, "bytes of JSON"),
    ],
)
def test_what_could_not_be_in_force_is_refused_whole(
    postgres_dsn: str, params: dict[str, Any], says: str
) -> None:
    async def scenario(house: House) -> None:
        found = registered(house, env={"OPENAI_API_KEY": "sk-of-the-environment"})
        id = await made(house)
        swaps = len(found.swaps)
        with pytest.raises(InvalidRequest, match=says) as refused:
            await house.call(stored_models.new, {"model_name": "n", "litellm_params": params})
        assert KEY not in refused.value.message
        assert "sk-of-the-environment" not in refused.value.message
        missing = {} if "model" in params else {"model": None}
        with pytest.raises(InvalidRequest, match=says):
            await house.call(stored_models.patch, {"model_id": id, "litellm_params": {**params, **missing}})
        assert len(found.swaps) == swaps, "the old registry stays"
        assert await house.database.pool.fetchval('SELECT count(*) FROM "LiteLLM_ProxyModelTable"') == 1

    in_house(postgres_dsn, scenario)


def test_a_variable_of_the_allow_list_may_be_named_and_the_gateways_own_never(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        names = ["TEAM_KEY", "SWITCHGEAR_SALT_KEY", "LITELLM_MASTER_KEY", "DATABASE_URL"]
        document = {
            **STORING,
            "general_settings": {"store_model_in_db": True, "api_env_allowlist": names},
        }
        found = registered(house, document, dict.fromkeys(names, "sk-value"))
        await made(house, litellm_params={**PARAMS, "api_key": "os.environ/TEAM_KEY"})
        target = found.models.of_team(None).target("m", allowed=(), roll=0.0)
        assert target.api_key is not None
        assert target.api_key.reveal() == "sk-value"
        for name in names[1:]:
            with pytest.raises(InvalidRequest, match=name):
                await made(house, "n", litellm_params={**PARAMS, "api_key": f"os.environ/{name}"})

    in_house(postgres_dsn, scenario)


def test_where_models_are_not_stored_the_answer_says_what_to_set(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        silent = {"model_list": STORING["model_list"]}
        refusing = {**silent, "general_settings": {"store_model_in_db": False}}
        for document, env in (
            (refusing, {"STORE_MODEL_IN_DB": "True"}),
            (silent, {"STORE_MODEL_IN_DB": "False"}),
        ):
            found = registered(house, document, env)
            with pytest.raises(InvalidRequest, match="store_model_in_db"):
                await made(house)
            assert found.swaps == []
        registered(house, silent)
        await made(house)
        registered(house, salted=False)
        with pytest.raises(InvalidRequest, match="SWITCHGEAR_SALT_KEY"):
            await made(house, "n")

    in_house(postgres_dsn, scenario)


def test_an_id_is_taken_once_and_a_model_of_the_file_is_changed_in_the_file(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        entry = {"model_name": "f", "litellm_params": PARAMS, "model_info": {"id": "of-the-file"}}
        registered(house, {**STORING, "model_list": [entry]})
        await made(house, model_info={"id": "mine"})
        for id in ("mine", "of-the-file"):
            with pytest.raises(AlreadyExists, match=r"model_info\.id"):
                await made(house, "n", model_info={"id": id})
        with pytest.raises(InvalidRequest, match="config file"):
            await house.call(stored_models.delete, {"id": "of-the-file"})
        with pytest.raises(NotFound):
            await house.call(stored_models.delete, {"id": "nosuch"})
        assert (await house.call(stored_models.delete, {"id": "mine"})).message.startswith("Model: mine")
        with pytest.raises(NotFound):
            await house.call(stored_models.delete, {"id": "mine"})

    in_house(postgres_dsn, scenario)


def test_nobody_takes_the_id_of_a_model_of_the_file_that_says_none_or_can_not_be_called(
    postgres_dsn: str,
) -> None:
    """Spend, budgets, cooldowns and conversations go by the id. The lists of models show it to everybody."""

    async def scenario(house: House) -> None:
        silent = {"model_name": "f", "litellm_params": PARAMS}
        broken = {"model_name": "g", "litellm_params": {"model": "openai/x", "timeout": "soon"}}
        document = {**STORING, "model_list": [silent, silent, {**broken, "model_info": {"id": "broken"}}]}
        found = registered(house, document)
        await with_teams(house)
        (id, second) = (each.model_id for each in found.models.registry.everything())
        for taken in (id, second, "broken"):
            body = {"model_name": "n", "litellm_params": PARAMS, "model_info": {"id": taken}}
            with pytest.raises((AlreadyExists, InvalidRequest), match="id"):
                await house.call(stored_models.new, body)
            with pytest.raises((AlreadyExists, InvalidRequest), match="id"):
                await house.call(
                    stored_models.new, {**body, "model_info": {"id": taken, "team_id": "red"}}, by=LEAD
                )
        assert await house.database.pool.fetchval('SELECT count(*) FROM "LiteLLM_ProxyModelTable"') == 0
        await house.database.pool.execute(  # as SQL may
            'INSERT INTO "LiteLLM_ProxyModelTable" (model_id, model_name, litellm_params) '
            'VALUES ($1, \'f\', \'{"model": "openai/other", "api_key": "k"}\')',
            id,
        )
        await found.live.refresh()
        targets = found.models.registry.targets("f", allowed=())
        assert [(each.model_id, each.model) for each in targets] == [(id, "gpt-4o"), (second, "gpt-4o")]
        assert any(id in each for each in found.live.in_force.checked.skipped)

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize("field", ["model_nam", "team_id", "blocked"])
def test_a_field_that_nobody_declared_is_refused_by_name(postgres_dsn: str, field: str) -> None:
    async def scenario(house: House) -> None:
        registered(house)
        with pytest.raises(UnsupportedParameter, match=field):
            await house.call(stored_models.new, {"model_name": "m", "litellm_params": PARAMS, field: "x"})

    in_house(postgres_dsn, scenario)


def test_a_blocked_model_is_out_of_service_until_it_is_unblocked(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        found = registered(house)
        id = await made(house)
        assert (await house.call(stored_models.block, {"id": id})).blocked
        with pytest.raises(ModelInError, match="blocked"):
            found.models.of_team(None).target("m", allowed=(), roll=0.0)
        assert found.swaps[-1].skipped == (), "nothing is wrong with it, so readiness stays healthy"
        shown = await house.call(model_info.page, {"search": "m", "modelId": id})
        assert shown.data[0].model_info["status"] == "blocked"
        await house.call(stored_models.unblock, {"id": id})
        assert found.models.of_team(None).target("m", allowed=(), roll=0.0).model_id == id

    in_house(postgres_dsn, scenario)


# Models of a team


async def with_teams(house: House) -> None:
    for team_id in ("red", "blue"):
        await house.call(teams.new, {"team_id": team_id, "team_alias": team_id})


def test_a_teams_model_is_the_teams_alone_and_hides_everybodys(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        found = registered(house)
        await with_teams(house)
        for name in ("ours", "gpt"):
            body = {"model_name": name, "litellm_params": PARAMS, "model_info": {"team_id": "red"}}
            shown = await house.call(stored_models.new, body, by=LEAD)
            assert shown.model_info["team_public_model_name"] == name
        red, blue = found.models.of_team("red"), found.models.of_team("blue")
        assert red.target("ours", allowed=(), roll=0.0).model == "gpt-4o"
        assert red.target("gpt", allowed=(), roll=0.0).model == "gpt-4o"
        assert blue.target("gpt", allowed=(), roll=0.0).model == "gpt-4"
        for seen in (blue, found.models.of_team(None)):
            with pytest.raises(ModelNotFound):
                seen.target("ours", allowed=(), roll=0.0)
        listed = {card.id for card in (await house.call(models.models, by=LEAD)).data}
        assert {"ours", "gpt", "claude"} <= listed
        assert "ours" not in {card.id for card in (await house.call(models.models, by=OTHER)).data}
        everything = (await house.call(model_info.page, {"teamId": "red"})).data
        assert sorted(each.model_name for each in everything) == ["gpt", "ours"]
        assert (await house.call(model_info.page, {"teamId": "red"}, by=OTHER)).data == []

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize(
    ("params", "info", "says"),
    [
        ({"api_base": "http://evil.example/v1"}, {}, "litellm_params.api_base"),
        ({"base_url": "http://evil.example/v1"}, {}, "litellm_params.base_url"),
        ({"extra_headers": {"x": "y"}}, {}, "litellm_params.extra_headers"),
        ({"input_cost_per_token": 0}, {}, "litellm_params.input_cost_per_token"),
        ({"litellm_credential_name": "c"}, {}, "litellm_params.litellm_credential_name"),
        ({"vertex_credentials": "{}"}, {}, "vertex_credentials"),
        ({"extra_body": {"x": 1}}, {}, "litellm_params.extra_body"),
        ({"api_key": None}, {}, "a key of its own"),
        ({"api_key": "os.environ/HOUSE_KEY"}, {}, "name a variable"),
        ({"model": "ollama/llama3"}, {}, "a local model"),
        ({}, {"free_params": ["x"]}, "model_info.free_params"),
        ({}, {"base_model": "gpt-3.5-turbo"}, "model_info.base_model"),
        ({}, {"input_cost_per_token": 0}, "model_info.input_cost_per_token"),
        ({}, {"access_groups": ["everything"]}, "model_info.access_groups"),
        ({}, {"team_id": "blue"}, "a team that you administer"),
        ({}, {"team_id": None}, "a team that you administer"),
    ],
)
def test_a_teams_admin_sets_no_address_no_price_and_no_key_of_the_house(
    postgres_dsn: str, params: dict[str, Any], info: dict[str, Any], says: str
) -> None:
    async def scenario(house: House) -> None:
        document = {
            **STORING,
            "general_settings": {"store_model_in_db": True, "api_env_allowlist": ["HOUSE_KEY"]},
        }
        registered(house, document, {"HOUSE_KEY": KEY, "OPENAI_API_KEY": KEY})
        await with_teams(house)
        mine = {"model_name": "m", "litellm_params": PARAMS, "model_info": {"team_id": "red"}}
        id = (await house.call(stored_models.new, mine, by=LEAD)).model_id
        body = {
            "model_name": "n",
            "litellm_params": {**PARAMS, **params},
            "model_info": {"team_id": "red", **info},
        }
        with pytest.raises((NotAllowed, InvalidRequest), match=says):
            await house.call(stored_models.new, body, by=LEAD)
        with pytest.raises((NotAllowed, InvalidRequest)):
            await house.call(
                stored_models.patch, {"model_id": id, "litellm_params": params, "model_info": info}, by=LEAD
            )

    in_house(postgres_dsn, scenario)


def test_a_teams_admin_reaches_the_teams_models_alone(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        registered(house)
        await with_teams(house)
        everybodys = await made(house)
        body = {"model_name": "ours", "litellm_params": PARAMS, "model_info": {"team_id": "red"}}
        mine = (await house.call(stored_models.new, body, by=LEAD)).model_id
        for id, by in ((everybodys, LEAD), (mine, OTHER)):
            for function in (stored_models.delete, stored_models.block, stored_models.unblock):
                with pytest.raises(NotFound):
                    await house.call(function, {"id": id}, by=by)
            with pytest.raises(NotFound):
                await house.call(stored_models.patch, {"model_id": id, "model_name": "x"}, by=by)
        await house.call(stored_models.delete, {"id": mine}, by=LEAD)

    in_house(postgres_dsn, scenario)


def test_a_team_has_to_exist_and_takes_its_models_along(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        found = registered(house)
        await with_teams(house)
        with pytest.raises(InvalidRequest, match="no such team"):
            await made(house, model_info={"team_id": "nosuch"})
        await made(house, model_info={"team_id": "red"})
        await house.call(teams.delete, {"team_ids": ["red"]})
        assert await house.database.pool.fetchval('SELECT count(*) FROM "LiteLLM_ProxyModelTable"') == 0
        found.live.heard("team:red")
        await found.live.refresh()
        with pytest.raises(ModelNotFound):
            found.models.of_team("red").target("m", allowed=(), roll=0.0)

    in_house(postgres_dsn, scenario)


def test_a_teams_local_model_that_is_wrong_sends_nothing_elsewhere(postgres_dsn: str) -> None:
    """A name of the team's hides everybody's model of that name also where the team's can't be called."""

    async def scenario(house: House) -> None:
        found = registered(house)
        await with_teams(house)
        body = {"model": "ollama/llama3", "api_base": "http://10.0.0.9:11434"}
        id = await made(house, "gpt", litellm_params=body, model_info={"team_id": "red"})
        await house.call(stored_models.block, {"id": id})
        with pytest.raises(ModelInError):
            found.models.of_team("red").target("gpt", allowed=(), roll=0.0)
        assert found.models.of_team(None).target("gpt", allowed=(), roll=0.0).model == "gpt-4"

    in_house(postgres_dsn, scenario)


def test_the_account_of_a_models_slots_goes_with_the_model(postgres_dsn: str) -> None:
    """It has no window whose end would delete it, and models come and go."""

    async def scenario(house: House) -> None:
        registered(house)
        ids = [await made(house, name) for name in ("m", "n")]
        for id, leased in zip(ids, (0, 1), strict=True):
            await house.database.pool.execute(
                'INSERT INTO "Switchgear_Account" (account, leased) VALUES ($1, $2)',
                f"parallel:deployment:{id}",
                leased,
            )
        for id in ids:
            await house.call(stored_models.delete, {"id": id})
        left = await house.database.pool.fetch('SELECT account FROM "Switchgear_Account"')
        assert [row["account"] for row in left] == [f"parallel:deployment:{ids[1]}"], (
            "a call is under way there"
        )

    in_house(postgres_dsn, scenario)


# The pages of models


def test_deployments_are_found_sorted_and_paged(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        registered(house)
        for name in ("b-model", "a-model", "c-model"):
            await made(house, name)
        page = await house.call(
            model_info.page, {"search": "-MODEL", "sortBy": "model_name", "size": 2, "page": 1}
        )
        assert [each.model_name for each in page.data] == ["a-model", "b-model"]
        assert (page.total_count, page.total_pages, page.current_page, page.size) == (3, 2, 1, 2)
        newest = await house.call(
            model_info.page, {"search": "-model", "sortBy": "created_at", "sortOrder": "desc"}
        )
        assert [each.model_name for each in newest.data] == ["c-model", "a-model", "b-model"]
        assert (await house.call(model_info.page, {"page": 9, "size": 50})).data == []
        for query in ({"size": 0}, {"size": 5000}, {"page": 0}):
            with pytest.raises(InvalidRequest):
                await house.call(model_info.page, query)

    in_house(postgres_dsn, scenario)
