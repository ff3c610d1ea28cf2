"""A role that the directory gave goes when the directory gives it no more. A role of another source stays."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from functions import scim
from functions.contract.policy import Policy
from functions.users import update
from tests.fakes.entra import Entra, Person
from tests.functions.governed import DEFAULTS, House, in_house
from tests.functions.signing_in import ADA, furnished, sign_in, user_of
from tests.functions.test_scim import ADA as TOLD
from tests.functions.test_scim import ask, patch, row, told

BY_GROUP = {"roles": {"proxy_admin": ["g-admins"]}}
IN_GROUP = msgspec.structs.replace(ADA, groups=("g-admins",))


@pytest.fixture
def entra() -> Iterator[Entra]:
    with Entra().running() as tenant:
        tenant.group_names = {"g-admins": "Gateway Admins"}
        yield tenant


async def role_of(house: House, person: Person = ADA) -> str:
    return str((await user_of(house, person))["user_role"])


def test_who_leaves_the_app_role_is_an_admin_no_more(postgres_dsn: str, entra: Entra) -> None:
    usual: Any = {"user_role": msgspec.Raw(b'"internal_user_viewer"')}
    policy: Policy = msgspec.structs.replace(DEFAULTS, user_defaults=usual)

    async def scenario(house: House) -> None:
        furnished(house, entra, policy=policy)
        await sign_in(house, entra, msgspec.structs.replace(ADA, roles=("proxy_admin",)))
        assert await role_of(house) == "proxy_admin"
        await sign_in(house, entra, ADA)
        assert await role_of(house) == "internal_user_viewer"

    in_house(postgres_dsn, scenario, policy)


def test_who_leaves_the_group_is_an_admin_no_more(postgres_dsn: str, entra: Entra) -> None:
    async def scenario(house: House) -> None:
        furnished(house, entra, role_mappings=BY_GROUP)
        await sign_in(house, entra, IN_GROUP)
        assert await role_of(house) == "proxy_admin"
        await sign_in(house, entra, ADA)
        assert await role_of(house) == "internal_user"

    in_house(postgres_dsn, scenario)


def test_groups_that_nobody_could_tell_take_nothing_away(postgres_dsn: str, entra: Entra) -> None:
    async def scenario(house: House) -> None:
        mapped = {"groups": {"Gateway Admins": "admins"}, "create_teams": True}
        default = {**BY_GROUP, "default_role": "internal_user_viewer"}
        furnished(house, entra, role_mappings=default, team_mappings=mapped)
        await sign_in(house, entra, IN_GROUP)
        assert (await user_of(house, ADA))["teams"] == ["admins"]
        entra.graph_refuses = True
        await sign_in(house, entra, ADA)
        assert await role_of(house) == "proxy_admin"
        assert (await user_of(house, ADA))["teams"] == ["admins"]

    in_house(postgres_dsn, scenario)


def test_a_role_that_sql_or_an_admin_gave_stays_without_a_claim(postgres_dsn: str, entra: Entra) -> None:
    async def scenario(house: House) -> None:
        furnished(house, entra)
        await sign_in(house, entra, ADA)
        await house.database.pool.execute("UPDATE \"LiteLLM_UserTable\" SET user_role = 'proxy_admin'")
        await sign_in(house, entra, ADA)
        assert await role_of(house) == "proxy_admin"
        user_id = (await user_of(house, ADA))["user_id"]
        await house.call(update, {"user_id": user_id, "user_role": "devops"})
        await sign_in(house, entra, ADA)
        assert await role_of(house) == "devops"
        await house.call(update, {"user_id": user_id, "follow_directory": True})
        await sign_in(house, entra, ADA)
        assert await role_of(house) == "internal_user"

    in_house(postgres_dsn, scenario)


def test_scim_takes_away_what_it_gave_and_nothing_else(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        admin = {**TOLD, "roles": [{"value": "proxy_admin"}]}
        id = (await told(house, scim.create_user, admin))["id"]
        await ask(house, scim.patch_user, patch({"op": "remove", "path": "roles"}, id=id))
        assert (await row(house, id))["user_role"] == "internal_user"
        await ask(house, scim.replace_user, {**admin, "id": id})
        assert (await row(house, id))["user_role"] == "proxy_admin"
        await ask(house, scim.replace_user, {**TOLD, "id": id})
        assert (await row(house, id))["user_role"] == "internal_user"
        await house.database.pool.execute("UPDATE \"LiteLLM_UserTable\" SET user_role = 'proxy_admin'")
        await ask(house, scim.replace_user, {**TOLD, "displayName": "Other", "id": id})
        assert (await row(house, id))["user_role"] == "proxy_admin"

    in_house(postgres_dsn, scenario)


def test_what_the_directory_takes_away_a_sign_in_does_not_keep(postgres_dsn: str, entra: Entra) -> None:
    """A sign-in that claims the role that SCIM gave leaves it SCIM's."""

    async def scenario(house: House) -> None:
        furnished(house, entra)
        id = (await told(house, scim.create_user, {**TOLD, "roles": [{"value": "proxy_admin"}]}))["id"]
        await sign_in(house, entra, msgspec.structs.replace(ADA, roles=("proxy_admin",)))
        await ask(house, scim.replace_user, {**TOLD, "id": id})
        assert (await row(house, id))["user_role"] == "internal_user"

    in_house(postgres_dsn, scenario)
