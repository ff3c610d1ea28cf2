"""Bulk calls answer item by item, and what a script sends in one call is all there afterwards."""

import asyncio
from decimal import Decimal

import msgspec
import pytest

from functions import budgets, customers, keys, models, organizations, teams, users
from functions.contract.call import Caller
from functions.contract.policy import Policy
from functions.contract.roles import INTERNAL_USER, PROXY_ADMIN
from schema.errors.callers import NotAllowed
from schema.errors.requests import InvalidRequest, UnsupportedParameter
from schema.errors.rows import NotFound
from schema.models import AllowedModels, ModelQuery, ModelsQuery
from schema.wire import to_json
from tests.functions.contexts import NOW, catalogue_ctx
from tests.functions.governed import House, bodies, cases, in_house

ADA = Caller(role=INTERNAL_USER, key_hash="a" * 8, user_id="ada", teams={"red": "user"})
BOSS = Caller(role=INTERNAL_USER, key_hash="b" * 8, user_id="boss", organizations={"acme": "org_admin"})


def test_many_members_are_added_each_on_its_own(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await house.call(teams.new, {"team_id": "red"})
        await house.call(users.new, {"user_id": "eve", "auto_create_key": False})
        await house.call(teams.member_add, {"team_id": "red", "member": {"user_id": "ada"}})
        done = await house.call(
            teams.bulk_member_add,
            {
                "team_id": "red",
                "members": [{"user_id": "new"}, {"user_id": "ada"}, {"user_email": "x@example.com"}, {}],
                "max_budget_in_team": 2,
            },
        )
        assert [each.success for each in done.results] == [True, False, True, False]
        assert (done.total_requested, done.successful_additions, done.failed_additions) == (4, 2, 2)
        assert "already" in str(done.results[1].error)
        assert done.results[2].user_email == "x@example.com"
        assert len(done.updated_team.members_with_roles) == 3
        everybody = await house.call(teams.bulk_member_add, {"team_id": "red", "all_users": True})
        assert [each.user_id for each in everybody.results] == ["eve"]
        for body in bodies({"team_id": "red", "members": []}, {"team_id": "red"}):
            with pytest.raises(InvalidRequest, match="members"):
                await house.call(teams.bulk_member_add, body)
        with pytest.raises(NotFound):
            await house.call(teams.bulk_member_add, {"team_id": "nope", "members": [{"user_id": "a"}]})

    in_house(postgres_dsn, scenario)


def test_only_an_admin_adds_or_changes_everybody(postgres_dsn: str) -> None:
    lead = Caller(role=INTERNAL_USER, key_hash="e" * 8, user_id="lead", teams={"red": "admin"})

    async def scenario(house: House) -> None:
        await house.call(teams.new, {"team_id": "red"})
        await house.call(users.new, {"user_id": "ada", "auto_create_key": False})
        with pytest.raises(NotAllowed, match="all_users"):
            await house.call(teams.bulk_member_add, {"team_id": "red", "all_users": True}, by=lead)
        with pytest.raises(NotAllowed, match="all_users"):
            await house.call(
                users.bulk_update, {"all_users": True, "user_updates": {"user_alias": "x"}}, by=BOSS
            )
        done = await house.call(users.bulk_update, {"all_users": True, "user_updates": {"rpm_limit": 7}})
        assert (done.successful_updates, done.failed_updates) == (1, 0)
        assert (await house.call(users.info_alone, {"user_id": "ada"})).rpm_limit == 7
        for body in bodies(
            {"all_users": True},
            {"all_users": True, "user_updates": {"user_id": "ada"}},
            {"all_users": True, "user_updates": {"rpm_limit": 1}, "users": [{"user_id": "ada"}]},
            {"users": []},
        ):
            with pytest.raises(InvalidRequest):
                await house.call(users.bulk_update, body)
        refused = await house.call(users.bulk_update, {"all_users": True, "user_updates": {"password": "x"}})
        assert refused.failed_updates == 1, "a field that nobody declares is told for each"

    in_house(postgres_dsn, scenario)


def test_the_master_keys_user_is_admin_of_the_teams_that_it_makes(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        made = await house.call(teams.new, {"team_id": "red", "admins": ["ann"], "members": ["bob", "ann"]})
        assert [(each.role, each.user_id) for each in made.members_with_roles] == [
            ("admin", "default_user_id"),
            ("admin", "ann"),
            ("user", "bob"),
        ]
        again = await house.call(teams.new, {"members_with_roles": [{"user_id": "default_user_id"}]})
        assert [(each.role, each.user_id) for each in again.members_with_roles] == [
            ("user", "default_user_id")
        ]

    in_house(postgres_dsn, scenario, Policy())


def test_an_admin_stays_out_of_teams_where_the_config_says_so(postgres_dsn: str) -> None:
    admin = Caller(role=PROXY_ADMIN, key_hash="c" * 8, user_id="root")

    async def scenario(house: House) -> None:
        await house.call(users.new, {"user_id": "root", "auto_create_key": False})
        assert (await house.call(teams.new, {"team_id": "red"})).members_with_roles == []
        assert (await house.call(teams.new, {"team_id": "blue"}, by=admin)).members_with_roles == []

    in_house(postgres_dsn, scenario, Policy(admins_stay_out=True))


def test_everybody_may_give_oneself_another_alias_and_nothing_else(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        for user_id in ("ada", "bob"):
            await house.call(users.new, {"user_id": user_id, "auto_create_key": False})
        done = await house.call(users.update, {"user_id": "ada", "user_alias": "Ada L."}, by=ADA)
        assert done.data.user_alias == "Ada L."
        for body in bodies(
            {"max_budget": 5}, {"user_role": "internal_user"}, {"metadata": {}}, {"models": []}
        ):
            with pytest.raises(NotAllowed):
                await house.call(users.update, {"user_id": "ada", **body}, by=ADA)
        with pytest.raises(NotFound):
            await house.call(users.update, {"user_id": "bob", "user_alias": "x"}, by=ADA)

    in_house(postgres_dsn, scenario)


def test_a_new_user_joins_the_team_that_it_is_made_for(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await house.call(teams.new, {"team_id": "red"})
        made = await house.call(users.new, {"user_id": "ada", "team_id": "red"})
        info = await house.call(keys.info, {"key": made.key})
        assert (made.teams, info.info.team_id) == (["red"], "red")
        twice = await house.call(users.new, {"user_id": "bob", "team_id": "red", "teams": ["red"]})
        assert twice.teams == ["red"]
        with pytest.raises(NotFound):
            await house.call(users.new, {"user_id": "eve", "team_id": "nope"})

    in_house(postgres_dsn, scenario)


def test_users_are_deleted_from_their_organization_alone(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await house.call(organizations.new, {"organization_id": "acme", "organization_alias": "Acme"})
        for user_id, of in (("ada", ["acme"]), ("bob", [])):
            await house.call(users.new, {"user_id": user_id, "organizations": of, "auto_create_key": False})
        with pytest.raises(NotFound, match="bob"):
            await house.call(users.delete, {"user_ids": ["ada", "bob"], "organization_id": "acme"})
        found = await house.call(users.list_users, {"organization_ids": "acme,other"})
        assert [each.user_id for each in found.users] == ["ada"]
        assert await house.call(users.delete, {"user_ids": ["ada"], "organization_id": "acme"}) == 1
        assert (await house.call(users.list_users)).total == 1

    in_house(postgres_dsn, scenario)


def test_an_admin_without_a_user_sees_all_keys_and_teams(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await house.call(teams.new, {"team_id": "red"})
        await house.call(keys.generate, {"user_id": "ada"})
        info = await house.call(users.info)
        assert (info.user_id, info.user_info, len(info.keys)) == (None, None, 1)
        assert [each.team_id for each in info.teams] == ["red"]
        own = await house.call(users.info, by=ADA)
        assert own.user_id == "ada"

    in_house(postgres_dsn, scenario)


def test_keys_are_listed_by_status_end_and_the_address_of_their_user(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        for user_id in ("ada", "bob"):
            await house.call(
                users.new,
                {"user_id": user_id, "user_email": f"{user_id}@example.com", "auto_create_key": False},
            )
        short = await house.call(keys.generate, {"user_id": "ada", "duration": "2d", "key_alias": "short"})
        gone = await house.call(keys.generate, {"user_id": "bob", "key_alias": "gone"})
        await house.call(keys.generate, {"user_id": "bob", "key_alias": "stays"})
        await house.call(keys.delete, {"keys": [gone.key]})
        soon = f"{short.expires:%Y-%m-%d}"
        for query, tokens in (
            ({"status": "deleted"}, [gone.token]),
            ({"status": "deleted", "user_id": "ada"}, []),
            ({"expires": soon}, [short.token]),
            ({"expires": f"{NOW:%Y-%m-%d}"}, []),
            ({"user_email": "ADA@"}, [short.token]),
            ({"user_email": "%"}, []),
        ):
            assert (await house.call(keys.list_keys, query)).keys == tokens, query
        (shown,) = (await house.call(keys.list_keys, {"status": "deleted", "expand": "user"})).keys
        assert not isinstance(shown, str)
        assert (shown.status, getattr(shown.user, "user_email", None)) == ("deleted", "bob@example.com")
        with pytest.raises(InvalidRequest, match="expires"):
            await house.call(keys.list_keys, {"expires": "soon"})
        by_her = await house.call(keys.list_keys, {"user_email": "example"}, by=ADA)
        assert by_her.keys == [short.token]

    in_house(postgres_dsn, scenario)


def test_a_member_deletes_no_key_of_the_team_itself(postgres_dsn: str) -> None:
    opened = Caller(
        role=INTERNAL_USER,
        key_hash="a" * 8,
        user_id="ada",
        teams={"red": "user"},
        permissions={"/key/delete": frozenset({"red"})},
    )

    async def scenario(house: House) -> None:
        await house.call(
            teams.new, {"team_id": "red", "team_member_permissions": ["/key/info", "/key/health"]}
        )
        service = await house.call(keys.generate_service_account, {"team_id": "red"})
        other = await house.call(keys.generate, {"team_id": "red", "user_id": "bob"})
        for named in bodies({"keys": [service.key]}, {"keys": [other.key, service.key]}):
            with pytest.raises(NotAllowed, match="admin alone"):
                await house.call(keys.delete, named, by=opened)
        assert (await house.call(keys.list_keys)).total_count == 2
        lead = Caller(role=INTERNAL_USER, key_hash="e" * 8, user_id="lead", teams={"red": "admin"})
        assert (await house.call(keys.delete, {"keys": [service.key]}, by=lead)).deleted_keys == [service.key]

    in_house(postgres_dsn, scenario)


def test_teams_are_searched_and_sorted(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        for team_id, alias in (("a", "Zebra"), ("b", "Yak"), ("c", None)):
            await house.call(teams.new, {"team_id": team_id, "team_alias": alias})
        for query, ids in (
            ({"sort_by": "team_alias", "sort_order": "asc"}, ["b", "a", "c"]),
            ({"sort_by": "team_id", "sort_order": "desc"}, ["c", "b", "a"]),
            ({"search": "ZEB"}, ["a"]),
            ({"search": "%"}, []),
            ({"search": "a", "sort_by": "team_id", "sort_order": "asc", "page_size": 1}, ["a"]),
        ):
            assert [each.team_id for each in (await house.call(teams.page_teams, query)).teams] == ids, query

    in_house(postgres_dsn, scenario)


def test_a_member_has_budgets_by_model(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await house.call(teams.new, {"team_id": "red"})
        limits = {"model_max_budget": {"gpt-4": {"max_budget": 1, "budget_duration": "1d"}}}
        await house.call(teams.member_add, {"team_id": "red", "member": {"user_id": "ada"}, **limits})
        (member,) = (await house.call(teams.info, {"team_id": "red"})).team_memberships
        assert member.litellm_budget_table is not None
        assert member.litellm_budget_table.model_max_budget["gpt-4"].max_budget == Decimal(1)

    in_house(postgres_dsn, scenario)


def test_a_keys_budget_for_its_customers_is_there_and_set_by_an_admin(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await house.call(budgets.new, {"budget_id": "small", "max_budget": 1})
        made = await house.call(keys.generate, {"user_id": "ada", "end_user_budget_id": "small"})
        assert bytes(made.metadata["end_user_budget_id"]) == b'"small"'
        with pytest.raises(InvalidRequest, match="end_user_budget_id"):
            await house.call(keys.generate, {"end_user_budget_id": "nope"})
        for value in ("small", None):
            with pytest.raises(NotAllowed, match="end_user_budget_id"):
                await house.call(keys.update, {"key": made.key, "end_user_budget_id": value}, by=ADA)
        with pytest.raises(NotAllowed, match="end_user_budget_id"):
            await house.call(keys.generate, {"metadata": {"end_user_budget_id": "small"}}, by=ADA)
        cleared = await house.call(keys.update, {"key": made.key, "end_user_budget_id": None})
        assert cleared.metadata == {}

    in_house(postgres_dsn, scenario)


def test_a_customers_default_model_is_kept(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await house.call(customers.new, {"user_id": "c", "default_model": "gpt"})
        assert (await house.call(customers.info, {"end_user_id": "c"})).default_model == "gpt"
        await house.call(customers.update, {"user_id": "c", "default_model": None})
        assert (await house.call(customers.info, {"end_user_id": "c"})).default_model is None

    in_house(postgres_dsn, scenario)


def test_the_list_of_models_has_aliases_and_groups() -> None:
    caller = Caller(
        role=INTERNAL_USER,
        key_hash="a" * 8,
        user_id="ada",
        aliases={"fast": "gpt", "gone": "nope", "other": "mistral-local"},
        access_groups=("premium",),
        models=(AllowedModels("key", ("premium", "gpt", "openai/*")),),
    )
    ctx = catalogue_ctx(caller)

    def ids(**query: bool) -> list[str]:
        return [card.id for card in asyncio.run(models.models(ModelsQuery(**query), ctx)).data]

    assert ids() == ["gpt", "openai/*", "fast"]
    assert ids(return_wildcard_routes=False) == ["gpt", "fast"]
    assert ids(only_model_access_groups=True) == ["premium"]
    assert (ids(include_model_access_groups=True))[-1] == "premium"
    assert asyncio.run(models.retrieve(ModelQuery(model="fast"), ctx)).id == "fast"


def test_a_row_that_was_read_can_be_sent_back(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await house.call(teams.new, {"team_id": "red", "members": ["bob"], "budget_duration": "1d"})
        await house.call(users.new, {"user_id": "ada", "teams": ["red"]})
        made = await house.call(keys.generate, {"user_id": "ada", "max_budget": 3, "budget_duration": "1d"})
        key = msgspec.json.decode(to_json((await house.call(keys.info, {"key": made.key})).info))
        team = msgspec.json.decode(to_json((await house.call(teams.info, {"team_id": "red"})).team_info))
        user = msgspec.json.decode(to_json(await house.call(users.info_alone, {"user_id": "ada"})))
        changed = await house.call(keys.update, {**key, "key": made.key, "max_budget": 9})
        assert (changed.max_budget, changed.token) == (Decimal(9), made.token)
        assert (await house.call(teams.update, {**team, "max_budget": 9})).data.max_budget == Decimal(9)
        assert (await house.call(users.update, {**user, "user_alias": "Ada"})).data.user_alias == "Ada"
        for function, body in cases(
            (keys.update, {**key, "key": made.key, "rotation_count": 5}),
            (teams.update, {**team, "members_with_roles": [{"user_id": "eve"}]}),
            (users.update, {**user, "teams": ["blue"]}),
            (users.update, {**user, "user_id": "nobody"}),
        ):
            with pytest.raises((UnsupportedParameter, NotFound)):
                await house.call(function, body)

    in_house(postgres_dsn, scenario)
