"""Ways around a key's ceilings: by another field, by another endpoint, by another key. The key is judged as
it would be."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from functions import budgets, keys, organizations, teams, users
from functions.contract.call import Caller
from functions.contract.policy import Policy
from functions.contract.roles import INTERNAL_USER, PROXY_ADMIN
from runtime.identity.authority_reader import AuthorityReader
from schema.errors.callers import NotAllowed
from schema.keys import KeyGenerated
from schema.secret import hash_of
from tests.functions.contexts import NOW
from tests.functions.governed import Body, House, in_house

ADA = Caller(role=INTERNAL_USER, key_hash="a" * 8, user_id="ada")
EXPIRY = (NOW + timedelta(days=1)).isoformat()
INCREASE = {"temp_budget_increase": 50, "temp_budget_expiry": EXPIRY}


def bounds(defaults: Mapping[str, object] | None = None, **upper: object) -> Policy:
    def raw(fields: Mapping[str, object]) -> dict[str, msgspec.Raw]:
        return {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in fields.items()}

    return Policy(key_upper_bounds=raw(upper), key_defaults=raw(defaults or {}))


async def holder(house: House, made: KeyGenerated) -> Caller:
    """Who calls with a key, as authentication reads it."""
    authority = await AuthorityReader(Policy(), house.database).find(hash_of(made.key))
    assert authority is not None
    assert authority.caller is not None, authority.refusal
    return authority.caller


async def refused(house: House, by: Caller, body: Body, name: str, function: Any = keys.generate) -> None:
    with pytest.raises(NotAllowed) as caught:
        await house.call(function, body, by=by)
    assert caught.value.param == name, caught.value.message


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"max_budget": 101}, "max_budget"),
        ({"max_budget": 100, **INCREASE}, "temp_budget_increase"),
        ({"max_budget": 100, "metadata": INCREASE}, "temp_budget_increase"),
        (INCREASE, "temp_budget_increase"),
        ({"max_budget": 100, "budget_duration": "1d"}, "budget_duration"),
        ({"max_budget": 4, "budget_duration": "1d"}, "budget_duration"),
        ({"max_budget": 1, "budget_duration": "1s"}, "budget_duration"),
        ({"max_budget": 15, "budget_duration": "7h"}, "budget_duration"),
        ({"max_budget": 1, "budget_duration": "60d"}, "budget_duration"),
        ({"duration": "31d"}, "duration"),
        ({"duration": "-1"}, "duration"),
        ({"rpm_limit": 11}, "rpm_limit"),
        ({"max_parallel_requests": 4}, "max_parallel_requests"),
    ],
)
def test_what_goes_around_the_configs_bounds_is_refused(postgres_dsn: str, body: Body, name: str) -> None:
    policy = bounds(
        max_budget=100, budget_duration="30d", duration="30d", rpm_limit=10, max_parallel_requests=3
    )

    async def scenario(house: House) -> None:
        await refused(house, ADA, body, name)
        made = await house.call(keys.generate, {}, by=ADA)
        assert (made.max_budget, made.budget_duration, made.rpm_limit) == (Decimal(100), "30d", 10)
        if body.get("duration") != "-1":
            await refused(house, ADA, {"key": made.key, **body}, name, keys.update)
        await refused(house, ADA, {"key": made.key, **body}, name, keys.regenerate_named)

    in_house(postgres_dsn, scenario, policy)


@pytest.mark.parametrize(
    "body",
    [
        {"max_budget": 3, "budget_duration": "1d"},
        {"max_budget": 50, **INCREASE},
        {"max_budget": 100, "budget_duration": "30d"},
        {"max_budget": 22, "budget_duration": "7d"},
        {"duration": "29d", "rpm_limit": 10},
    ],
)
def test_what_is_within_the_configs_bounds_is_made(postgres_dsn: str, body: Body) -> None:
    policy = bounds(max_budget=100, budget_duration="30d", duration="30d", rpm_limit=10)

    async def scenario(house: House) -> None:
        await house.call(keys.generate, body, by=ADA)

    in_house(postgres_dsn, scenario, policy)


def test_a_bound_without_a_duration_has_the_usual_one_or_is_for_ever(postgres_dsn: str) -> None:
    async def for_ever(house: House) -> None:
        await refused(house, ADA, {"budget_duration": "1d"}, "budget_duration")
        await house.call(keys.generate, {"max_budget": 5}, by=ADA)

    async def usual(house: House) -> None:
        made = await house.call(keys.generate, {}, by=ADA)
        assert (made.max_budget, made.budget_duration) == (Decimal(1), "30d")
        await refused(house, ADA, {"max_budget": 5, "budget_duration": "1d"}, "budget_duration")

    in_house(postgres_dsn, for_ever, bounds(max_budget=5))
    in_house(postgres_dsn, usual, bounds({"max_budget": 1, "budget_duration": "30d"}, max_budget=5))


def test_a_lifetime_is_not_renewed_beyond_its_bound(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        made = await house.call(keys.generate, {"duration": "5d"}, by=ADA)
        house.now = NOW + timedelta(days=4)
        await house.call(keys.update, {"key": made.key, "duration": "5d"}, by=ADA)
        await refused(house, ADA, {"key": made.key, "duration": "7d"}, "duration", keys.update)
        await refused(house, ADA, {"key": made.key, "duration": "-1"}, "duration", keys.update)
        await refused(house, ADA, {"key": made.key, "duration": "7d"}, "duration", keys.regenerate_named)
        await house.call(keys.update, {"key": made.key, "key_alias": "any"}, by=ADA)

    in_house(postgres_dsn, scenario, bounds(duration="10d"))


def test_an_admin_is_not_bound_by_the_config(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await house.call(keys.generate, {"max_budget": 1_000, "duration": "400d"})

    in_house(postgres_dsn, scenario, bounds(max_budget=100, duration="30d"))


LIMITED: Body = {
    "user_id": "ada",
    "max_budget": 10,
    "budget_duration": "30d",
    "rpm_limit": 5,
    "models": ["gpt-4", "openai/*"],
    "duration": "2d",
    "model_max_budget": {"gpt-4": {"budget_limit": 2, "time_period": "1d"}},
    "budget_limits": [{"budget_duration": "1h", "max_budget": 1}],
    "metadata": {"model_rpm_limit": {"gpt-4": 3}},
}


def test_a_key_made_with_a_key_has_its_limits_where_it_says_nothing(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        by = await holder(house, await house.call(keys.generate, LIMITED))
        made = await house.call(keys.generate, {}, by=by)
        assert (made.max_budget, made.budget_duration, made.rpm_limit) == (Decimal(10), "30d", 5)
        assert made.models == ["gpt-4", "openai/*"]
        assert made.expires == NOW + timedelta(days=2)
        assert made.model_max_budget["gpt-4"].dollars == 2
        assert [each.max_budget for each in made.budget_limits] == [Decimal(1)]
        assert msgspec.json.decode(made.metadata["model_rpm_limit"]) == {"gpt-4": 3}

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"max_budget": 11}, "max_budget"),
        ({"max_budget": 10, **INCREASE}, "temp_budget_increase"),
        ({"max_budget": 10, "budget_duration": "7d"}, "budget_duration"),
        ({"rpm_limit": 6}, "rpm_limit"),
        ({"models": ["claude"]}, "models"),
        ({"models": ["*"]}, "models"),
        ({"models": ["all-proxy-models"]}, "models"),
        ({"models": ["all-team-models"]}, "models"),
        ({"access_group_ids": ["everything"]}, "access_group_ids"),
        ({"duration": "3d"}, "duration"),
        ({"duration": "-1"}, "duration"),
        ({"model_max_budget": {"gpt-4": {"budget_limit": 3, "time_period": "1d"}}}, "model_max_budget.gpt-4"),
        ({"model_max_budget": {"gpt-4": {"budget_limit": 2, "time_period": "1h"}}}, "model_max_budget.gpt-4"),
        ({"budget_limits": [{"budget_duration": "1h", "max_budget": 2}]}, "budget_limits"),
        ({"metadata": {"model_rpm_limit": {"gpt-4": 4}}}, "model_rpm_limit.gpt-4"),
        ({"model_rpm_limit": {"gpt-4": 4}}, "model_rpm_limit.gpt-4"),
    ],
)
@pytest.mark.parametrize("role", ["user", "admin"])
def test_a_key_made_with_a_key_has_nothing_beyond_it(
    postgres_dsn: str, body: Body, name: str, role: str
) -> None:
    async def scenario(house: House) -> None:
        await house.call(users.new, {"user_id": "ada", "auto_create_key": False})
        own = await house.call(keys.generate, LIMITED)
        by = await holder(house, own)
        if role == "admin":
            by = msgspec.structs.replace(by, role=PROXY_ADMIN)
        await refused(house, by, body, name)
        smaller = await house.call(keys.generate, {}, by=by)
        for target in (own, smaller) if role == "admin" else (smaller,):  # nor is it given more afterwards
            for function in (keys.update, keys.regenerate_named):
                await refused(house, by, {"key": target.key, **body}, name, function)

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize(
    ("own", "body", "name"),
    [
        ({"key_type": "management"}, {"key_type": "llm_api"}, "key_type"),
        ({"key_type": "management"}, {"allowed_routes": ["/v1/chat/completions"]}, "allowed_routes"),
        ({"allowed_routes": ["/key/*"]}, {"allowed_routes": ["/team/new"]}, "allowed_routes"),
        ({"allowed_routes": ["/key/*"]}, {"allowed_routes": ["*"]}, "allowed_routes"),
        ({"allowed_routes": ["/key/generate"]}, {"key_type": "management"}, "key_type"),
    ],
)
def test_a_key_made_with_a_key_has_no_route_beyond_it(
    postgres_dsn: str, own: Body, body: Body, name: str
) -> None:
    async def scenario(house: House) -> None:
        made = await house.call(keys.generate, {"user_id": "ada", **own})
        by = msgspec.structs.replace(await holder(house, made), role=PROXY_ADMIN)
        await refused(house, by, body, name)
        await refused(house, by, {"key": made.key, **body}, name, keys.update)
        again = await house.call(keys.generate, {}, by=by)
        assert again.allowed_routes == list(by.allowed_routes)
        await refused(house, by, {"key": again.key, "allowed_routes": []}, "allowed_routes", keys.update)
        whole = await house.call(keys.generate, {"user_id": "ada"})
        await refused(house, by, {"key": whole.key}, "allowed_routes", keys.regenerate_named)
        first = await house.call(users.new, {"user_id": "eve"}, by=by)
        record = await house.call(keys.info, {"key": str(first.key)})
        assert record.info.allowed_routes == list(by.allowed_routes)

    in_house(postgres_dsn, scenario)


def test_routes_within_a_keys_own_are_given(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        own: Body = {"user_id": "ada", "allowed_routes": ["/key/*", "management_routes"]}
        by = msgspec.structs.replace(
            await holder(house, await house.call(keys.generate, own)), role=PROXY_ADMIN
        )
        for body in (
            {"allowed_routes": ["/key/info"]},
            {"key_type": "read_only"},
            {"key_type": "management"},
        ):
            await house.call(keys.generate, body, by=by)

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize(
    ("own", "path", "within"),
    [
        ({"key_type": "llm_api"}, "/v1/chat/completions", True),
        ({"allowed_routes": ["llm_api_routes", "/key/*"]}, "/v1/embeddings", True),
        ({"allowed_routes": ["info_routes", "/key/*"]}, "/team/info", True),
        ({"allowed_routes": ["llm_api_routes", "/key/*"]}, "/team/info", False),
        ({"allowed_routes": ["info_routes", "/key/*"]}, "/user/new", False),
        ({"allowed_routes": ["llm_api_routes", "/key/*"]}, "/v1/*", False),
        ({"allowed_routes": ["llm_api_routes", "/key/*"]}, "/v1/nothing", False),
    ],
)
def test_a_path_is_within_the_group_that_opens_it(
    postgres_dsn: str, own: Body, path: str, within: bool
) -> None:
    async def scenario(house: House) -> None:
        by = await holder(house, await house.call(keys.generate, {"user_id": "ada", **own}))
        if within:
            made = await house.call(keys.generate, {"allowed_routes": [path]}, by=by)
            assert made.allowed_routes == [path]
        else:
            await refused(house, by, {"allowed_routes": [path]}, "allowed_routes")

    in_house(postgres_dsn, scenario)


def test_a_key_without_limits_of_its_own_makes_what_its_role_may(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        by = await holder(house, await house.call(keys.generate, {"user_id": "ada"}))
        made = await house.call(keys.generate, {"max_budget": 1_000, "models": ["claude"]}, by=by)
        assert made.allowed_routes == []

    in_house(postgres_dsn, scenario)


def test_a_key_that_is_gone_makes_none(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        own = await house.call(keys.generate, {"user_id": "ada"})
        by = await holder(house, own)
        await house.call(keys.delete, {"keys": [own.key]})
        with pytest.raises(NotAllowed, match="gone"):
            await house.call(keys.generate, {}, by=by)

    in_house(postgres_dsn, scenario)


def test_a_budget_that_an_admin_put_a_key_under_is_not_replaced_by_a_larger_one(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await house.call(budgets.new, {"budget_id": "small", "max_budget": 1, "rpm_limit": 2})
        made = await house.call(keys.generate, {}, by=ADA)
        await house.call(keys.update, {"key": made.key, "budget_id": "small"})
        for body, name in (({"max_budget": 5}, "max_budget"), ({"rpm_limit": 3}, "rpm_limit")):
            await refused(house, ADA, {"key": made.key, **body}, name, keys.update)
        await house.call(keys.update, {"key": made.key, "max_budget": 0.5}, by=ADA)
        await house.call(keys.update, {"key": made.key, "max_budget": None}, by=ADA)

    in_house(postgres_dsn, scenario)


async def red_team(house: House, **team: object) -> Caller:
    """A team that opened making keys to its members, and ada, a member with a budget of her own."""
    opened = ["/key/generate", "/key/service-account/generate", "/key/regenerate", "/key/update"]
    await house.call(teams.new, {"team_id": "red", "team_member_permissions": opened, **team})
    member = {"role": "user", "user_id": "ada"}
    await house.call(teams.member_add, {"team_id": "red", "member": member, "max_budget_in_team": 1})
    return await holder(house, await house.call(keys.generate, {"user_id": "ada", "team_id": "red"}))


def test_a_members_key_of_the_team_is_its_own(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        ada = await red_team(house)
        for body in ({}, {"user_id": None}, {"user_id": ""}):
            made = await house.call(keys.generate, {"team_id": "red", **body}, by=ada)
            assert made.user_id == "ada", body
        lead = msgspec.structs.replace(ada, user_id="lead", teams={"red": "admin"})
        assert (await house.call(keys.generate, {"team_id": "red"}, by=lead)).user_id is None

    in_house(postgres_dsn, scenario)


def test_a_member_with_limits_gets_no_key_without_a_user(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        ada = await red_team(house)
        await refused(house, ada, {"team_id": "red"}, "user_id", keys.generate_service_account)
        nobodys = await house.call(keys.generate, {"team_id": "red"})
        await refused(house, ada, {"key": nobodys.key}, "user_id", keys.regenerate_named)

    in_house(postgres_dsn, scenario)


async def with_own_team(house: House) -> tuple[Caller, KeyGenerated]:
    """Ada of `red_team`, admin of a team of her own with nobody's key in it."""
    ada = await red_team(house)
    await house.call(teams.new, {"team_id": "mine"})
    await house.call(teams.member_add, {"team_id": "mine", "member": {"role": "admin", "user_id": "ada"}})
    ada = msgspec.structs.replace(ada, teams={**ada.teams, "mine": "admin"})
    return ada, await house.call(keys.generate_service_account, {"team_id": "mine"}, by=ada)


@pytest.mark.parametrize("door", [keys.update, keys.regenerate_named])
def test_a_member_with_limits_moves_no_key_without_a_user_into_the_team(postgres_dsn: str, door: Any) -> None:
    async def scenario(house: House) -> None:
        ada, made = await with_own_team(house)
        await refused(house, ada, {"key": made.key, "team_id": "red"}, "user_id", door)
        own = await house.call(keys.generate, {"team_id": "mine", "user_id": "ada"}, by=ada)
        moved = await house.call(door, {"key": own.key, "team_id": "red"}, by=ada)
        assert (moved.team_id, moved.user_id) == ("red", "ada")
        lead = msgspec.structs.replace(ada, user_id="lead", teams={"red": "admin", "mine": "admin"})
        assert (await house.call(door, {"key": made.key, "team_id": "red"}, by=lead)).team_id == "red"

    in_house(postgres_dsn, scenario)


def test_a_bulk_update_moves_none_either(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        ada, made = await with_own_team(house)
        opened = {**ada.permissions, "/key/bulk_update": frozenset({"red"})}
        ada = msgspec.structs.replace(ada, permissions=opened)
        body = {"keys": [{"key": made.key, "team_id": "red"}]}
        found = await house.call(keys.bulk_update, body, by=ada)
        assert not found.successful_updates
        assert "limits of your own" in found.failed_updates[0].failed_reason

    in_house(postgres_dsn, scenario)


def test_who_may_not_make_a_teams_keys_is_shown_none_without_a_user(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await red_team(house)
        await house.call(teams.member_add, {"team_id": "red", "member": {"role": "user", "user_id": "bob"}})
        bob = await holder(house, await house.call(keys.generate, {"user_id": "bob", "team_id": "red"}))
        nobodys = await house.call(keys.generate, {"team_id": "red"})
        with pytest.raises(NotAllowed, match="only these members"):
            await house.call(keys.regenerate_named, {"key": nobodys.key}, by=bob)

    in_house(postgres_dsn, scenario, Policy(team_key_roles=("admin",)))


@pytest.mark.parametrize("limits", [{"team_member_budget": 1}, {}])
def test_limits_of_all_members_count_too(postgres_dsn: str, limits: Body) -> None:
    async def scenario(house: House) -> None:
        await red_team(house, **limits)
        await house.call(teams.member_add, {"team_id": "red", "member": {"role": "user", "user_id": "bob"}})
        made = await house.call(keys.generate, {"user_id": "bob", "team_id": "red"})
        bob = await holder(house, made)
        if limits:
            await refused(house, bob, {"team_id": "red"}, "user_id", keys.generate_service_account)
        else:
            await house.call(keys.generate_service_account, {"team_id": "red"}, by=bob)

    in_house(postgres_dsn, scenario)


def test_a_user_that_comes_to_be_by_the_way_has_the_configs_limits(postgres_dsn: str) -> None:
    defaults: Body = {
        "max_budget": 7,
        "budget_duration": "30d",
        "models": ["gpt-4"],
        "user_role": "proxy_admin",
    }
    policy = Policy(
        user_defaults={name: msgspec.Raw(msgspec.json.encode(v)) for name, v in defaults.items()},
        admins_stay_out=True,
    )

    async def scenario(house: House) -> None:
        await house.call(keys.generate, {"user_id": "by-key"})
        await house.call(teams.new, {"team_id": "red"})
        for member in ({"user_id": "by-team"}, {"user_email": "by-team@x.org"}):
            await house.call(teams.member_add, {"team_id": "red", "member": {"role": "user", **member}})
        acme = {"organization_id": "acme", "organization_alias": "Acme"}
        await house.call(organizations.new, acme)
        member = {"role": "internal_user", "user_id": "by-organization"}
        await house.call(organizations.member_add, {"organization_id": "acme", "member": member})
        moved = await house.call(keys.generate, {})
        await house.call(keys.update, {"key": moved.key, "user_id": "by-update"})
        found = await house.call(users.list_users, {"page_size": 100})
        assert len(found.users) == 5
        for user in found.users:
            assert (user.max_budget, user.budget_duration, user.models) == (Decimal(7), "30d", ["gpt-4"])
            assert user.user_role == INTERNAL_USER, "nobody becomes an admin by the way"

    in_house(postgres_dsn, scenario, policy)


def test_who_is_there_stays_as_it_is(postgres_dsn: str) -> None:
    policy = Policy(user_defaults={"max_budget": msgspec.Raw(b"7")})

    async def scenario(house: House) -> None:
        await house.call(users.new, {"user_id": "ada", "max_budget": 3, "auto_create_key": False})
        await house.call(keys.generate, {"user_id": "ada"})
        record = await house.call(users.info_alone, {"user_id": "ada"})
        assert record.max_budget == 3

    in_house(postgres_dsn, scenario, policy)


def test_two_changes_at_once_are_judged_together(postgres_dsn: str) -> None:
    """Each is within the bound with what was there before; the second is judged with what the first wrote."""

    async def scenario(house: House) -> None:
        made = await house.call(keys.generate, {"max_budget": 1, "budget_duration": "30d"}, by=ADA)
        stale = await house.call(keys.info, {"key": made.key})
        await house.call(keys.update, {"key": made.key, "budget_duration": "1d"}, by=ADA)
        assert stale.info.budget_duration == "30d"
        await refused(house, ADA, {"key": made.key, "max_budget": 100}, "budget_duration", keys.update)

    in_house(postgres_dsn, scenario, bounds(max_budget=100, budget_duration="30d"))
