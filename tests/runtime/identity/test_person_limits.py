"""The limits of people who call by a session or by a token of another issuer: those of a key of their own."""

from typing import Any

import msgspec
import pytest

from functions.contract.call import Caller
from functions.contract.policy import Policy
from functions.keys import generate
from functions.users import new as new_user
from models_registry.model_names import permits
from runtime.identity.person_reader import PersonReader
from runtime.identity.session_reader import SessionReader
from runtime.signin.digests import digest_of
from schema.errors.callers import NotAllowed
from schema.identity import SignInRules
from schema.limits import Holder
from tests.functions.governed import DEFAULTS, VISIT, House, in_house


def with_keys(**fields: Any) -> Policy:
    bounds = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in fields.items()}
    return msgspec.structs.replace(DEFAULTS, key_upper_bounds=bounds)


async def callers(house: House, user_id: str = "ada") -> list[Caller]:
    """The person by a session, and by a token."""
    secret = await house.people.sessions.begin(user_id, "password", VISIT, SignInRules())
    by_session = await SessionReader(house.policy, house.database, master_mark="").find(digest_of(secret))
    by_token = await PersonReader(house.policy, house.database).find(user_id, "", ())
    assert by_session is not None
    assert by_token is not None
    found = [by_session.caller, by_token.authority.caller]
    return [each for each in found if each is not None]


async def make(house: House, **more: Any) -> None:
    await house.call(new_user, {"user_id": "ada", "auto_create_key": False, **more})


def test_the_most_that_a_key_may_have_holds_without_a_key_too(postgres_dsn: str) -> None:
    policy = with_keys(max_budget=10, rpm_limit=7)

    async def scenario(house: House) -> None:
        await make(house, max_budget=50)
        both = await callers(house)
        assert len(both) == 2
        for found in both:
            limits = {rule.account: (rule.limit, rule.duration) for rule in found.rules}
            assert limits == {
                "money:key:user%3Aada": (10 * 10**9, "24h"),
                "rpm:key:user%3Aada": (7, "1m"),
                "money:user:ada": (50 * 10**9, None),
            }
            own = next(rule for rule in found.rules if rule.account.startswith("money:key"))
            assert own.holder == Holder(), "no row says what was spent, so the account has to"

    in_house(postgres_dsn, scenario, policy)


def test_a_tester_spends_no_more_by_a_session_than_by_a_test_key(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await make(house, user_role="devops")
        for found in await callers(house):
            limits = {rule.account: (rule.limit, rule.duration) for rule in found.rules}
            assert limits == {"money:key:user%3Aada": (10**9, "24h")}

    in_house(postgres_dsn, scenario)


def test_who_may_make_no_key_calls_no_model(postgres_dsn: str) -> None:
    policy = msgspec.structs.replace(DEFAULTS, personal_key_roles=("proxy_admin",))

    async def scenario(house: House) -> None:
        await make(house, models=["gpt"])
        for found in await callers(house):
            assert not all(permits(each.names, "gpt") for each in found.models)
        await house.call(new_user, {"user_id": "boss", "user_role": "proxy_admin", "auto_create_key": False})
        for found in await callers(house, "boss"):
            assert found.models == ()

    in_house(postgres_dsn, scenario, policy)


def test_a_key_that_a_token_with_few_paths_makes_has_no_other_ones(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await make(house, user_role="proxy_admin")
        by = Caller(role="proxy_admin", key_hash="token:x", user_id="ada", allowed_routes=("/key/generate",))
        made = await house.call(generate, {"user_id": "ada"}, by=by)
        assert made.allowed_routes == ["/key/generate"]
        with pytest.raises(NotAllowed, match="allowed_routes"):
            await house.call(generate, {"user_id": "ada", "allowed_routes": ["/user/*"]}, by=by)

    in_house(postgres_dsn, scenario)
