"""A key can have the master key's user id. It reaches nothing of the master key's by that name."""

import msgspec

from functions import keys, teams, users
from functions.calls.cached import _tenant
from functions.contract.call import MASTER_KEY_HASH, MASTER_USER_ID, Caller
from functions.contract.policy import Policy
from functions.contract.roles import DEVOPS, INTERNAL_USER, PROXY_ADMIN, Access
from runtime.governance.tenancy import spend_reach
from runtime.identity.authenticator import Authenticator
from runtime.identity.authority_reader import AuthorityReader
from schema.secret import Secret
from tests.fakes.authority import Silence
from tests.functions.contexts import make_call
from tests.functions.governed import House, in_house

MASTER = Caller(role=PROXY_ADMIN, key_hash=MASTER_KEY_HASH, user_id=MASTER_USER_ID, is_master=True)


async def key_of_the_name(house: House, role: str) -> str:
    """A key that was made for the master key's user id."""
    await house.call(users.new, {"user_id": MASTER_USER_ID, "user_role": role, "auto_create_key": False})
    made = await house.call(keys.generate, {"user_id": MASTER_USER_ID})
    return str(made.key)


async def caller_of(house: House, key: str) -> Caller:
    reader = AuthorityReader(house.policy, house.database)
    authenticator = Authenticator(Secret("sk-another-master-key"), reader, Silence())
    return await authenticator.caller({"authorization": f"Bearer {key}"})


def test_it_sees_its_own_spend_and_bodies_alone_and_shares_no_cache(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        caller = await caller_of(house, await key_of_the_name(house, INTERNAL_USER))
        assert caller.user_id == MASTER_USER_ID
        for access in (Access.SPEND_READ, Access.BODIES_READ):
            assert spend_reach(caller.scope(access)) == (False, None, caller.key_hash, [], [])
        call = make_call()
        mine, masters = (_tenant(msgspec.structs.replace(call, caller=each)) for each in (caller, MASTER))
        assert mine == f"key:{caller.key_id}"
        assert masters == f"user:{MASTER_USER_ID}"

    in_house(postgres_dsn, scenario)


def test_it_is_no_admin_of_teams_that_the_master_key_made_and_no_maker_of_its_keys(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        key = await key_of_the_name(house, DEVOPS)
        made = await house.call(teams.new, {"team_id": "red"}, MASTER)
        assert MASTER_USER_ID in [member.user_id for member in made.members_with_roles]
        caller = await caller_of(house, key)
        assert caller.teams == {}
        scope = caller.scope(Access.KEYS_WRITE)
        assert (scope.user_id, scope.teams, scope.memberships) == ("", frozenset(), frozenset())

    in_house(postgres_dsn, scenario, Policy())
