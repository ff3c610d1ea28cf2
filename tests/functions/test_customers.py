"""Customers and access groups."""

from decimal import Decimal

import pytest

from functions import access_groups, budgets, customers
from schema.errors import Conflict, InvalidRequest, NotFound, UnsupportedParameter
from tests.functions.governed import House, cases, in_house


def test_a_customer_has_limits_of_its_own_or_a_budget(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        made = await house.call(customers.new, {"user_id": "c", "max_budget": 2, "budget_duration": "1d"})
        assert made.litellm_budget_table is not None
        assert made.litellm_budget_table.max_budget == Decimal(2)
        changed = await house.call(customers.update, {"user_id": "c", "max_budget": 3, "alias": "Carl"})
        assert (changed.budget_id, changed.alias) == (made.budget_id, "Carl")
        assert changed.litellm_budget_table is not None
        assert (changed.litellm_budget_table.max_budget, changed.litellm_budget_table.budget_duration) == (
            Decimal(3),
            "1d",
        )
        await house.call(budgets.new, {"budget_id": "b"})
        other = await house.call(customers.new, {"user_id": "d", "budget_id": "b"})
        assert other.budget_id == "b"
        with pytest.raises(InvalidRequest, match="not both"):
            await house.call(customers.new, {"user_id": "e", "budget_id": "b", "rpm_limit": 1})
        with pytest.raises(Conflict):
            await house.call(customers.new, {"user_id": "c"})
        with pytest.raises(UnsupportedParameter, match="allowed_model_region"):
            await house.call(customers.new, {"user_id": "e", "allowed_model_region": "eu"})
        assert [each.user_id for each in await house.call(customers.list_customers)] == ["d", "c"]

    in_house(postgres_dsn, scenario)


def test_customers_are_blocked_though_nobody_has_entered_them(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await house.call(customers.new, {"user_id": "c"})
        blocked = await house.call(customers.block, {"user_ids": ["c", "new"]})
        assert [(each.user_id, each.blocked) for each in blocked.blocked_users] == [
            ("c", True),
            ("new", True),
        ]
        await house.call(customers.unblock, {"user_ids": ["c"]})
        assert not (await house.call(customers.info, {"end_user_id": "c"})).blocked
        assert (await house.call(customers.delete, {"user_ids": ["c", "new"]})).deleted_customers == 2
        for function, body in cases(
            (customers.info, {"end_user_id": "c"}),
            (customers.delete, {"user_ids": ["c"]}),
            (customers.update, {"user_id": "c", "alias": "x"}),
            (customers.unblock, {"user_ids": ["c"]}),
        ):
            with pytest.raises(NotFound):
                await house.call(function, body)

    in_house(postgres_dsn, scenario)


def test_an_access_group_is_made_changed_and_deleted(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        made = await house.call(
            access_groups.new, {"access_group_name": "fast", "access_model_names": ["gpt-4", "llama"]}
        )
        id = made.access_group_id
        changed = await house.call(access_groups.update, {"access_group_id": id, "description": "quick ones"})
        assert (changed.access_model_names, changed.description) == (["gpt-4", "llama"], "quick ones")
        assert (await house.call(access_groups.info, {"access_group_id": id})).access_group_name == "fast"
        with pytest.raises(Conflict, match="access_group_name"):
            await house.call(access_groups.new, {"access_group_name": "fast"})
        assert len(await house.call(access_groups.list_groups)) == 1
        await house.call(access_groups.delete, {"access_group_id": id})
        with pytest.raises(NotFound):
            await house.call(access_groups.info, {"access_group_id": id})

    in_house(postgres_dsn, scenario)
