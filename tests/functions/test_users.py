"""Users: what they can be given and by whom, and what is deleted with them."""

import asyncio
from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest

from functions import keys, organizations, teams, users
from functions.contract.call import Caller
from functions.contract.policy import Policy
from functions.contract.roles import DEVOPS, INTERNAL_USER
from schema.errors.callers import NotAllowed
from schema.errors.requests import InvalidRequest, UnsupportedParameter
from schema.errors.rows import Conflict, NotFound
from tests.functions.contexts import NOW
from tests.functions.governed import House, bodies, cases, found, in_house

ADA = Caller(role=INTERNAL_USER, key_hash="a" * 8, user_id="ada", teams={"red": "user"})
BOSS = Caller(role=INTERNAL_USER, key_hash="b" * 8, user_id="boss", organizations={"acme": "org_admin"})
LATER = {"temp_budget_expiry": "2030-01-01T00:00:00Z"}


def test_a_new_user_has_its_teams_and_a_first_key(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await house.call(teams.new, {"team_id": "red"})
        made = await house.call(
            users.new,
            {
                "user_id": "ada",
                "user_email": "ada@example.com",
                "max_budget": 3,
                "teams": ["red"],
                "key_alias": "ada's",
            },
        )
        assert made.key is not None
        assert made.key not in repr(made)
        assert (made.teams, made.user_role, made.max_budget) == (["red"], "internal_user", Decimal(3))
        info = await house.call(users.info, by=ADA)
        assert (
            info.user_id,
            [each.key_alias for each in info.keys],
            [each.team_id for each in info.teams],
        ) == (
            "ada",
            ["ada's"],
            ["red"],
        )
        with pytest.raises(Conflict):
            await house.call(users.new, {"user_id": "ada"})
        assert (await house.call(keys.list_keys)).total_count == 1, "all of it or nothing"

    in_house(postgres_dsn, scenario)


def test_a_first_key_can_be_named_and_end_and_a_place_in_a_team_have_its_budget(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await house.call(teams.new, {"team_id": "red", "team_member_rpm_limit": 5})
        made = await house.call(
            users.new,
            {
                "user_id": "ada",
                "duration": "1d",
                "teams": [{"team_id": "red", "user_role": "admin", "max_budget_in_team": 3}],
            },
        )
        assert made.expires == NOW + timedelta(days=1)
        (member,) = (await house.call(teams.info, {"team_id": "red"})).team_memberships
        budget = member.litellm_budget_table
        assert budget is not None
        assert (member.user_id, member.role, budget.max_budget, budget.rpm_limit) == (
            "ada",
            "admin",
            Decimal(3),
            5,
        ), "what the team gives its members stays beside it"
        for body in bodies(
            {"teams": ["red", "red"]},
            {"teams": [{"team_id": "red", "max_budget_in_team": -1}]},
            {"teams": [{"team_id": "red", "rpm_limit": 1}]},
            {"auto_create_key": False, "duration": "1d"},
            {"auto_create_key": False, "key_alias": "k"},
        ):
            with pytest.raises(InvalidRequest):
                await house.call(users.new, {"user_id": "eve", **body})
        assert (await house.call(users.list_users)).total == 1

    in_house(postgres_dsn, scenario)


def test_a_user_in_a_team_that_is_not_there_is_not_made(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        with pytest.raises(NotFound, match="nope"):
            await house.call(users.new, {"user_id": "ada", "teams": ["nope"]})
        assert (await house.call(users.list_users)).total == 0
        assert house.announced == []

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("password", "secret", UnsupportedParameter),
        ("user_role", "root", InvalidRequest),
        ("max_budget", "NaN", InvalidRequest),
        ("rpm_limit", -1, InvalidRequest),
        ("user_email", "x" * 300, InvalidRequest),
    ],
)
def test_what_no_user_can_have_is_refused_by_name(
    postgres_dsn: str, field: str, value: object, error: type[Exception]
) -> None:
    async def scenario(house: House) -> None:
        with pytest.raises(error, match=field):
            await house.call(users.new, {field: value})

    in_house(postgres_dsn, scenario)


def test_aliases_of_a_new_user_are_those_of_its_first_key(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        fast = {"aliases": {"fast": "gpt-4"}}
        made = await house.call(users.new, {"user_id": "ada", **fast})
        assert (await house.call(keys.info, {"key": made.key})).info.aliases == {"fast": "gpt-4"}
        assert (await house.call(users.new, {"user_id": "eve", "auto_create_key": False, **fast})).key is None
        assert (await house.call(users.update, {"user_id": "eve", **fast})).data.user_id == "eve"
        with pytest.raises(InvalidRequest, match="aliases"):
            await house.call(users.new, {"aliases": {"": "gpt-4"}})

    in_house(postgres_dsn, scenario)


def test_an_update_touches_the_named_fields_alone(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await house.call(users.new, {"user_id": "ada", "user_email": "a@example.com", "max_budget": 1})
        await asyncio.gather(
            house.call(users.update, {"user_id": "ada", "user_role": DEVOPS}),
            house.call(users.update, {"user_id": "ada", "models": ["gpt-4"]}),
            house.call(users.update, {"user_email": "a@example.com", "user_alias": "Ada"}),
        )
        row = await house.call(users.info_alone, {"user_id": "ada"})
        assert (row.user_role, row.models, row.user_alias, row.max_budget, row.user_email) == (
            DEVOPS,
            ["gpt-4"],
            "Ada",
            Decimal(1),
            "a@example.com",
        )
        cleared = await house.call(users.update, {"user_id": "ada", "max_budget": None, "user_role": None})
        assert (cleared.data.max_budget, cleared.data.user_role) == (None, INTERNAL_USER)
        result = await house.call(
            users.bulk_update,
            {
                "users": [
                    {"user_id": "ada", "rpm_limit": 1},
                    {"user_id": "nobody", "rpm_limit": 1},
                    {"user_id": "ada", "password": "secret"},
                ]
            },
        )
        assert [(each.user_id, each.success) for each in result.results] == [
            ("ada", True),
            ("nobody", False),
            ("ada", False),
        ]
        assert (result.total_requested, result.successful_updates, result.failed_updates) == (3, 1, 2)
        assert "password" in str(result.results[2].error)
        changed = result.results[0].updated_user
        assert changed is not None
        assert (changed.rpm_limit, result.results[1].updated_user) == (1, None)

    in_house(postgres_dsn, scenario)


def test_what_belongs_to_a_deleted_user_goes_with_it(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await house.call(teams.new, {"team_id": "red"})
        made = await house.call(users.new, {"user_id": "ada", "teams": ["red"]})
        await house.call(users.new, {"user_id": "bob"})
        assert await house.call(users.delete, {"user_ids": ["ada", "nobody"]}) == 1
        assert (await house.call(keys.list_keys)).total_count == 1
        assert (await house.call(teams.info, {"team_id": "red"})).team_info.members_with_roles == []
        deleted = await house.database.pool.fetch('SELECT token FROM "LiteLLM_DeletedVerificationToken"')
        assert [row["token"] for row in deleted] == [made.token]
        assert f"key:{made.token}" in house.announced

    in_house(postgres_dsn, scenario)


def test_an_organizations_admin_manages_its_people_and_makes_no_admins(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await house.call(organizations.new, {"organization_id": "acme", "organization_alias": "Acme"})
        await house.call(users.new, {"user_id": "stranger"})
        mine = await house.call(users.new, {"user_id": "carl", "organizations": ["acme"]}, by=BOSS)
        assert (mine.user_role, mine.key) == (INTERNAL_USER, None), "whoever has a key acts as its user"
        for body in bodies(
            {"user_id": "eve"},
            {"user_id": "eve", "organizations": ["other"]},
            {"user_id": "eve", "organizations": ["acme"], "user_role": "proxy_admin"},
            {"user_id": "eve", "organizations": ["acme"], "auto_create_key": True},
            {"user_id": "eve", "organizations": ["acme"], "sso_user_id": "tid:oid"},
            {"user_id": "eve", "organizations": ["acme"], "metadata": {"temp_budget_increase": 9, **LATER}},
        ):
            with pytest.raises(NotAllowed):
                await house.call(users.new, body, by=BOSS)
        for user_id in ("default_user_id", "sql:postgres"):
            with pytest.raises(InvalidRequest, match="own word"):
                await house.call(users.new, {"user_id": user_id, "organizations": ["acme"]}, by=BOSS)
        assert (await house.call(users.block, {"user_id": "carl"}, by=BOSS)).blocked
        for body in bodies(
            {"user_role": "devops"},
            {"max_budget": 10},
            {"models": []},
            {"blocked": False},
            {"temp_budget_increase": 9, "temp_budget_expiry": "2030-01-01T00:00:00Z"},
            {"metadata": {"temp_budget_increase": 9, "temp_budget_expiry": "2030-01-01T00:00:00Z"}},
        ):
            with pytest.raises(NotAllowed):
                await house.call(users.update, {"user_id": "carl", **body}, by=BOSS)
        await house.call(teams.new, {"team_id": "foreign"})
        with pytest.raises(NotFound):
            await house.call(
                users.new,
                {"organizations": ["acme"], "teams": [{"team_id": "foreign", "user_role": "admin"}]},
                by=BOSS,
            )
        claimed = {"organization_id": "acme", "member": {"user_id": "known"}}
        await house.call(users.new, {"user_id": "known", "auto_create_key": False})
        await house.call(organizations.member_add, claimed, by=BOSS)
        await house.call(users.new, {"user_id": "risen", "organizations": ["acme"]}, by=BOSS)
        await house.call(users.update, {"user_id": "risen", "user_role": "proxy_admin"})
        for function, body in cases(
            (users.delete, {"user_ids": ["known"]}),
            (users.delete, {"user_ids": ["carl", "risen"]}),
            (users.block, {"user_id": "risen"}),
            (users.block, {"user_id": "known"}),
            (users.unblock, {"user_id": "known"}),
        ):
            with pytest.raises(NotAllowed):
                await house.call(function, body, by=BOSS)
        await house.call(
            organizations.member_delete, {"organization_id": "acme", "user_id": "known"}, by=BOSS
        )
        for function, body in cases(
            (users.update, {"user_id": "stranger", "user_alias": "x"}),
            (users.block, {"user_id": "stranger"}),
            (users.delete, {"user_ids": ["stranger"]}),
            (users.info, {"user_id": "stranger"}),
        ):
            with pytest.raises(NotFound):
                await house.call(function, body, by=BOSS)
        listed = await house.call(users.list_users, {"sort_by": "user_id", "sort_order": "asc"}, by=BOSS)
        assert [each.user_id for each in listed.users] == ["carl", "risen"]

    in_house(postgres_dsn, scenario)


def test_users_and_teams_that_go_at_once_do_not_wait_for_each_other(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        for number in range(10):
            team, people = f"t{number}", [f"a{number}", f"b{number}"]
            await house.call(teams.new, {"team_id": team})
            members = [{"user_id": user_id} for user_id in people]
            await house.call(teams.member_add, {"team_id": team, "member": members})
            await asyncio.gather(
                house.call(teams.delete, {"team_ids": [team]}),
                house.call(users.delete, {"user_ids": people}),
            )

    in_house(postgres_dsn, scenario)


def test_the_list_is_filtered_and_counts_keys(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await house.call(teams.new, {"team_id": "red"})
        await house.call(users.new, {"user_id": "ada", "user_email": "ada@x.org", "teams": ["red"]})
        await house.call(
            users.new,
            {"user_id": "bob", "user_email": "bob@x.org", "auto_create_key": False, "user_role": DEVOPS},
        )
        listed = await house.call(users.list_users, {"sort_by": "user_id", "sort_order": "asc"})
        assert [(each.user_id, each.key_count) for each in listed.users] == [("ada", 1), ("bob", 0)]
        for query, expected in found(
            ({"role": DEVOPS}, ["bob"]),
            ({"team": "red"}, ["ada"]),
            ({"page_size": 500, "role": DEVOPS}, ["bob"]),
            ({"user_email": "BOB@"}, ["bob"]),
            ({"user_ids": "ada,nobody"}, ["ada"]),
            ({"page_size": 1, "page": 2, "sort_by": "user_id", "sort_order": "asc"}, ["bob"]),
        ):
            assert [each.user_id for each in (await house.call(users.list_users, query)).users] == expected
        with pytest.raises(InvalidRequest):
            await house.call(users.list_users, {"page_size": 0})
        with pytest.raises(msgspec.ValidationError, match="all_users"):
            await house.call(users.list_users, {"all_users": "true"})

    in_house(postgres_dsn, scenario)


def test_the_config_gives_users_a_budget(postgres_dsn: str) -> None:
    defaults = {"max_budget": 7, "budget_duration": "30d", "teams": ["red"], "auto_create_key": False}
    policy = Policy(
        user_defaults={name: msgspec.Raw(msgspec.json.encode(value)) for name, value in defaults.items()}
    )

    async def scenario(house: House) -> None:
        await house.call(teams.new, {"team_id": "red"})
        made = await house.call(users.new, {"user_id": "ada"})
        own = await house.call(users.new, {"user_id": "bob", "max_budget": 1})
        assert (made.max_budget, made.budget_duration, own.max_budget) == (Decimal(7), "30d", Decimal(1))
        assert (made.teams, made.key) == (["red"], None)
        await house.call(organizations.new, {"organization_id": "acme", "organization_alias": "Acme"})
        carl = await house.call(users.new, {"user_id": "carl", "organizations": ["acme"]}, by=BOSS)
        assert (carl.max_budget, carl.teams) == (Decimal(7), ["red"])
        for body in bodies({"max_budget": 8}, {"max_budget": None}):
            with pytest.raises(NotAllowed):
                await house.call(users.new, {"organizations": ["acme"], **body}, by=BOSS)

    in_house(postgres_dsn, scenario, policy)


def test_every_role_has_a_label(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        assert set(await house.call(users.available_roles, by=ADA)) >= {
            "proxy_admin",
            "devops",
            "internal_user",
        }

    in_house(postgres_dsn, scenario)


def test_users_and_teams_are_found_by_a_part_of_their_names(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        for name in ("ada", "adam", "bob"):
            body = {"user_id": name, "user_email": f"{name}@Example.com", "auto_create_key": False}
            await house.call(users.new, body)
        for name in ("red", "dark-red", "blue_x"):
            await house.call(teams.new, {"team_id": name, "team_alias": f"Team {name}"})

        async def ids(**query: object) -> list[str]:
            return [each.user_id for each in await house.call(users.filter_users, query)]

        async def team_ids(**query: object) -> list[str]:
            return [each.team_id for each in await house.call(teams.filter_teams, query)]

        assert await ids(user_id="AD") == ["ada", "adam"]
        assert await ids(user_email="bob@") == ["bob"]
        assert await ids(user_id="a", user_email="adam") == ["adam"]
        assert await ids(user_id="%") == [], "it is a text, and no pattern"
        assert await ids(user_id="ad", page=2, page_size=1) == ["adam"]
        assert await team_ids(team_alias="RED") == ["dark-red", "red"]
        assert await team_ids(team_id="_") == ["blue_x"]
        with pytest.raises(InvalidRequest):
            await ids(page_size=1_000)
        assert [each.user_id for each in await house.call(users.filter_users, {}, ADA)] == ["ada"]

    in_house(postgres_dsn, scenario)


def test_an_admin_says_what_a_users_requests_may_say_of_the_cache(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        made = await house.call(users.new, {"user_id": "ada", "allowed_cache_controls": ["ttl"]})
        assert made.metadata["allowed_cache_controls"] == msgspec.Raw(b'["ttl"]')
        for change in bodies(
            {"allowed_cache_controls": []},
            {"allowed_cache_controls": None},
            {"metadata": {"allowed_cache_controls": ["no-cache"]}},
        ):
            with pytest.raises(NotAllowed):
                await house.call(users.update, {"user_id": "ada", **change}, by=ADA)
        for wrong in (["no-cash"], "ttl", [1]):
            with pytest.raises(InvalidRequest, match="allowed_cache_controls"):
                await house.call(users.update, {"user_id": "ada", "allowed_cache_controls": wrong})
        changed = await house.call(users.update, {"user_id": "ada", "allowed_cache_controls": ["no-cache"]})
        assert changed.data.metadata["allowed_cache_controls"] == msgspec.Raw(b'["no-cache"]')

    in_house(postgres_dsn, scenario)
