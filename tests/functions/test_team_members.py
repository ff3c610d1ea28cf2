"""Members of teams: who they are, what they may spend, and many of them added at once."""

import asyncio
from decimal import Decimal

import pytest

from functions import budgets, keys, teams, users
from functions.contract.call import Caller
from functions.contract.roles import INTERNAL_USER
from schema.errors.callers import NotAllowed
from schema.errors.requests import InvalidRequest
from schema.errors.rows import NotFound
from tests.functions.governed import House, bodies, cases, in_house

LEAD = Caller(role=INTERNAL_USER, key_hash="e" * 8, user_id="lead", teams={"red": "admin", "blue": "user"})
BOSS = Caller(role=INTERNAL_USER, key_hash="b" * 8, user_id="boss", organizations={"acme": "org_admin"})


def member_ids(record: object) -> list[str | None]:
    return [member.user_id for member in record.members_with_roles]  # type: ignore[attr-defined]


async def with_red(house: House) -> None:
    await house.call(
        teams.new, {"team_id": "red", "team_alias": "Red", "models": ["gpt-4"], "max_budget": 10}
    )
    await house.call(teams.new, {"team_id": "blue"})


def test_admins_who_add_members_at_once_lose_none(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await with_red(house)
        await asyncio.gather(
            *(
                house.call(teams.member_add, {"team_id": "red", "member": {"user_id": f"u{number}"}})
                for number in range(12)
            )
        )
        info = await house.call(teams.info, {"team_id": "red"})
        expected = {f"u{number}" for number in range(12)}
        assert set(member_ids(info.team_info)) == expected
        assert {each.user_id for each in info.team_memberships} == expected
        row = await house.call(users.info_alone, {"user_id": "u3"})
        assert row.teams == ["red"]

    in_house(postgres_dsn, scenario)


def test_one_user_added_to_many_teams_at_once_is_in_all(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        names = [f"t{number}" for number in range(8)]
        for name in names:
            await house.call(teams.new, {"team_id": name})
        await house.call(users.new, {"user_id": "ada"})
        await asyncio.gather(
            *(house.call(teams.member_add, {"team_id": name, "member": {"user_id": "ada"}}) for name in names)
        )
        assert set((await house.call(users.info_alone, {"user_id": "ada"})).teams) == set(names)

    in_house(postgres_dsn, scenario)


def test_a_member_has_a_budget_and_a_role_of_its_own(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await with_red(house)
        added = await house.call(
            teams.member_add,
            {"team_id": "red", "member": [{"user_id": "ada"}, {"user_id": "bob"}], "max_budget_in_team": 2},
        )
        ada, bob = added.updated_team_memberships
        assert ada.budget_id != bob.budget_id
        changed = await house.call(
            teams.member_update,
            {
                "team_id": "red",
                "user_id": "ada",
                "role": "admin",
                "max_budget_in_team": 3,
                "rpm_limit": 4,
                "allowed_models": ["gpt-4"],
            },
        )
        assert (changed.role, changed.budget_id, changed.allowed_models) == (
            "admin",
            ada.budget_id,
            ["gpt-4"],
        )
        shown = (await house.call(teams.info, {"team_id": "red"})).team_memberships
        limits = {each.user_id: each.litellm_budget_table for each in shown}
        assert {name: each and (each.max_budget, each.rpm_limit) for name, each in limits.items()} == {
            "ada": (Decimal(3), 4),
            "bob": (Decimal(2), None),
        }
        reset = await house.call(
            teams.member_reset_spend, {"team_id": "red", "user_id": "ada", "reset_to": 0.5}
        )
        assert (reset.spend, reset.previous_spend) == (Decimal("0.5"), Decimal(0))

    in_house(postgres_dsn, scenario)


def test_a_member_twice_or_not_at_all_is_400(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await with_red(house)
        await house.call(teams.member_add, {"team_id": "red", "member": {"user_id": "ada"}})
        with pytest.raises(InvalidRequest) as caught:
            await house.call(
                teams.member_add, {"team_id": "red", "member": [{"user_id": "new"}, {"user_id": "ada"}]}
            )
        assert caught.value.reason == caught.value.error_type == "team_member_already_in_team"
        assert member_ids((await house.call(teams.info, {"team_id": "red"})).team_info) == ["ada"], "none"
        for function, body in cases(
            (teams.member_delete, {"team_id": "red", "user_id": "nobody"}),
            (teams.member_update, {"team_id": "red", "user_id": "nobody", "role": "admin"}),
            (teams.member_add, {"team_id": "red", "member": {}}),
        ):
            with pytest.raises(InvalidRequest):
                await house.call(function, body)

    in_house(postgres_dsn, scenario)


def test_who_leaves_a_team_loses_its_keys_there(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await with_red(house)
        await house.call(teams.member_add, {"team_id": "red", "member": {"user_id": "ada"}})
        await house.call(keys.generate, {"team_id": "red", "user_id": "ada"})
        own = await house.call(keys.generate, {"user_id": "ada"})
        left = await house.call(teams.member_delete, {"team_id": "red", "user_id": "ada"})
        assert member_ids(left) == []
        assert (await house.call(keys.list_keys)).keys == [own.token]

    in_house(postgres_dsn, scenario)


def test_only_an_admin_brings_in_somebody_who_is_more_than_a_member(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await with_red(house)
        for role in ("proxy_admin", "devops", "internal_user"):
            await house.call(
                users.new, {"user_id": role, "user_role": role, "user_email": f"{role}@example.com"}
            )
        for member in bodies(
            {"user_id": "proxy_admin"}, {"user_email": "Proxy_Admin@example.com"}, {"user_id": "devops"}
        ):
            with pytest.raises(NotAllowed, match="proxy_admin"):
                await house.call(
                    teams.member_add, {"team_id": "red", "member": [{"user_id": "new"}, member]}, by=LEAD
                )
        with pytest.raises(NotFound):
            await house.call(users.info_alone, {"user_id": "new"})
        await house.call(
            teams.member_add, {"team_id": "red", "member": {"user_id": "internal_user"}}, by=LEAD
        )
        await house.call(teams.member_add, {"team_id": "red", "member": {"user_id": "proxy_admin"}})

    in_house(postgres_dsn, scenario)


def test_a_members_own_limits_begin_as_those_of_all_and_are_nobody_elses(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        made = await house.call(
            teams.new,
            {
                "team_id": "red",
                "team_member_budget": 5,
                "team_member_rpm_limit": 9,
                "members_with_roles": [{"user_id": "ada"}, {"user_id": "bob"}],
            },
        )
        ada = await house.call(teams.member_update, {"team_id": "red", "user_id": "ada", "rpm_limit": 1})
        assert ada.budget_id not in (None, made.member_budget_id)
        new = await house.call(
            teams.member_add, {"team_id": "red", "member": {"user_id": "new"}, "max_budget_in_team": 7}
        )
        cleared = await house.call(
            teams.member_update, {"team_id": "red", "user_id": "ada", "max_budget_in_team": None}
        )
        assert cleared.budget_id == ada.budget_id
        ids = [ada.budget_id, made.member_budget_id, new.updated_team_memberships[0].budget_id]
        by_id = {each.budget_id: each for each in await house.call(budgets.info, {"budgets": ids})}
        assert [(by_id[id].max_budget, by_id[id].rpm_limit) for id in ids if id] == [
            (None, 1),
            (Decimal(5), 9),
            (Decimal(7), 9),
        ]

    in_house(postgres_dsn, scenario)


def test_a_budget_that_members_share_is_not_changed_for_one(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await with_red(house)
        await house.call(budgets.new, {"budget_id": "shared", "max_budget": 3})
        await house.call(
            teams.member_add, {"team_id": "red", "member": [{"user_id": "ada"}, {"user_id": "bob"}]}
        )
        await house.database.pool.execute("""UPDATE "LiteLLM_TeamMembership" SET budget_id = 'shared'""")
        await house.call(teams.member_update, {"team_id": "red", "user_id": "ada", "max_budget_in_team": 100})
        info = await house.call(teams.info, {"team_id": "red"})
        limits = {each.user_id: each.litellm_budget_table for each in info.team_memberships}
        assert {name: each and each.max_budget for name, each in limits.items()} == {
            "ada": Decimal(100),
            "bob": Decimal(3),
        }

    in_house(postgres_dsn, scenario)


def test_a_member_changed_by_two_keeps_both_changes(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await with_red(house)
        await house.call(teams.member_add, {"team_id": "red", "member": {"user_id": "ada"}})
        who = {"team_id": "red", "user_id": "ada"}
        await asyncio.gather(
            house.call(teams.member_update, {**who, "max_budget_in_team": 2}),
            house.call(teams.member_update, {**who, "tpm_limit": 3}),
            house.call(teams.member_update, {**who, "role": "admin"}),
            house.call(teams.member_update, {**who, "allowed_models": ["gpt-4"]}),
        )
        (ada,) = (await house.call(teams.info, {"team_id": "red"})).team_memberships
        assert (ada.role, ada.allowed_models) == ("admin", ["gpt-4"])
        assert ada.litellm_budget_table is not None
        assert (ada.litellm_budget_table.max_budget, ada.litellm_budget_table.tpm_limit) == (Decimal(2), 3)

    in_house(postgres_dsn, scenario)


def test_teams_with_the_same_people_are_filled_and_deleted_at_once(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        people = [f"u{number}" for number in range(12)]
        for user_id in people:
            await house.call(users.new, {"user_id": user_id, "auto_create_key": False})
        for turn in range(3):
            names = [f"{turn}-{number}" for number in range(6)]
            for name in names:
                await house.call(teams.new, {"team_id": name})
            added = []
            for place, name in enumerate(names):
                order = people[2 * place :] + people[: 2 * place]
                members = [{"user_id": user_id} for user_id in (order if place % 2 else order[::-1])]
                added.append(house.call(teams.member_add, {"team_id": name, "member": members}))
            await asyncio.gather(*added)
            await asyncio.gather(*(house.call(teams.delete, {"team_ids": [name]}) for name in names))
        rows = await house.database.pool.fetch('SELECT teams FROM "LiteLLM_UserTable"')
        assert [row["teams"] for row in rows] == [[]] * len(people)

    in_house(postgres_dsn, scenario)


def test_an_address_that_two_add_at_once_is_one_user(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await with_red(house)
        for turn in range(5):
            people = [{"user_email": f"{name}{turn}@example.com"} for name in "ab"]
            await asyncio.gather(
                house.call(teams.member_add, {"team_id": "red", "member": people}),
                house.call(teams.member_add, {"team_id": "blue", "member": people[::-1]}),
            )
        rows = await house.database.pool.fetch('SELECT user_email, teams FROM "LiteLLM_UserTable"')
        assert sorted(row["user_email"] for row in rows) == sorted(
            f"{name}{turn}@example.com" for name in "ab" for turn in range(5)
        )
        assert all(set(row["teams"]) == {"red", "blue"} for row in rows)

    in_house(postgres_dsn, scenario)


def test_what_was_added_is_said_in_litellms_shape(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await with_red(house)
        await house.call(teams.member_add, {"team_id": "red", "member": {"user_id": "ada"}})
        added = await house.call(
            teams.member_add,
            {
                "team_id": "red",
                "member": {"role": "admin", "user_id": "bob", "user_email": "bob@example.com"},
            },
        )
        (bob,) = added.updated_users
        assert (bob.user_id, bob.user_email, bob.role) == ("bob", "bob@example.com", "admin")
        assert [each.user_id for each in added.updated_team_memberships] == ["bob"]
        assert member_ids(added) == ["ada", "bob"]

    in_house(postgres_dsn, scenario)


def test_a_member_is_named_by_address_in_any_case(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await with_red(house)
        for address in ("Ada@example.com", "ada@EXAMPLE.com"):
            team_id = "red" if address[0] == "A" else "blue"
            await house.call(teams.member_add, {"team_id": team_id, "member": {"user_email": address}})
        assert await house.database.pool.fetchval('SELECT count(*) FROM "LiteLLM_UserTable"') == 1
        changed = await house.call(
            teams.member_update, {"team_id": "red", "user_email": "ADA@example.com", "role": "admin"}
        )
        assert changed.role == "admin"
        left = await house.call(teams.member_delete, {"team_id": "red", "user_email": "ada@example.com"})
        assert member_ids(left) == []

    in_house(postgres_dsn, scenario)


def test_a_teams_admin_sets_back_what_members_and_the_teams_keys_have_spent(postgres_dsn: str) -> None:
    """The admin may raise the budgets of both just as well."""

    async def scenario(house: House) -> None:
        await with_red(house)
        await house.call(teams.member_add, {"team_id": "red", "member": {"user_id": "ada"}})
        reset = {"team_id": "red", "user_id": "ada", "reset_to": 1}
        assert (await house.call(teams.member_reset_spend, reset, by=LEAD)).spend == 1
        assert (await house.call(teams.member_reset_spend, reset | {"reset_to": 0}, by=LEAD)).spend == 0
        made = [
            await house.call(keys.generate, {"team_id": "red", "max_budget": 2, **body})
            for body in bodies({}, {"user_id": "ada"})
        ]
        for key in made:
            changed = await house.call(keys.reset_spend, {"key": key.key, "reset_to": 1}, by=LEAD)
            assert (changed.spend, changed.previous_spend) == (Decimal(1), Decimal(0))

    in_house(postgres_dsn, scenario)


def test_a_teams_admin_sets_back_nothing_that_is_beyond_its_reach(postgres_dsn: str) -> None:
    """Not its own key, not one under a budget that an admin named, and nothing of another team."""

    async def scenario(house: House) -> None:
        await with_red(house)
        await house.call(budgets.new, {"budget_id": "named", "max_budget": 3})
        ada = {"user_id": "ada"}
        for team_id in ("red", "blue"):
            await house.call(teams.member_add, {"team_id": team_id, "member": ada})
        own, named, foreign = [
            await house.call(keys.generate, body)
            for body in bodies(
                {"team_id": "red", "user_id": "lead"},
                {"team_id": "red", "budget_id": "named"},
                {"team_id": "blue"},
            )
        ]
        for key, error in ((own, NotAllowed), (named, NotAllowed), (foreign, NotFound)):
            with pytest.raises(error):
                await house.call(keys.reset_spend, {"key": key.key, "reset_to": 0}, by=LEAD)
        with pytest.raises(NotAllowed):
            await house.call(keys.generate, {"team_id": "red", "spend": 0}, by=LEAD)
        with pytest.raises(NotFound):
            await house.call(teams.member_reset_spend, {"team_id": "blue", **ada}, by=LEAD)

    in_house(postgres_dsn, scenario)
