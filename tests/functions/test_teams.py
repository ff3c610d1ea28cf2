"""Teams: to whom they belong, which models they may use, and who may decide it."""

import asyncio
from decimal import Decimal

import msgspec
import pytest

from functions import audit, budgets, keys, organizations, teams, users
from functions.contract.call import Caller
from functions.contract.policy import Policy
from functions.contract.roles import INTERNAL_USER
from schema.errors.callers import NotAllowed
from schema.errors.requests import InvalidRequest, UnsupportedParameter
from schema.errors.rows import AlreadyExists, NotFound
from tests.functions.governed import House, bodies, cases, found, in_house

LEAD = Caller(role=INTERNAL_USER, key_hash="e" * 8, user_id="lead", teams={"red": "admin", "blue": "user"})
BOSS = Caller(role=INTERNAL_USER, key_hash="b" * 8, user_id="boss", organizations={"acme": "org_admin"})


def member_ids(record: object) -> list[str | None]:
    return [member.user_id for member in record.members_with_roles]  # type: ignore[attr-defined]


async def with_red(house: House) -> None:
    await house.call(
        teams.new, {"team_id": "red", "team_alias": "Red", "models": ["gpt-4"], "max_budget": 10}
    )
    await house.call(teams.new, {"team_id": "blue"})


def test_a_team_is_made_with_its_members_and_who_makes_it_is_its_admin(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await house.call(users.new, {"user_id": "default_user_id", "auto_create_key": False})
        made = await house.call(
            teams.new,
            {
                "team_id": "red",
                "max_budget": 5,
                "members_with_roles": [{"role": "user", "user_email": "new@example.com"}],
                "team_member_budget": 1.5,
                "team_member_rpm_limit": 9,
            },
        )
        assert [(each.role, each.user_email) for each in made.members_with_roles] == [
            ("admin", None),
            ("user", "new@example.com"),
        ]
        assert made.member_budget_id is not None
        (budget,) = await house.call(budgets.info, {"budgets": [made.member_budget_id]})
        assert (budget.max_budget, budget.rpm_limit) == (Decimal("1.5"), 9)
        with pytest.raises(AlreadyExists):
            await house.call(teams.new, {"team_id": "red"})

    in_house(postgres_dsn, scenario, Policy())


def test_a_team_changed_by_two_keeps_both_changes(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await with_red(house)
        await asyncio.gather(
            house.call(teams.update, {"team_id": "red", "rpm_limit": 5}),
            house.call(teams.update, {"team_id": "red", "tags": ["x"]}),
            house.call(teams.patch, {"team_id": "red", "metadata": {"a": 1}}),
            house.call(teams.model_add, {"team_id": "red", "models": ["claude"]}),
            house.call(teams.model_add, {"team_id": "red", "models": ["llama", "gpt-4"]}),
        )
        row = (await house.call(teams.info, {"team_id": "red"})).team_info
        assert (row.rpm_limit, set(row.metadata), row.max_budget) == (5, {"tags", "a"}, Decimal(10))
        assert sorted(row.models) == ["claude", "gpt-4", "llama"]
        cleared = await house.call(teams.update, {"team_id": "red", "max_budget": None})
        assert (cleared.data.max_budget, cleared.data.rpm_limit) == (None, 5)

    in_house(postgres_dsn, scenario)


def test_what_belongs_to_a_deleted_team_goes_with_it_and_leaves_a_record(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await with_red(house)
        await house.call(teams.member_add, {"team_id": "red", "member": {"user_id": "ada"}})
        made = await house.call(keys.generate, {"team_id": "red"})
        gone = await house.call(teams.delete, {"team_ids": ["red"]})
        assert gone.deleted_teams == ["red"]
        with pytest.raises(NotFound):
            await house.call(teams.info, {"team_id": "red"})
        pool = house.database.pool
        assert await pool.fetchval('SELECT team_id FROM "LiteLLM_DeletedTeamTable"') == "red"
        assert await pool.fetchval('SELECT token FROM "LiteLLM_DeletedVerificationToken"') == made.token
        assert (await house.call(users.info_alone, {"user_id": "ada"})).teams == []
        assert {"team:red", f"key:{made.token}", "user:ada"} <= set(house.announced)

    in_house(postgres_dsn, scenario)


def test_a_teams_admin_manages_it_but_not_its_money(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await with_red(house)
        await house.call(
            users.new, {"user_id": "lead", "teams": [{"team_id": "red", "user_role": "admin"}, "blue"]}
        )
        changed = await house.call(
            teams.update, {"team_id": "red", "team_alias": "Reds", "tags": ["x"]}, by=LEAD
        )
        assert changed.data.team_alias == "Reds"
        await house.call(teams.member_add, {"team_id": "red", "member": {"user_id": "ada"}}, by=LEAD)
        for body in bodies(
            {"max_budget": 100},
            {"rpm_limit": None},
            {"budget_limits": []},
            {"team_member_budget": 100},
            {"blocked": False},
        ):
            with pytest.raises(NotAllowed):
                await house.call(teams.update, {"team_id": "red", **body}, by=LEAD)
        with pytest.raises(NotAllowed):
            await house.call(teams.update, {"team_id": "red", "organization_id": None}, by=LEAD)
        for function, body in cases(
            (teams.block, {"team_id": "red"}),
            (teams.unblock, {"team_id": "red"}),
            (teams.delete, {"team_ids": ["red"]}),
        ):
            with pytest.raises(NotAllowed):
                await house.call(function, body, by=LEAD)
        for function, body in cases(
            (teams.update, {"team_id": "blue", "team_alias": "x"}),
            (teams.member_add, {"team_id": "blue", "member": {"user_id": "eve"}}),
            (teams.permissions_update, {"team_id": "blue", "team_member_permissions": []}),
            (teams.model_add, {"team_id": "blue", "models": ["x"]}),
        ):
            with pytest.raises(NotFound):
                await house.call(function, body, by=LEAD)
        seen = {each.team_id for each in await house.call(teams.list_teams, by=LEAD)}
        assert seen == {"red", "blue"}, "it is a member of the second"

    in_house(postgres_dsn, scenario)


def test_an_organizations_admin_has_its_teams_and_no_others(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await house.call(organizations.new, {"organization_id": "acme", "organization_alias": "Acme"})
        await house.call(teams.new, {"team_id": "other"})
        made = await house.call(teams.new, {"organization_id": "acme", "max_budget": 5}, by=BOSS)
        changed = await house.call(teams.update, {"team_id": made.team_id, "max_budget": 6}, by=BOSS)
        assert changed.data.max_budget == 6
        with pytest.raises(NotAllowed):
            await house.call(teams.new, {}, by=BOSS)
        with pytest.raises(NotFound):
            await house.call(teams.new, {"organization_id": "other"}, by=BOSS)
        with pytest.raises(NotAllowed):
            await house.call(teams.update, {"team_id": made.team_id, "organization_id": None}, by=BOSS)
        with pytest.raises(NotFound):
            await house.call(teams.update, {"team_id": "other", "max_budget": 1}, by=BOSS)
        assert [each.team_id for each in await house.call(teams.list_teams, by=BOSS)] == [made.team_id]
        assert (await house.call(teams.page_teams, by=BOSS)).total == 1

    in_house(postgres_dsn, scenario)


def test_a_teams_last_model_does_not_go(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await with_red(house)
        with pytest.raises(InvalidRequest, match="no-default-models"):
            await house.call(teams.model_delete, {"team_id": "red", "models": ["gpt-4"]})
        await house.call(teams.model_add, {"team_id": "red", "models": ["claude"]})
        assert (await house.call(teams.model_delete, {"team_id": "red", "models": ["gpt-4"]})).models == [
            "claude"
        ]

    in_house(postgres_dsn, scenario)


def test_a_team_opens_paths_to_its_members(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await with_red(house)
        body = {"team_id": "red", "team_member_permissions": ["/key/generate"]}
        assert (await house.call(teams.permissions_update, body)).team_member_permissions == ["/key/generate"]
        listed = await house.call(teams.permissions_list, {"team_id": "red"})
        assert "/key/delete" in listed.all_available_permissions
        with pytest.raises(InvalidRequest):
            await house.call(
                teams.permissions_update, {"team_id": "red", "team_member_permissions": ["/user/new"]}
            )

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize(
    ("field", "value"),
    [("max_budget", "-inf"), ("tpm_limit", -5), ("policies", ["x"]), ("budget_duration", "often")],
)
def test_what_no_team_can_have_is_refused_by_name(postgres_dsn: str, field: str, value: object) -> None:
    async def scenario(house: House) -> None:
        with pytest.raises((InvalidRequest, UnsupportedParameter), match=field):
            await house.call(teams.new, {field: value})

    in_house(postgres_dsn, scenario)


def test_a_teams_admin_takes_models_away_and_adds_none(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await house.call(teams.new, {"team_id": "red", "models": ["gpt-4", "claude", "llama/*"]})
        fewer = await house.call(
            teams.update, {"team_id": "red", "models": ["gpt-4", "llama/3", "llama/4"]}, by=LEAD
        )
        assert fewer.data.models == ["gpt-4", "llama/3", "llama/4"]
        for function, body in cases(
            (teams.update, {"models": ["gpt-4", "claude"]}),
            (teams.update, {"models": []}),
            (teams.update, {"models": None}),
            (teams.patch, {"models": ["llama/*"]}),
            (teams.model_add, {"models": ["all-proxy-models"]}),
            (teams.update, {"access_group_ids": ["g"]}),
        ):
            with pytest.raises(NotAllowed, match=r"models|access_group_ids"):
                await house.call(function, {"team_id": "red", **body}, by=LEAD)
        assert (await house.call(teams.model_delete, {"team_id": "red", "models": ["gpt-4"]}, by=LEAD)).models
        more = await house.call(teams.model_add, {"team_id": "red", "models": ["claude"]})
        assert more.models == ["llama/3", "llama/4", "claude"]

    in_house(postgres_dsn, scenario)


def test_a_limit_is_one_inside_metadata_as_well(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        more = {"temp_budget_increase": 1_000, "temp_budget_expiry": "2030-01-01T00:00:00Z"}
        limits = {"model_rpm_limit": {"gpt-4": 1}, "model_tpm_limit": {"gpt-4": 1}}
        await house.call(teams.new, {"team_id": "red", "metadata": {**limits, "tags": ["x"], "site": "B"}})
        for body in bodies(
            more,
            {"metadata": more},
            {"metadata": {"model_rpm_limit": None}},
            {"model_tpm_limit": None},
            {"default_estimated_output_tokens": 1},
        ):
            with pytest.raises(NotAllowed):
                await house.call(teams.update, {"team_id": "red", **body}, by=LEAD)
        changed = await house.call(
            teams.update, {"team_id": "red", "metadata": {"tags": ["y"], "floor": 2}}, by=LEAD
        )
        kept = {name: bytes(value) for name, value in changed.data.metadata.items()}
        assert kept == {
            "model_rpm_limit": b'{"gpt-4": 1}',
            "model_tpm_limit": b'{"gpt-4": 1}',
            "tags": b'["y"]',
            "floor": b"2",
        }
        for metadata in bodies(
            {"model_rpm_limit": {"gpt-4": -1}}, {"temp_budget_increase": "NaN"}, {"model_tpm_limit": "many"}
        ):
            with pytest.raises(InvalidRequest):
                await house.call(teams.update, {"team_id": "red", "metadata": metadata})

    in_house(postgres_dsn, scenario)


def test_teams_are_deleted_all_or_none(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await with_red(house)
        with pytest.raises(NotFound, match="nope"):
            await house.call(teams.delete, {"team_ids": ["red", "nope"]})
        assert len(await house.call(teams.list_teams)) == 2

    in_house(postgres_dsn, scenario)


def test_teams_are_listed_by_what_is_asked_and_nothing_else_is_understood(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await with_red(house)
        await house.call(teams.member_add, {"team_id": "blue", "member": {"user_id": "ada"}})
        for query, names in found(
            ({"team_alias": "Red"}, ["red"]),
            ({"team_id": "blue"}, ["blue"]),
            ({"user_id": "ada"}, ["blue"]),
            ({"user_id": "ada", "team_id": "red"}, []),
            ({"organization_id": "acme"}, []),
        ):
            assert [each.team_id for each in await house.call(teams.list_teams, query)] == names, query
        page = await house.call(teams.page_teams, {"page": 2, "page_size": 1})
        assert (len(page.teams), page.total, page.total_pages) == (1, 2, 2)
        for query in bodies({"page_size": 0}, {"page": 0}):
            with pytest.raises(InvalidRequest):
                await house.call(teams.page_teams, query)
        with pytest.raises(msgspec.ValidationError, match="teamid"):
            await house.call(teams.list_teams, {"teamid": "red"})

    in_house(postgres_dsn, scenario)


def test_a_team_without_its_id_is_400(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        with pytest.raises(InvalidRequest, match="team_id"):
            await house.call(teams.update, {"team_alias": "x"})
        with pytest.raises(InvalidRequest, match="reset_to"):
            await house.call(teams.member_reset_spend, {"team_id": "red", "user_id": "a", "reset_to": -1})

    in_house(postgres_dsn, scenario)


def test_blocking_a_team_stands_in_the_audit_log(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await with_red(house)
        assert (await house.call(teams.block, {"team_id": "red"})).blocked
        assert not (await house.call(teams.unblock, {"team_id": "red"})).blocked
        log = await house.call(audit.audit, {"object_id": "red"})
        assert [each.action for each in log.audit_logs] == ["unblocked", "blocked", "created"]
        for function, body in cases((teams.block, {}), (teams.unblock, {})):
            with pytest.raises(NotFound):
                await house.call(function, {"team_id": "nope", **body})

    in_house(postgres_dsn, scenario)
