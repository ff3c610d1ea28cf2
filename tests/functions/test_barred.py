"""Somebody who is kept out stays out, under whatever identity the person comes."""

from collections.abc import Iterator
from typing import Any

import pytest

from functions import scim
from functions.contract.visit import Redirect, WebPage
from functions.invitations import accept
from functions.invitations import new as invite
from functions.login import login
from functions.sso_settings import preview
from functions.users import block
from functions.users import new as new_user
from schema.errors.callers import SignInFailed
from schema.errors.rows import NotFound
from tests.fakes.entra import Entra, Person
from tests.functions.governed import House, in_house
from tests.functions.signing_in import ADA, entra_env, furnished, sign_in, user_of
from tests.functions.test_scim import ADA as TOLD
from tests.functions.test_scim import ask, patch, row, told

PASSWORD = "seven geese on a hill"


@pytest.fixture
def entra() -> Iterator[Entra]:
    with Entra().running() as tenant:
        yield tenant


@pytest.fixture
def other() -> Iterator[Entra]:
    """A second issuer, set up as a generic provider."""
    with Entra().running() as tenant:
        tenant.wrong = {"email_verified": True}
        yield tenant


def two_providers(house: House, entra: Entra, other: Entra, **sso: Any) -> None:
    env = {
        "GENERIC_CLIENT_ID": other.client_id,
        "GENERIC_CLIENT_SECRET": other.client_secret,
        "GENERIC_ISSUER": other.issuer,
    }
    other.redirect_uris.add("http://127.0.0.1:4000/sso/callback")
    furnished(house, entra, env={**entra_env(entra), **env}, **sso)


async def people(house: House) -> int:
    return int(await house.database.pool.fetchval('SELECT count(*) FROM "LiteLLM_UserTable"'))


@pytest.mark.parametrize("verified", [True, False])
def test_somebody_blocked_does_not_come_back_by_a_second_provider(
    postgres_dsn: str, entra: Entra, other: Entra, verified: bool
) -> None:
    async def scenario(house: House) -> None:
        two_providers(house, entra, other)
        other.wrong = {"email_verified": verified}
        await sign_in(house, entra)
        await house.call(block, {"user_id": (await user_of(house, ADA))["user_id"]})
        with pytest.raises(SignInFailed, match="blocked"):
            await sign_in(house, other, Person(oid="elsewhere", email=ADA.email.upper()), provider="generic")
        assert await people(house) == 1

    in_house(postgres_dsn, scenario)


def test_a_second_row_of_somebody_blocked_opens_no_session(
    postgres_dsn: str, entra: Entra, other: Entra
) -> None:
    async def scenario(house: House) -> None:
        two_providers(house, entra, other)
        elsewhere = Person(oid="elsewhere", email=ADA.email)
        await sign_in(house, entra)
        await sign_in(house, other, elsewhere, provider="generic")
        assert await people(house) == 2
        await house.call(block, {"user_id": (await user_of(house, ADA))["user_id"]})
        with pytest.raises(SignInFailed, match="blocked"):
            await sign_in(house, other, elsewhere, provider="generic")

    in_house(postgres_dsn, scenario)


def test_a_new_account_of_the_tenant_with_the_address_of_somebody_who_left_waits_for_an_admin(
    postgres_dsn: str, entra: Entra
) -> None:
    async def scenario(house: House) -> None:
        furnished(house, entra)
        id = (await told(house, scim.create_user, TOLD))["id"]
        await ask(house, scim.patch_user, patch({"op": "replace", "path": "active", "value": False}, id=id))
        with pytest.raises(SignInFailed, match="blocked"):
            await sign_in(house, entra, Person(oid="oid-new", email="ada@deeprunner.ai"))
        assert await people(house) == 1
        claims = {"sub": "x", "tid": entra.tenant_id, "oid": "oid-new", "email": "ada@deeprunner.ai"}
        assert not (await house.call(preview, {"claims": claims})).may_sign_in

    in_house(postgres_dsn, scenario)


def test_the_directory_takes_no_block_away_by_deleting_a_user_and_making_it_again(
    postgres_dsn: str, entra: Entra
) -> None:
    async def scenario(house: House) -> None:
        furnished(house, entra)
        id = (await told(house, scim.create_user, TOLD))["id"]
        await sign_in(house, entra)
        await house.call(block, {"user_id": id})
        await ask(house, scim.delete_user, {"id": id})
        assert (await told(house, scim.list_users))["totalResults"] == 0
        with pytest.raises(SignInFailed, match="blocked"):
            await sign_in(house, entra)
        again = (await told(house, scim.create_user, TOLD))["id"]
        assert (await row(house, again))["blocked"]
        with pytest.raises(SignInFailed, match="blocked"):
            await sign_in(house, entra)
        assert await people(house) == 1
        await ask(house, scim.delete_user, {"id": again})
        await house.database.pool.execute('UPDATE "LiteLLM_UserTable" SET blocked = false')
        with pytest.raises(SignInFailed, match="blocked"):
            await sign_in(house, entra)
        await told(house, scim.create_user, TOLD)
        await sign_in(house, entra)

    in_house(postgres_dsn, scenario)


def test_an_external_id_says_nothing_of_another_provider(
    postgres_dsn: str, entra: Entra, other: Entra
) -> None:
    """The issuer of a generic provider gives out any `sub`: also one that Entra calls somebody."""

    async def scenario(house: House) -> None:
        two_providers(house, entra, other, scim_provider="microsoft")
        eve = Person(oid="eve", email="eve@evil.example")
        id = (await told(house, scim.create_user, {**TOLD, "roles": [{"value": "proxy_admin"}]}))["id"]
        other.wrong = {"sub": "oid-ada"}
        await sign_in(house, other, eve, provider="generic")
        assert (await row(house, id))["sso_user_id"] is None
        found = await house.database.pool.fetchrow(
            'SELECT * FROM "LiteLLM_UserTable" WHERE sso_user_id = $1', f"{other.issuer}|oid-ada"
        )
        assert (found["user_id"] == id, found["user_role"]) == (False, "internal_user")
        await sign_in(house, entra)
        assert (await row(house, id))["sso_user_id"] == f"{entra.tenant_id}:oid-ada"

    in_house(postgres_dsn, scenario)


def test_among_several_providers_nobody_guesses_whose_the_directory_is(
    postgres_dsn: str, entra: Entra, other: Entra
) -> None:
    async def scenario(house: House) -> None:
        two_providers(house, entra, other)
        body = {**TOLD, "emails": [], "userName": "ada"}
        id = (await told(house, scim.create_user, body))["id"]
        await sign_in(house, entra)
        assert (await row(house, id))["sso_user_id"] is None

    in_house(postgres_dsn, scenario)


def test_a_row_without_identity_of_somebody_blocked_is_not_passed_by(postgres_dsn: str, entra: Entra) -> None:
    async def scenario(house: House) -> None:
        furnished(house, entra)
        for user_id in ("ada1", "ada2"):
            body = {"user_id": user_id, "user_email": ADA.email, "auto_create_key": False}
            await house.call(new_user, body)
        await house.call(block, {"user_id": "ada1"})
        with pytest.raises(SignInFailed, match="blocked"):
            await sign_in(house, entra)

    in_house(postgres_dsn, scenario)


def test_somebody_blocked_comes_in_by_no_password_and_no_invitation(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        for user_id in ("ada1", "ada2"):
            body = {"user_id": user_id, "user_email": ADA.email, "auto_create_key": False}
            await house.call(new_user, body)
        await house.people.passwords._passwords.set("ada2", PASSWORD)
        invited = await house.call(invite, {"user_id": "ada2"})
        body = {"username": "ada2", "password": PASSWORD}
        assert isinstance(await house.call(login, body), Redirect)
        await house.call(block, {"user_id": "ada1"})
        assert isinstance(await house.call(login, body), WebPage)
        with pytest.raises(SignInFailed):
            await house.call(accept, {"token": invited.url.partition("token=")[2], "password": PASSWORD})
        with pytest.raises(NotFound):
            await house.call(invite, {"user_id": "ada2"})

    in_house(postgres_dsn, scenario)
