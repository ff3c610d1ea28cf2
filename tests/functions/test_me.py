"""Who the caller is, called directly."""

from decimal import Decimal

import msgspec

from functions.contract.call import Caller
from functions.contract.roles import INTERNAL_USER, SERVICE_KEY
from functions.me import me
from functions.teams import member_add
from functions.teams import new as new_team
from functions.users import new as new_user
from runtime.registry.live_models import LiveModels
from schema.identity import SignInRules
from schema.models import AllowedModels
from tests.functions.contexts import ADMIN, make_registry
from tests.functions.governed import VISIT, House, in_house


def test_a_person_by_a_session_is_told_what_it_may_and_why(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        house.give(models=LiveModels(make_registry()))
        body = {
            "user_id": "ada",
            "auto_create_key": False,
            "models": ["gpt", "openai/*"],
            "max_budget": 5,
            "budget_duration": "30d",
            "rpm_limit": 60,
        }
        await house.call(new_user, body)
        await house.call(new_team, {"team_id": "red"})
        await house.call(member_add, {"team_id": "red", "member": {"user_id": "ada", "role": "admin"}})
        secret = await house.people.sessions.begin("ada", "password", VISIT, SignInRules())
        caller = await house.people.sessions.caller(secret)
        assert caller is not None
        visit = msgspec.structs.replace(VISIT, cookies={"switchgear_session": secret})
        told = await house.call(me, by=caller, visit=visit)
        assert (told.user_id, told.role, told.authenticated_by) == ("ada", "internal_user", "session")
        assert told.user is not None
        assert told.user.role_source == "default"
        assert told.roles == ["internal_user", "team_admin"]
        assert told.teams == {"red": "admin"}
        assert told.may["keys_write"] == ["mine", "team"]
        assert "users_write" not in told.may
        assert {each.id: each.because for each in told.models} == {
            "gpt": "user: gpt",
            "openai/*": "user: openai/*",
        }
        (budget,) = told.budgets
        assert (budget.level, budget.max_budget, budget.duration) == ("user", Decimal(5), "30d")
        (limit,) = told.limits
        assert (limit.level, limit.meter, limit.limit) == ("user", "requests", 60)
        assert told.session is not None
        assert told.session.csrf_token == house.people.sessions.csrf(secret)
        assert secret not in str(told)
        assert told.session.csrf_token not in repr(told)

    in_house(postgres_dsn, scenario)


def test_keys_and_the_master_key_are_told_too(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        house.give(models=LiveModels(make_registry()))
        master = await house.call(me)
        assert (master.authenticated_by, master.role, master.user, master.session) == (
            "master_key",
            "proxy_admin",
            None,
            None,
        )
        assert {each.because for each in master.models} == {"no list restricts models"}
        service = Caller(
            role=SERVICE_KEY, key_hash="k", team_id="red", models=(AllowedModels("team", ("cheap",)),)
        )
        told = await house.call(me, by=service)
        assert (told.user_id, told.authenticated_by, told.models) == (None, "key", [])
        stranger = Caller(role=INTERNAL_USER, key_hash="k", user_id="nobody")
        assert (await house.call(me, by=stranger)).user is None
        assert (await house.call(me, by=ADMIN)).user_id == "default_user_id"

    in_house(postgres_dsn, scenario)
