"""What is stored, merged with the config file."""

from typing import Any

import pytest

from models_registry.config.stored import Stored, StoredCredential, StoredModel, read_with_stored
from models_registry.shown_models import ShownModels
from models_registry.target import Residency
from runtime.blueprint import Checked, check
from schema.secret import Secret

FILE: dict[str, Any] = {
    "model_list": [
        {
            "model_name": "shared",
            "litellm_params": {"model": "openai/a", "api_base": "https://a.example/v1", "api_key": "none"},
        }
    ],
    "router_settings": {"num_retries": 1, "retry_after": 2},
}
PARAMS = {"model": "openai/b", "api_base": "https://b.example/v1", "api_key": "sk-stored-secret"}


def stored(**more: Any) -> StoredModel:
    return StoredModel(**{"model_id": "id-1", "model_name": "shared", "litellm_params": PARAMS, **more})


def checked(*models: StoredModel, env: dict[str, str] | None = None, **more: Any) -> Checked:
    return check(FILE, env or {}, stored=Stored(models=models, **more))


def test_stored_models_stand_behind_the_files_in_one_group() -> None:
    found = checked(stored(), stored(model_id="id-2", model_name="own"))
    targets = found.registry.targets("shared", allowed=())
    assert [(each.model, each.info.get("db_model")) for each in targets] == [("a", None), ("b", True)]
    assert found.registry.targets("own", allowed=())[0].model_id == "id-2"
    assert (found.errors, found.skipped) == ((), ())


def test_a_stored_setting_counts_before_the_files() -> None:
    found = checked(router_settings={"num_retries": 7})
    assert (found.routing.retries, found.routing.least_wait_s) == (7, 2.0)


def test_no_variable_is_looked_up_in_a_stored_setting() -> None:
    env = {"SWITCHGEAR_SALT_KEY": "the-salt-key", "OF_FILE": "7"}
    named = "os.environ/SWITCHGEAR_SALT_KEY"
    params = {"type": "redis", "host": "redis.lan", "username": named, "password": named}
    document = {**FILE, "router_settings": {"num_retries": "os.environ/OF_FILE"}}
    kept = Stored(cache_settings=params, router_settings={"model_group_alias": {"a": named}})
    found = check(document, env, stored=kept)
    assert found.routing.retries == 7, "in the file it is"
    assert found.cache.redis is not None
    assert (found.cache.redis.username, found.cache.redis.password) == (named, Secret(named))
    assert found.config.router_settings.model_group_alias == {"a": named}


@pytest.mark.parametrize(
    "wrong",
    [
        {"litellm_params": {}},
        {"litellm_params": {"model": 5}},
        {"litellm_params": {**PARAMS, "timeout": -1}},
        {"litellm_params": {**PARAMS, "input_cost_per_token": -1}},
        {"litellm_params": {**PARAMS, "api_base": "http://169.254.169.254"}},
        {"litellm_params": {**PARAMS, "api_key": "os.environ/OPENAI_API_KEY"}},
        {"model_info": {"max_call_cost": "much"}},
        {"model_info": {"mode": []}},
        {"flaw": "sealed under another salt key"},
    ],
)
def test_a_row_that_is_wrong_is_skipped_and_never_keeps_a_server_from_starting(wrong: dict[str, Any]) -> None:
    """Also what would keep it from starting if it stood in the file, such as a price that is none."""
    found = check(
        FILE,
        {"OPENAI_API_KEY": "sk-of-the-house"},
        strict=True,
        stored=Stored(models=(stored(**wrong), stored(model_id="good", model_name="good"))),
    )
    assert found.errors == ()
    (reason,) = found.skipped
    assert reason.startswith("model id-1")
    assert "sk-stored-secret" not in reason
    assert "sk-of-the-house" not in reason
    assert found.registry.knows("good")
    assert found.registry.targets("shared", allowed=())[0].model == "a"


@pytest.mark.parametrize(
    ("entry", "params", "judged"),
    [
        ({}, {"model": "openai/b", "api_key": "sk-stored-secret"}, False),
        ({}, PARAMS, True),
        ({"model_name": "m", "litellm_params": PARAMS}, None, False),
    ],
)
def test_an_address_of_the_api_is_judged_and_no_other_one(
    entry: dict[str, Any], params: dict[str, Any] | None, judged: bool
) -> None:
    models = () if params is None else (stored(model_name="m", litellm_params=params),)
    found = check({"model_list": [entry] if entry else []}, {}, stored=Stored(models=models))
    assert found.registry.target("m", allowed=(), roll=0.0).judged is judged


def test_the_files_id_counts_before_a_stored_one() -> None:
    entry = {**FILE["model_list"][0], "model_info": {"id": "id-1"}}
    found = check({"model_list": [entry]}, {}, stored=Stored(models=(stored(),)))
    assert len(found.registry.targets("shared", allowed=())) == 1
    assert "model_list[0]" in found.skipped[0]


def test_a_stored_value_names_a_variable_of_the_list_alone() -> None:
    document = {**FILE, "general_settings": {"api_env_allowlist": ["TEAM_KEY", "SWITCHGEAR_MASTER_KEY"]}}
    env = {"TEAM_KEY": "sk-team", "SWITCHGEAR_MASTER_KEY": "sk-master", "OTHER": "sk-other"}

    def key_of(value: str) -> str | None:
        model = stored(model_name="m", litellm_params={**PARAMS, "api_key": value})
        found = check(document, env, stored=Stored(models=(model,)))
        if found.skipped:
            return None
        key = found.registry.targets("m", allowed=())[0].api_key
        return None if key is None else key.reveal()

    assert key_of("os.environ/TEAM_KEY") == "sk-team"
    assert key_of("os.environ/OTHER") is None
    assert key_of("os.environ/SWITCHGEAR_MASTER_KEY") is None


def test_a_stored_credential_has_the_same_rules() -> None:
    model = stored(model_name="m", litellm_params={"model": "openai/b", "litellm_credential_name": "c"})
    for value, skipped in (("sk-c", 0), ("os.environ/OTHER", 1)):
        values = {"api_key": value, "api_base": "http://c/v1"}
        credential = StoredCredential(id="1", name="c", values=values)
        found = checked(model, env={"OTHER": "sk-other"}, credentials=(credential,))
        assert len(found.skipped) == skipped


def test_nothing_of_a_stored_value_is_in_its_repr() -> None:
    model = stored()
    credential = StoredCredential(id="1", name="c", values={"api_key": "sk-stored-secret"})
    for each in (model, credential, Stored(models=(model,), credentials=(credential,))):
        assert "secret" not in repr(each)


def test_a_teams_own_access_groups_give_nobody_anything() -> None:
    """Else a team's admin could put a name into a group by which other keys may call everybody's model."""
    model = stored(model_info={"team_id": "red", "access_groups": ["beta"]})
    config = read_with_stored(FILE, {}, Stored(models=(model,)))
    assert config.deployments[1].entry.model_info.access_groups == ["beta"]
    cards = ShownModels(checked(model).registry).group_cards(allowed=(), more=())
    assert cards == []


def of_file(credential: dict[str, Any], *, document: dict[str, Any] | None = None, **params: Any) -> Checked:
    """A model of the file that names a stored credential with these values."""
    entry = {
        "model_name": "m",
        "litellm_params": {"model": "openai/b", "litellm_credential_name": "c", **params},
    }
    env = {"OWN": "sk-of-the-file", "OPENAI_API_KEY": "sk-of-the-house"}
    shared = StoredCredential(id="1", name="c", values=credential)
    file = {"model_list": [*FILE["model_list"], entry], **(document or {})}
    return check(file, env, stored=Stored(credentials=(shared,)))


@pytest.mark.parametrize(
    ("credential", "params", "key", "address", "judged"),
    [
        ({"api_key": "sk-c", "api_base": "http://c.example/v1"}, {}, "sk-c", "http://c.example/v1", True),
        ({"api_base": "http://c.example/v1", "api_key": "none"}, {}, "none", "http://c.example/v1", True),
        ({"api_key": "sk-c"}, {}, "sk-c", "https://api.openai.com/v1", False),
        ({"api_key": "sk-c"}, {"api_base": "http://own.example"}, None, "", False),
        (
            {"api_version": "1"},
            {"api_base": "http://own.example", "api_key": "os.environ/OWN"},
            "sk-of-the-file",
            "http://own.example",
            False,
        ),
        ({"api_version": "1"}, {}, "sk-of-the-house", "https://api.openai.com/v1", False),
    ],
)
def test_a_model_of_the_file_has_a_stored_credential_whose_address_is_judged(
    credential: dict[str, Any], params: dict[str, Any], key: str | None, address: str, judged: bool
) -> None:
    found = of_file(credential, **params)
    if not address:
        (reason,) = found.skipped
        assert "differs from the credential's" in reason
        return
    assert (found.errors, found.skipped) == ((), ())
    (target,) = found.registry.targets("m", allowed=())
    assert (target.api_base, target.judged) == (address, judged)
    assert (None if target.api_key is None else target.api_key.reveal()) == key


@pytest.mark.parametrize(
    "own",
    [
        {"api_key": "os.environ/OWN"},
        {"extra_headers": {"x-api-key": "os.environ/OWN"}},
        {"headers": {"x": "y"}},
        {"extra_body": {"token": "os.environ/OWN"}},
    ],
)
def test_a_key_of_the_file_goes_to_no_address_that_was_entered_through_the_api(own: dict[str, Any]) -> None:
    found = of_file({"api_base": "http://evil.example/v1"}, **own)
    (reason,) = found.skipped
    assert f"litellm_params.{next(iter(own))}: the file's own value goes to no address" in reason
    assert "sk-of-the-file" not in reason
    assert not found.registry.knows("m")


@pytest.mark.parametrize(
    ("credential", "says"),
    [
        ({"api_base": "http://169.254.169.254/v1", "api_key": "sk-c"}, "metadata"),
        ({"api_key": "os.environ/OWN"}, "the credential can't be used"),
        ({"input_cost_per_token": 1}, "which no credential can have"),
    ],
)
def test_a_wrong_stored_credential_makes_the_files_model_one_that_is_skipped(
    credential: dict[str, Any], says: str
) -> None:
    found = of_file(credential)
    assert found.errors == ()
    (reason,) = found.skipped
    assert reason.startswith("model_list[1].")
    assert says in reason


def test_residency_of_the_files_model_holds_at_a_stored_address() -> None:
    away = of_file({"api_base": "http://8.8.8.8/v1", "api_key": "none"}, residency="local")
    assert "local stands at a public address" in away.skipped[0]
    near = of_file({"api_base": "http://10.0.0.8/v1", "api_key": "none"}, residency="local")
    (target,) = near.registry.targets("m", allowed=())
    assert (target.residency, target.judged) == (Residency.LOCAL, True)


def test_a_credential_of_the_file_counts_before_a_stored_one() -> None:
    shared = {
        "credential_name": "c",
        "credential_values": {"api_base": "http://f.example/v1", "api_key": "none"},
    }
    found = of_file(
        {"api_base": "http://c.example/v1", "api_key": "sk-c"}, document={"credential_list": [shared]}
    )
    (target,) = found.registry.targets("m", allowed=())
    assert (target.api_base, target.judged) == ("http://f.example/v1", False)


def test_a_model_of_the_file_without_its_credential_is_skipped() -> None:
    document = {
        "model_list": [
            {"model_name": "m", "litellm_params": {"model": "openai/b", "litellm_credential_name": "c"}}
        ]
    }
    (reason,) = check(document, {}, stored=Stored(models=(stored(),))).skipped
    assert "there is no credential of this name" in reason
