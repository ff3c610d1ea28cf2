"""Organizations, their budgets and members."""

import asyncio
from decimal import Decimal

import pytest

from functions import budgets, keys, organizations, teams, users
from functions.contract.call import Caller
from functions.contract.roles import INTERNAL_USER
from schema.errors.callers import NotAllowed
from schema.errors.requests import InvalidRequest, UnsupportedParameter
from schema.errors.rows import NotFound
from tests.functions.governed import House, bodies, cases, in_house

BOSS = Caller(role=INTERNAL_USER, key_hash="b" * 8, user_id="boss", organizations={"acme": "org_admin"})
WORKER = Caller(role=INTERNAL_USER, key_hash="c" * 8, user_id="w", organizations={"acme": "internal_user"})


async def with_acme(house: House) -> None:
    for name in ("acme", "other"):
        await house.call(
            organizations.new, {"organization_id": name, "organization_alias": name, "max_budget": 100}
        )


def test_an_organization_has_a_budget_of_its_own_or_a_named_one(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        made = await house.call(
            organizations.new, {"organization_alias": "Acme", "max_budget": 5, "models": ["gpt-4"]}
        )
        assert made.litellm_budget_table is not None
        assert (made.litellm_budget_table.max_budget, made.models) == (Decimal(5), ["gpt-4"])
        await house.call(budgets.new, {"budget_id": "b", "rpm_limit": 3})
        named = await house.call(organizations.new, {"organization_alias": "B", "budget_id": "b"})
        assert named.budget_id == "b"
        for body in bodies(
            {"organization_alias": "C", "budget_id": "b", "max_budget": 1},
            {"organization_alias": "C", "budget_id": "nope"},
            {"budget_id": "b"},
        ):
            with pytest.raises(InvalidRequest):
                await house.call(organizations.new, body)
        id = made.organization_id
        changed = await house.call(
            organizations.update, {"organization_id": id, "max_budget": 6, "metadata": {"a": 1}}
        )
        assert changed.litellm_budget_table is not None
        assert (changed.litellm_budget_table.max_budget, changed.models) == (Decimal(6), ["gpt-4"])

    in_house(postgres_dsn, scenario)


def test_admins_who_add_members_at_once_lose_none(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await with_acme(house)
        await asyncio.gather(
            *(
                house.call(
                    organizations.member_add,
                    {"organization_id": "acme", "member": {"user_id": f"u{number}", "role": "internal_user"}},
                )
                for number in range(10)
            )
        )
        info = await house.call(organizations.info, {"organization_id": "acme"})
        assert {each.user_id for each in info.members} == {f"u{number}" for number in range(10)}
        with pytest.raises(InvalidRequest, match="already"):
            await house.call(
                organizations.member_add, {"organization_id": "acme", "member": [{"user_id": "u1"}]}
            )
        changed = await house.call(
            organizations.member_update, {"organization_id": "acme", "user_id": "u1", "role": "org_admin"}
        )
        assert changed.user_role == "org_admin"
        await house.call(organizations.member_delete, {"organization_id": "acme", "user_id": "u2"})
        with pytest.raises(NotFound):
            await house.call(organizations.member_delete, {"organization_id": "acme", "user_id": "u2"})

    in_house(postgres_dsn, scenario)


def test_its_admin_manages_its_people_and_not_its_money_nor_another(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await with_acme(house)
        added = {"organization_id": "acme", "member": {"user_email": "new@example.com"}}
        await house.call(organizations.member_add, added, by=BOSS)
        await house.call(
            organizations.update, {"organization_id": "acme", "organization_alias": "A"}, by=BOSS
        )
        for body in bodies({"max_budget": 1_000}, {"models": []}, {"blocked": False}, {"budget_id": "b"}):
            with pytest.raises(NotAllowed):
                await house.call(organizations.update, {"organization_id": "acme", **body}, by=BOSS)
        for function, body in cases(
            (organizations.update, {"organization_id": "other", "organization_alias": "x"}),
            (organizations.member_add, {"organization_id": "other", "member": {"user_id": "x"}}),
            (organizations.info, {"organization_id": "other"}),
        ):
            with pytest.raises(NotFound):
                await house.call(function, body, by=BOSS)
        listed = await house.call(organizations.list_organizations, by=BOSS)
        assert [each.organization_id for each in listed] == ["acme"]
        seen = await house.call(organizations.info, {"organization_id": "acme"}, by=WORKER)
        assert (seen.members, seen.litellm_budget_table) == ([], None), "a member sees that it exists"

    in_house(postgres_dsn, scenario)


def test_what_belongs_to_a_deleted_organization_goes_with_it(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await with_acme(house)
        await house.call(users.new, {"user_id": "ada", "organizations": ["acme"], "auto_create_key": False})
        team = await house.call(teams.new, {"organization_id": "acme"})
        of_team = await house.call(keys.generate, {"team_id": team.team_id})
        direct = await house.call(keys.generate, {"organization_id": "acme"})
        stays = await house.call(keys.generate, {"user_id": "ada"})
        await house.call(organizations.delete, {"organization_ids": ["acme"]})
        assert (await house.call(keys.list_keys)).keys == [stays.token]
        assert await house.call(teams.list_teams) == []
        assert {f"key:{of_team.token}", f"key:{direct.token}", f"team:{team.team_id}"} <= set(house.announced)
        with pytest.raises(NotFound):
            await house.call(organizations.info, {"organization_id": "acme"})

    in_house(postgres_dsn, scenario)


def test_an_organization_is_blocked_and_let_in_again(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await with_acme(house)
        assert (await house.call(organizations.block, {"organization_id": "acme"})).blocked
        assert not (await house.call(organizations.unblock, {"organization_id": "acme"})).blocked

    in_house(postgres_dsn, scenario)


def test_its_admin_raises_no_limit_by_way_of_metadata(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await with_acme(house)
        more = {"temp_budget_increase": 1_000, "temp_budget_expiry": "2030-01-01T00:00:00Z"}
        await house.call(
            organizations.update, {"organization_id": "acme", "model_rpm_limit": {"gpt-4": 3}, "tags": ["x"]}
        )
        for body in bodies(more, {"metadata": more}, {"metadata": {"model_rpm_limit": {"gpt-4": 99}}}):
            with pytest.raises(NotAllowed):
                await house.call(organizations.update, {"organization_id": "acme", **body}, by=BOSS)
        changed = await house.call(
            organizations.update, {"organization_id": "acme", "metadata": {"site": "B"}}, by=BOSS
        )
        assert bytes(changed.metadata["model_rpm_limit"]) == b'{"gpt-4": 3}'
        assert set(changed.metadata) == {"model_rpm_limit", "tags", "site"}

    in_house(postgres_dsn, scenario)


def test_its_admin_brings_in_team_members_and_nobody_above(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await with_acme(house)
        for role in ("proxy_admin", "org_admin", "internal_user_viewer"):
            await house.call(users.new, {"user_id": role, "user_role": role, "auto_create_key": False})
        for name in ("proxy_admin", "org_admin"):
            body = {"organization_id": "acme", "member": {"user_id": name}}
            with pytest.raises(NotAllowed):
                await house.call(organizations.member_add, body, by=BOSS)
            await house.call(organizations.member_add, body)
        added = await house.call(
            organizations.member_add,
            {"organization_id": "acme", "member": [{"user_id": "internal_user_viewer"}, {"user_id": "new"}]},
            by=BOSS,
        )
        assert added.updated_users == ["internal_user_viewer", "new"]
        who = {"organization_id": "acme", "user_id": "new"}
        for function, body in cases(
            (
                organizations.member_add,
                {"organization_id": "acme", "member": {"user_id": "x", "role": "org_admin"}},
            ),
            (organizations.member_update, {**who, "role": "org_admin"}),
        ):
            with pytest.raises(NotAllowed, match="org_admin"):
                await house.call(function, body, by=BOSS)
        viewer = {**who, "role": "internal_user_viewer"}
        changed = await house.call(organizations.member_update, viewer, by=BOSS)
        assert changed.user_role == "internal_user_viewer"

    in_house(postgres_dsn, scenario)


def test_a_member_is_named_by_address_too(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await with_acme(house)
        await house.call(
            organizations.member_add, {"organization_id": "acme", "member": {"user_email": "a@example.com"}}
        )
        who = {"organization_id": "acme", "user_email": "A@example.com"}
        assert (
            await house.call(organizations.member_update, {**who, "role": "org_admin"})
        ).user_role == "org_admin"
        with pytest.raises(NotFound):
            await house.call(organizations.member_delete, {**who, "organization_id": "other"})
        with pytest.raises(InvalidRequest, match="user_id"):
            await house.call(organizations.member_delete, {"organization_id": "acme"})
        await house.call(organizations.member_delete, who)
        assert (await house.call(organizations.info, {"organization_id": "acme"})).members == []

    in_house(postgres_dsn, scenario)


def test_an_organization_changed_by_two_keeps_both_changes(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await with_acme(house)
        who = {"organization_id": "acme"}
        await asyncio.gather(
            house.call(organizations.update, {**who, "max_budget": None}),
            house.call(organizations.update, {**who, "rpm_limit": 4}),
            house.call(organizations.update, {**who, "models": ["gpt-4"]}),
            house.call(organizations.update, {**who, "organization_alias": "Acme"}),
            house.call(organizations.update, {**who, "metadata": {"a": 1}}),
            house.call(organizations.update, {**who, "tags": ["x"]}),
        )
        row = await house.call(organizations.info, who)
        assert (row.organization_alias, row.models, set(row.metadata)) == ("Acme", ["gpt-4"], {"a", "tags"})
        assert row.litellm_budget_table is not None
        assert (row.litellm_budget_table.max_budget, row.litellm_budget_table.rpm_limit) == (None, 4)
        for body in bodies(
            {"organization_alias": None}, {"budget_id": ""}, {"budget_id": "b", "rpm_limit": 1}
        ):
            with pytest.raises(InvalidRequest):
                await house.call(organizations.update, {**who, **body})

    in_house(postgres_dsn, scenario)


def test_organizations_are_deleted_all_or_none_and_listed_by_name(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await with_acme(house)
        with pytest.raises(NotFound, match="nope"):
            await house.call(organizations.delete, {"organization_ids": ["acme", "nope"]})
        assert len(await house.call(organizations.list_organizations)) == 2
        for query in bodies({"org_id": "acme"}, {"org_alias": "acme"}):
            listed = await house.call(organizations.list_organizations, query)
            assert [each.organization_id for each in listed] == ["acme"]

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_budget", "NaN"),
        ("rpm_limit", -1),
        ("soft_budget", 1e300),
        ("object_permission", {"models": ["x"]}),
        ("models", ["a\nb"]),
        ("organization_id", "x" * 257),
    ],
)
def test_what_no_organization_can_have_is_refused_by_name(
    postgres_dsn: str, field: str, value: object
) -> None:
    async def scenario(house: House) -> None:
        with pytest.raises((InvalidRequest, UnsupportedParameter), match=field):
            await house.call(organizations.new, {"organization_alias": "a", field: value})
        assert await house.call(organizations.list_organizations) == []

    in_house(postgres_dsn, scenario)


def test_several_organizations_are_shown_at_once(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await with_acme(house)
        asked = {"organizations": ["other", "acme", "acme", "none"]}
        found = await house.call(organizations.info_of_many, asked)
        assert [each.organization_id for each in found] == ["other", "acme"]
        assert found[0].litellm_budget_table is not None
        mine = await house.call(organizations.info_of_many, asked, BOSS)
        assert [each.organization_id for each in mine] == ["acme"]
        assert await house.call(organizations.info_of_many, {"organizations": []}) == []
        with pytest.raises(InvalidRequest, match="at most"):
            await house.call(organizations.info_of_many, {"organizations": [str(n) for n in range(101)]})

    in_house(postgres_dsn, scenario)
