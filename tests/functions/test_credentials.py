"""Credentials: values that several deployments share."""

from typing import Any

import pytest

from functions import credentials, stored_models
from schema.errors.requests import InvalidRequest, UnsupportedParameter
from schema.errors.rows import Conflict, NotFound
from schema.secret import Secret
from tests.functions.governed import House, in_house
from tests.functions.registered import KEY, STORING, Registered, registered

BASE = "http://gpu-1:8000/v1"
SHARED = {"credential_name": "eu", "credential_values": {"api_key": KEY, "api_base": BASE}}


async def made(house: House, **more: Any) -> None:
    await house.call(credentials.new, {**SHARED, **more})


async def a_model(house: House, **params: Any) -> str:
    body = {
        "model_name": "m",
        "litellm_params": {"model": "openai/gpt-4o", "litellm_credential_name": "eu", **params},
    }
    return (await house.call(stored_models.new, body)).model_id


def key_and_base(found: Registered) -> tuple[str | None, str]:
    target = found.models.of_team(None).target("m", allowed=(), roll=0.0)
    return None if target.api_key is None else target.api_key.reveal(), target.api_base


def test_a_model_has_the_values_of_the_credential_that_it_names(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        found = registered(house)
        await made(house)
        await a_model(house)
        assert key_and_base(found) == (KEY, BASE)
        done = await house.call(
            credentials.update, {"credential_name": "eu", "credential_values": {"api_key": f"{KEY}-2"}}
        )
        assert (done.success, done.cleared_values) == (True, [])
        assert key_and_base(found) == (f"{KEY}-2", BASE)

    in_house(postgres_dsn, scenario)


def test_values_are_masked_wherever_they_are_shown(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        registered(house)
        await made(house, credential_info={"custom_llm_provider": "openai"})
        id = await a_model(house)
        for shown in (
            (await house.call(credentials.list_credentials)).credentials[0],
            await house.call(credentials.by_name, {"credential_name": "eu"}),
        ):
            assert shown.credential_name == "eu"
            assert shown.credential_values == {"api_key": "****wxyz", "api_base": BASE}
            assert shown.credential_info == {"custom_llm_provider": "openai"}
        await house.call(stored_models.patch, {"model_id": id, "litellm_params": {"rpm": 5}})
        assert (await house.call(credentials.by_model, {"model_id": id})).credential_values == {}
        stored = await house.database.pool.fetchval(
            'SELECT credential_values::text FROM "LiteLLM_CredentialsTable"'
        )
        assert KEY not in stored
        assert BASE not in stored
        audit = await house.database.pool.fetchval(
            "SELECT string_agg(concat(before_value, updated_values), ' ') FROM \"LiteLLM_AuditLog\""
        )
        assert KEY not in audit
        assert "sealed:" not in audit

    in_house(postgres_dsn, scenario)


def test_a_credentials_key_goes_to_its_own_address_alone(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        found = registered(house)
        await made(house)
        id = await a_model(house)
        with pytest.raises(InvalidRequest, match="api_base: differs from the credential's"):
            await a_model(house, api_base="http://evil.example/v1")
        with pytest.raises(InvalidRequest, match="api_base: differs from the credential's"):
            await house.call(
                stored_models.patch,
                {"model_id": id, "litellm_params": {"api_base": "http://evil.example/v1"}},
            )
        done = await house.call(
            credentials.update,
            {"credential_name": "eu", "credential_values": {"api_base": "http://gpu-2:8000/v1"}},
        )
        assert done.cleared_values == ["api_key"]
        assert key_and_base(found) == (None, "http://gpu-2:8000/v1")

    in_house(postgres_dsn, scenario)


def test_a_credential_that_a_model_names_stays(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        registered(house)
        await made(house)
        id = await a_model(house)
        with pytest.raises(Conflict, match=id):
            await house.call(credentials.delete, {"credential_name": "eu"})
        await house.call(stored_models.delete, {"id": id})
        await house.call(credentials.delete, {"credential_name": "eu"})
        assert (await house.call(credentials.list_credentials)).credentials == []
        for function, body in (
            (credentials.by_name, {"credential_name": "eu"}),
            (credentials.update, {"credential_name": "eu"}),
            (credentials.delete, {"credential_name": "eu"}),
            (credentials.by_model, {"model_id": "nosuch"}),
        ):
            with pytest.raises(NotFound):
                await house.call(function, body)

    in_house(postgres_dsn, scenario)


def test_a_credential_of_the_file_is_shown_and_changed_in_the_file(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        values = {"api_key": "os.environ/EU_KEY", "api_base": BASE}
        document = {**STORING, "credential_list": [{"credential_name": "eu", "credential_values": values}]}
        found = registered(house, document, {"EU_KEY": KEY})
        await a_model(house)
        assert key_and_base(found) == (KEY, BASE)
        (shown,) = (await house.call(credentials.list_credentials)).credentials
        assert shown.credential_values == {"api_key": "****wxyz", "api_base": BASE}
        with pytest.raises(Conflict):
            await made(house)
        with pytest.raises(InvalidRequest, match="config file"):
            await house.call(credentials.delete, {"credential_name": "eu"})

    in_house(postgres_dsn, scenario)


def test_a_credential_can_be_made_of_a_stored_model(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        found = registered(house)
        first = {
            "model_name": "first",
            "litellm_params": {"model": "openai/x", "api_key": KEY, "api_base": BASE},
        }
        id = (await house.call(stored_models.new, first)).model_id
        await house.call(credentials.new, {"credential_name": "eu", "model_id": id})
        await a_model(house)
        assert key_and_base(found) == (KEY, BASE)
        with pytest.raises(NotFound):
            await house.call(credentials.new, {"credential_name": "us", "model_id": "nosuch"})

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"credential_values": {"model": "openai/x"}}, "credential_values.model"),
        ({"credential_values": {"temperature": 1}}, "credential_values.temperature"),
        ({"credential_values": {"api_base": "http://[fe80::1]/v1"}}, "api_base"),
        ({"credential_values": {"api_key": "os.environ/PATH"}}, "api_env_allowlist"),
        ({"credential_values": None}, "credential_values"),
        ({"credential_name": ""}, "credential_name"),
        ({"credential_name": "a\nb"}, "credential_name"),
        ({"display_name": "x"}, "display_name"),
    ],
)
def test_what_no_credential_can_have_is_refused_by_name(
    postgres_dsn: str, body: dict[str, Any], says: str
) -> None:
    async def scenario(house: House) -> None:
        registered(house)
        with pytest.raises((InvalidRequest, UnsupportedParameter), match=says):
            await made(house, **body)

    in_house(postgres_dsn, scenario)


def test_a_models_own_key_does_not_follow_its_credential_to_another_address(postgres_dsn: str) -> None:
    """Whoever changes a credential can't read the key that a model has beside the credential's address."""

    async def scenario(house: House) -> None:
        found = registered(house)
        at_home = {"credential_name": "eu", "credential_values": {"api_base": BASE}}
        await house.call(credentials.new, at_home)
        id = await a_model(house, api_key=KEY)
        assert key_and_base(found) == (KEY, BASE)
        with pytest.raises(InvalidRequest, match="names a credential"):
            await house.call(credentials.new, {"credential_name": "copy", "model_id": id})
        unmoved = {
            "credential_name": "eu",
            "credential_values": {"api_base": f"{BASE}/", "organization": "o"},
        }
        assert (await house.call(credentials.update, unmoved)).cleared_models == []
        assert key_and_base(found) == (KEY, BASE)
        moved = {"credential_name": "eu", "credential_values": {"api_base": "http://gpu-2:8000/v1"}}
        assert (await house.call(credentials.update, moved)).cleared_models == [id]
        assert key_and_base(found) == (None, "http://gpu-2:8000/v1")
        again = {"model_id": id, "litellm_params": {"api_key": f"{KEY}-2"}}
        await house.call(stored_models.patch, again)
        assert key_and_base(found) == (f"{KEY}-2", "http://gpu-2:8000/v1")

    in_house(postgres_dsn, scenario)


def test_a_credential_made_in_the_place_of_one_that_left_the_file_gets_no_models_key(
    postgres_dsn: str,
) -> None:
    async def scenario(house: House) -> None:
        values = {"credential_name": "eu", "credential_values": {"api_base": BASE}}
        registered(house, {**STORING, "credential_list": [values]})
        id = await a_model(house, api_key=KEY)
        found = registered(house)  # started again, with a file that lacks the credential
        await found.live.refresh()
        evil = {"credential_name": "eu", "credential_values": {"api_base": "http://evil.example/v1"}}
        with pytest.raises(InvalidRequest, match="api_key"):
            await house.call(credentials.new, evil)  # openai asks for a key, and the model has none any more
        near = {"credential_name": "eu", "credential_values": {"api_base": "http://gpu-9:8000/v1"}}
        await house.call(credentials.new, near)
        assert key_and_base(found) == (None, "http://gpu-9:8000/v1")
        stored = await house.database.pool.fetchval(
            'SELECT litellm_params::text FROM "LiteLLM_ProxyModelTable" WHERE model_id = $1', id
        )
        assert "api_key" not in stored

    in_house(postgres_dsn, scenario)


async def row_of(house: House, table: str, column: str) -> str:
    found: str = await house.database.pool.fetchval(f'SELECT {column}::text FROM "{table}"')
    return found


def test_what_another_salt_key_sealed_is_told_and_never_overwritten(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        registered(house)
        await made(house)
        id = await a_model(house, api_key=KEY)
        credential = await row_of(house, "LiteLLM_CredentialsTable", "credential_values")
        model = await row_of(house, "LiteLLM_ProxyModelTable", "litellm_params")
        found = registered(house, salt_key=Secret("another-salt-key-of-the-tests"))
        await found.live.refresh()
        (shown,) = (await house.call(credentials.list_credentials)).credentials
        assert shown.credential_values == {}
        assert "sealed under the salt key" in (shown.flaw or "")
        assert any("sealed under the salt key" in each for each in found.live.in_force.checked.skipped)
        for function, body in (
            (
                credentials.update,
                {"credential_name": "eu", "credential_values": {"api_key": "new-key-of-eu"}},
            ),
            (stored_models.patch, {"model_id": id, "litellm_params": {"rpm": 5}}),
            (credentials.new, {"credential_name": "copy", "model_id": id}),
        ):
            with pytest.raises(Conflict, match="can't be read, since it was sealed under another salt key"):
                await house.call(function, body)
        await house.call(
            credentials.update, {"credential_name": "eu", "credential_info": {"description": "x"}}
        )
        await house.call(stored_models.block, {"id": id})
        await house.call(stored_models.unblock, {"id": id})
        await house.call(stored_models.patch, {"model_id": id, "model_name": "renamed"})
        assert await row_of(house, "LiteLLM_CredentialsTable", "credential_values") == credential
        assert await row_of(house, "LiteLLM_ProxyModelTable", "litellm_params") == model
        right = registered(house)  # the salt key is found again
        await right.live.refresh()
        (target,) = right.models.registry.targets("renamed", allowed=())
        assert target.api_key is not None
        assert target.api_key.reveal() == KEY

    in_house(postgres_dsn, scenario)


def test_what_is_sent_again_whole_is_sealed_under_the_new_salt_key(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        registered(house)
        await made(house)
        id = await a_model(house)
        found = registered(house, salt_key=Secret("another-salt-key-of-the-tests"))
        await found.live.refresh()
        (reason,) = found.live.in_force.checked.skipped
        assert reason.startswith(
            f"model {id}: litellm_params.litellm_credential_name: the credential can't be"
        )
        values = {"api_key": f"{KEY}-2", "api_base": BASE}
        await house.call(credentials.update, {"credential_name": "eu", "credential_values": values})
        assert key_and_base(found) == (f"{KEY}-2", BASE)
        (shown,) = (await house.call(credentials.list_credentials)).credentials
        assert shown.flaw is None

    in_house(postgres_dsn, scenario)


def test_a_model_of_the_file_follows_the_stored_credential_that_it_names(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        params = {"model": "openai/gpt-4o", "litellm_credential_name": "eu"}
        document = {**STORING, "model_list": [{"model_name": "m", "litellm_params": params}]}
        found = registered(house, document)
        assert "there is no credential" in found.live.in_force.checked.skipped[0]
        await made(house)
        assert key_and_base(found) == (KEY, BASE)
        with pytest.raises(Conflict, match=r"model_list\[0\] has this credential"):
            await house.call(credentials.delete, {"credential_name": "eu"})
        moved = {"api_base": "http://gpu-2:8000/v1"}
        with pytest.raises(
            InvalidRequest, match="api_key"
        ):  # the key went with the address, and openai asks for one
            await house.call(
                credentials.update,
                {"credential_name": "eu", "credential_values": {"api_base": "http://evil.example/v1"}},
            )
        done = await house.call(credentials.update, {"credential_name": "eu", "credential_values": moved})
        assert done.cleared_values == ["api_key"]
        assert key_and_base(found) == (None, "http://gpu-2:8000/v1")

    in_house(postgres_dsn, scenario)
