"""Nobody but an admin of the gateway gives a user an address that somebody else has."""

import pytest

from functions import teams, users
from functions.contract.call import Caller
from functions.contract.roles import INTERNAL_USER
from schema.errors.callers import NotAllowed
from schema.errors.rows import Conflict
from tests.fakes.entra import Entra, Person
from tests.functions.governed import House, in_house
from tests.functions.signing_in import furnished, sign_in

BOSS = {"user_id": "boss", "user_email": "Boss@deeprunner.ai", "auto_create_key": False}
HEAD = Caller(role=INTERNAL_USER, key_hash="h" * 8, user_id="head", teams={"red": "admin"})
CHAIR = Caller(role=INTERNAL_USER, key_hash="c" * 8, user_id="chair", organizations={"acme": "org_admin"})


async def address_of(house: House, user_id: str) -> str | None:
    sql = 'SELECT user_email FROM "LiteLLM_UserTable" WHERE user_id = $1'
    found: str | None = await house.database.pool.fetchval(sql, user_id)
    return found


def test_a_teams_admin_gives_a_new_member_no_address_of_somebody_else(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await house.call(users.new, BOSS)
        await house.call(teams.new, {"team_id": "red"})
        for user_id, email in (("eve", "boss@deeprunner.ai"), ("bob", "bob@deeprunner.ai")):
            member = {"user_id": user_id, "user_email": email}
            await house.call(teams.member_add, {"team_id": "red", "member": member}, by=HEAD)
        assert await address_of(house, "eve") is None
        assert await address_of(house, "bob") == "bob@deeprunner.ai"

    in_house(postgres_dsn, scenario)


def test_an_organizations_admin_makes_no_second_user_with_an_address(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        from functions import organizations

        await house.call(users.new, BOSS)
        await house.call(organizations.new, {"organization_id": "acme", "organization_alias": "Acme"})
        body = {"user_id": "eve", "user_email": "BOSS@deeprunner.ai", "organizations": ["acme"]}
        with pytest.raises(Conflict, match="user_email"):
            await house.call(users.new, body, by=CHAIR)
        await house.call(users.new, {**body, "user_email": "eve@deeprunner.ai"}, by=CHAIR)
        assert await address_of(house, "eve") == "eve@deeprunner.ai"

    in_house(postgres_dsn, scenario)


def test_an_organizations_admin_has_no_hold_on_who_came_to_a_row_that_it_made(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        from functions import organizations

        await house.call(organizations.new, {"organization_id": "acme", "organization_alias": "Acme"})
        body = {"user_id": "made", "user_email": "boss@deeprunner.ai", "organizations": ["acme"]}
        await house.call(users.new, body, by=CHAIR)
        await house.call(users.block, {"user_id": "made"}, by=CHAIR)
        await house.call(users.unblock, {"user_id": "made"}, by=CHAIR)
        with Entra().running() as entra:
            furnished(house, entra)
            await sign_in(house, entra, Person(oid="oid-boss", email="boss@deeprunner.ai"))
        for function, who in ((users.block, {"user_id": "made"}), (users.delete, {"user_ids": ["made"]})):
            with pytest.raises(NotAllowed, match="signs in"):
                await house.call(function, who, by=CHAIR)

    in_house(postgres_dsn, scenario)
