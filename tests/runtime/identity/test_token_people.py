"""Whose row a token of another issuer reaches, and when that row lets nobody in any more."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from functions.users import block, delete
from functions.users import new as new_user
from schema.errors.callers import BlockedKey, SignInFailed
from tests.fakes.entra import Entra, Person
from tests.functions.governed import House, in_house
from tests.functions.signing_in import furnished, sign_in, user_of
from tests.runtime.identity.test_token_authenticator import (
    ISSUER,
    Issuer,
    caller,
    keys,
    make_ada,
    parts,
    token,
)

__all__ = ["keys"]
BOSS = Person(oid="oid-boss", email="boss@deeprunner.ai", name="Boss", roles=("proxy_admin",))


@pytest.fixture
def entra() -> Iterator[Entra]:
    with Entra().running() as tenant:
        yield tenant


async def users(house: House) -> list[dict[str, Any]]:
    rows = await house.database.pool.fetch('SELECT * FROM "LiteLLM_UserTable" ORDER BY created_at')
    return [dict(row) for row in rows]


def test_a_token_with_somebodys_address_does_not_wait_for_its_owner(
    postgres_dsn: str, keys: Issuer, entra: Entra
) -> None:
    """The row that a token made is never the one that the owner of the address signs in as later."""

    async def scenario(house: House) -> None:
        furnished(house, entra)
        _, tokens = parts(house, keys, user_id_upsert=True)
        await caller(tokens, token(sub="eve", email=BOSS.email))
        (row,) = await users(house)
        assert row["user_email"] is None, "an address that nobody verified was stored"
        await caller(tokens, token(sub="eve2", email=BOSS.email, email_verified=True))
        await sign_in(house, entra, BOSS)
        assert (await user_of(house, BOSS))["user_id"] not in ("eve", "eve2")
        tokens.forget("all")
        assert (await caller(tokens, token(sub="eve2", jti="2"))).role == "internal_user"

    in_house(postgres_dsn, scenario)


def test_a_token_is_the_person_who_signs_in_at_the_same_issuer(postgres_dsn: str, keys: Issuer) -> None:
    async def scenario(house: House) -> None:
        body = {"user_id": "row-of-ada", "sso_user_id": f"{ISSUER}|ada", "auto_create_key": False}
        await house.call(new_user, {**body, "max_budget": 3})
        made, tokens = parts(house, keys, user_id_upsert=True)
        found = await caller(tokens, token())
        assert (found.user_id, [rule.who for rule in found.rules]) == ("row-of-ada", ["user"])
        assert len(await users(house)) == 1
        await house.call(block, {"user_id": "row-of-ada"})
        made.forget("user:row-of-ada")
        with pytest.raises(BlockedKey):
            await caller(tokens, token())

    in_house(postgres_dsn, scenario)


def test_a_claim_that_people_choose_reaches_nobody_elses_row(postgres_dsn: str, keys: Issuer) -> None:
    async def scenario(house: House) -> None:
        body = {"user_id": "boss", "sso_user_id": f"{ISSUER}|sub-of-boss", "auto_create_key": False}
        await house.call(new_user, {**body, "user_role": "proxy_admin"})
        _, tokens = parts(house, keys, user_id_jwt_field="preferred_username")
        assert (await caller(tokens, token(sub="sub-of-boss", preferred_username="boss"))).user_id == "boss"
        with pytest.raises(SignInFailed, match="somebody else"):
            await caller(tokens, token(sub="sub-of-eve", preferred_username="boss"))
        _, tokens = parts(house, keys, user_id_jwt_field="email", user_id_upsert=True)
        with pytest.raises(SignInFailed, match="nobody verified"):
            await caller(tokens, token(sub="sub-of-eve", email="ada@deeprunner.ai", email_verified="false"))

    in_house(postgres_dsn, scenario)


def test_an_admin_by_scope_has_a_row_and_is_kept_out_by_it(postgres_dsn: str, keys: Issuer) -> None:
    async def scenario(house: House) -> None:
        made, tokens = parts(house, keys, admin_jwt_scope="gateway_admin")
        admin = token(scope="gateway_admin")
        for nobody in (admin, token(scope="gateway_admin", sub=None)):
            with pytest.raises(SignInFailed):
                await caller(tokens, nobody)
        await make_ada(house, max_budget=3)
        tokens.forget("all")
        found = await caller(tokens, admin)
        assert (found.role, found.user_id, [rule.who for rule in found.rules]) == (
            "proxy_admin",
            "ada",
            ["user"],
        )
        for change in ("blocked = true", "blocked = false, deactivated = true"):
            await house.database.pool.execute(f'UPDATE "LiteLLM_UserTable" SET {change}')
            made.forget("user:ada")
            with pytest.raises(BlockedKey):
                await caller(tokens, admin)
        await house.call(delete, {"user_ids": ["ada"]})
        made.forget("user:ada")
        with pytest.raises(SignInFailed):
            await caller(tokens, admin)

    in_house(postgres_dsn, scenario)


def test_a_deleted_row_does_not_come_back_with_a_token_from_before(postgres_dsn: str, keys: Issuer) -> None:
    async def scenario(house: House) -> None:
        made, tokens = parts(house, keys, user_id_upsert=True, admin_jwt_scope="gateway_admin")
        before = token(scope="gateway_admin")
        await caller(tokens, before)
        await house.call(delete, {"user_ids": ["ada"]})
        made.forget("user:ada")
        for left in (before, token(iat=None), token(iat=int(time.time()) - 5 * 86_400)):
            with pytest.raises(SignInFailed):
                await caller(tokens, left)
        assert await users(house) == []
        await house.database.pool.execute(
            'ALTER TABLE "LiteLLM_AuditLog" DISABLE TRIGGER USER; UPDATE "LiteLLM_AuditLog" SET'
            " updated_at = updated_at - interval '5 minutes'"
        )
        await caller(tokens, token(jti="later"))
        assert [row["user_id"] for row in await users(house)] == ["ada"]

    in_house(postgres_dsn, scenario)


def test_somebody_barred_comes_back_under_no_other_id_of_a_token(postgres_dsn: str, keys: Issuer) -> None:
    async def scenario(house: House) -> None:
        await make_ada(house, user_email="Ada@deeprunner.ai")
        await house.call(block, {"user_id": "ada"})
        _, tokens = parts(house, keys, user_id_upsert=True)
        for verified in (True, False):
            with pytest.raises(SignInFailed, match="blocked"):
                await caller(tokens, token(sub="ada2", email="ada@deeprunner.ai", email_verified=verified))
        assert len(await users(house)) == 1

    in_house(postgres_dsn, scenario)
