"""Access groups: each is one name for several models."""

import asyncio

import pytest

from functions import access_groups
from functions.contract.call import Caller
from functions.contract.roles import INTERNAL_USER
from schema.errors.requests import InvalidRequest, UnsupportedParameter
from schema.errors.rows import Conflict, NotFound
from tests.functions.governed import House, cases, in_house

LEAD = Caller(role=INTERNAL_USER, key_hash="e" * 8, user_id="lead", teams={"red": "admin"})
FAST = {"access_group_name": "fast", "access_model_names": ["gpt-4", "llama"]}


def test_a_group_is_made_changed_and_deleted(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        made = await house.call(access_groups.new, FAST)
        id = made.access_group_id
        changed = await house.call(access_groups.update, {"access_group_id": id, "description": "quick ones"})
        assert (changed.access_model_names, changed.description) == (["gpt-4", "llama"], "quick ones")
        cleared = await house.call(
            access_groups.update, {"access_group_id": id, "description": None, "access_model_names": None}
        )
        assert (cleared.access_model_names, cleared.description) == ([], None)
        assert (await house.call(access_groups.info, {"access_group_id": id})).access_group_name == "fast"
        assert [each.access_group_id for each in await house.call(access_groups.list_groups)] == [id]
        await house.call(access_groups.delete, {"access_group_id": id})
        assert await house.call(access_groups.list_groups) == []
        assert house.announced == [f"access_group:{id}"] * 4

    in_house(postgres_dsn, scenario)


def test_a_group_that_is_not_there_is_404(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        for function, body in cases(
            (access_groups.info, {}),
            (access_groups.update, {"description": "x"}),
            (access_groups.delete, {}),
        ):
            with pytest.raises(NotFound):
                await house.call(function, {"access_group_id": "nope", **body})

    in_house(postgres_dsn, scenario)


def test_two_groups_have_two_names(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await house.call(access_groups.new, FAST)
        other = await house.call(access_groups.new, {"access_group_name": "slow"})
        with pytest.raises(Conflict, match="access_group_name"):
            await house.call(access_groups.new, FAST)
        with pytest.raises(Conflict, match="access_group_name"):
            await house.call(
                access_groups.update,
                {"access_group_id": other.access_group_id, "access_group_name": "fast"},
            )

    in_house(postgres_dsn, scenario)


def test_a_group_changed_by_two_keeps_both_changes(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        id = (await house.call(access_groups.new, FAST)).access_group_id
        await asyncio.gather(
            house.call(access_groups.update, {"access_group_id": id, "description": "d"}),
            house.call(access_groups.update, {"access_group_id": id, "access_group_name": "n"}),
            house.call(access_groups.update, {"access_group_id": id, "access_model_names": ["x"]}),
        )
        row = await house.call(access_groups.info, {"access_group_id": id})
        assert (row.description, row.access_group_name, row.access_model_names) == ("d", "n", ["x"])

    in_house(postgres_dsn, scenario)


def test_a_teams_admin_sees_groups_and_changes_none(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        id = (await house.call(access_groups.new, FAST)).access_group_id
        assert len(await house.call(access_groups.list_groups, by=LEAD)) == 1
        for function, body in cases(
            (access_groups.update, {"access_group_id": id, "access_model_names": ["x"]}),
            (access_groups.delete, {"access_group_id": id}),
        ):
            with pytest.raises(NotFound):
                await house.call(function, body, by=LEAD)

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("access_group_name", ""),
        ("access_group_name", "x" * 257),
        ("access_model_names", ["a\nb"]),
        ("access_model_names", ["x"] * 1001),
        ("assigned_team_ids", ["red"]),
        ("access_mcp_server_ids", ["m"]),
    ],
)
def test_what_no_group_can_have_is_refused_by_name(postgres_dsn: str, field: str, value: object) -> None:
    async def scenario(house: House) -> None:
        with pytest.raises((InvalidRequest, UnsupportedParameter), match=field):
            await house.call(access_groups.new, {**FAST, field: value})

    in_house(postgres_dsn, scenario)
