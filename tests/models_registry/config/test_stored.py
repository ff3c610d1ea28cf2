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


NEAR = {"model": "hosted_vllm/llama", "api_base": "http://10.0.0.66:8000/v1"}
VLLM_KEY = {"HOSTED_VLLM_API_KEY": "sk-the-houses-own"}


def test_the_environments_key_goes_to_no_near_address_that_was_entered_through_the_api() -> None:
    of_stored = checked(stored(model_name="own", litellm_params=NEAR), env=VLLM_KEY)
    of_file = {"model": "hosted_vllm/llama", "litellm_credential_name": "theirs"}
    named = {"model_name": "own", "litellm_params": of_file}
    entered = StoredCredential(id="c", name="theirs", values={"api_base": NEAR["api_base"]})
    of_credential = check({"model_list": [named]}, VLLM_KEY, stored=Stored(credentials=(entered,)))
    known = checked(
        stored(model_name="own", litellm_params=NEAR),
        env={**VLLM_KEY, "HOSTED_VLLM_API_BASE": NEAR["api_base"]},
    )
    written = check({"model_list": [{"model_name": "own", "litellm_params": NEAR}]}, VLLM_KEY)
    keys = []
    for found in (of_stored, of_credential, known, written):
        (target,) = found.registry.targets("own", allowed=())
        keys.append(None if target.api_key is None else target.api_key.reveal())
    assert keys == [None, None, "sk-the-houses-own", "sk-the-houses-own"]


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
        {"metadata": {"deep": [{"token": "os.environ/OWN"}]}},
        {"some_token": "os.environ/OWN"},
        {"vertex_credentials": "/run/secrets/account.json"},
        {"aws_profile_name": "house"},
        {"aws_web_identity_token": "oidc/file/run/token"},
    ],
)
def test_a_key_of_the_file_goes_to_no_address_that_was_entered_through_the_api(own: dict[str, Any]) -> None:
    found = of_file({"api_base": "http://evil.example/v1"}, **own)
    (reason,) = found.skipped
    assert f"litellm_params.{next(iter(own))}: the file's own value goes to no address" in reason
    assert "sk-of-the-file" not in reason
    assert not found.registry.knows("m")


def test_another_name_of_a_key_is_a_key_too() -> None:
    found = of_file({"api_base": "http://evil.example"}, vertex_ai_credentials="/run/secrets/account.json")
    (reason,) = found.skipped
    assert "litellm_params.vertex_credentials: the file's own value goes to no address" in reason


@pytest.mark.parametrize("theirs", ["api_base", "base_url", "aws_bedrock_runtime_endpoint"])
@pytest.mark.parametrize("own", ["api_base", "base_url", "aws_bedrock_runtime_endpoint"])
@pytest.mark.parametrize("address", ["https://mine.example", "os.environ/UNSET"])
@pytest.mark.parametrize("model", ["openai/b", "bedrock/anthropic.claude-3-haiku-20240307-v1:0"])
def test_a_file_with_an_address_of_its_own_takes_none_of_a_stored_credential(
    theirs: str, own: str, address: str, model: str
) -> None:
    more: dict[str, Any] = {own: address, "api_key": "os.environ/OWN", "aws_region_name": "us-east-1"}
    found = of_file({theirs: "https://evil.example"}, model=model, **more)
    (reason,) = found.skipped
    assert reason.startswith(f"model_list[1].litellm_params.{own}: the stored credential has an address too")
    assert not found.registry.knows("m")


def test_what_is_no_key_may_stand_beside_a_stored_address() -> None:
    credential = {"api_base": "http://c.example/v1", "api_key": "sk-c"}
    found = of_file(credential, temperature=0.5, rpm="os.environ/RPM", api_base=None, base_url=None)
    assert found.skipped != (), "an address without a value is no default"
    found = of_file(credential, temperature=0.5, rpm="os.environ/RPM", input_cost_per_token=0.1)
    assert found.skipped == ()
    assert found.registry.targets("m", allowed=())[0].judged


GEMINI = {"model": "vertex_ai/gemini-2.0-flash", "vertex_project": "p"}
CLAUDE = {"model": "bedrock/anthropic.claude-3-haiku-20240307-v1:0", "aws_region_name": "us-east-1"}
ROLE = {**CLAUDE, "aws_role_name": "arn:aws:iam::1:role/x"}
ACCOUNT = {"type": "service_account", "project_id": "p"}
PAIR = {"aws_access_key_id": "AKIA", "aws_secret_access_key": "s"}
MACHINE = {
    "AWS_ACCESS_KEY_ID": "AKIA-house",
    "AWS_SECRET_ACCESS_KEY": "of-the-house",
    "VERTEXAI_CREDENTIALS": "/run/secrets/account.json",
}


@pytest.mark.parametrize("way", ["credential", "model"])
@pytest.mark.parametrize(
    ("params", "keys", "asked"),
    [
        (GEMINI, {"vertex_credentials": ACCOUNT}, "vertex_credentials"),
        (CLAUDE, PAIR, "aws_access_key_id"),
        (ROLE, PAIR, "aws_access_key_id"),
    ],
)
def test_the_machines_own_identity_signs_for_no_address_that_was_entered_through_the_api(
    params: dict[str, Any], keys: dict[str, Any], asked: str, way: str
) -> None:
    def found(shared: dict[str, Any]) -> Checked:
        if way == "model":
            models = (stored(model_name="m", litellm_params={**params, **shared}),)
            return check({"model_list": []}, MACHINE, stored=Stored(models=models))
        entry = {"model_name": "m", "litellm_params": {**params, "litellm_credential_name": "c"}}
        credentials = (StoredCredential(id="1", name="c", values=shared),)
        return check({"model_list": [entry]}, MACHINE, stored=Stored(credentials=credentials))

    foreign = {"api_base": "https://evil.example"}
    refused = found(foreign)
    assert refused.errors == ()
    (reason,) = refused.skipped
    assert f"litellm_params.{asked}: there is none, and the machine's own identity" in reason
    with_keys = found({**foreign, **keys}).registry.targets("m", allowed=())[0]
    assert (with_keys.judged, with_keys.signing is not None) == (True, True)
    own = found({"vertex_location": "us-east1"}).registry.targets("m", allowed=())[0]
    assert (own.judged, own.signing is not None) == (False, True)


@pytest.mark.parametrize("params", [GEMINI, CLAUDE, ROLE])
def test_the_machines_own_identity_signs_for_an_address_of_the_file(params: dict[str, Any]) -> None:
    entry = {"model_name": "m", "litellm_params": {**params, "api_base": "https://proxy.example"}}
    (target,) = check({"model_list": [entry]}, MACHINE).registry.targets("m", allowed=())
    assert (target.api_base.startswith("https://proxy.example"), target.judged) == (True, False)
    assert target.signing is not None


@pytest.mark.parametrize(
    ("credential", "params", "fits"),
    [
        ({"api_base": "https://a.example", "api_version": "1"}, {"base_url": "https://b.example"}, False),
        ({"api_base": "https://a.example"}, {"api_base": "https://b.example"}, False),
        ({"api_base": "https://a.example"}, {"api_base": "https://a.example"}, True),
        ({"api_version": "1"}, {"api_base": "https://b.example"}, True),
    ],
)
def test_a_credential_with_an_address_is_for_no_other_one_also_without_a_key(
    credential: dict[str, Any], params: dict[str, Any], fits: bool
) -> None:
    shared = {"credential_name": "c", "credential_values": credential}
    found = of_file({}, document={"credential_list": [shared]}, api_key="sk-f", **params)
    assert [each for each in found.skipped if "differs from the credential's" not in each] == []
    assert (found.skipped == ()) is fits


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
