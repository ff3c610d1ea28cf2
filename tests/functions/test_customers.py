"""Customers, their budgets, and blocking them."""

import asyncio
from decimal import Decimal

import pytest

from functions import budgets, customers
from functions.contract.function import manifest_of
from schema.errors.requests import InvalidRequest, UnsupportedParameter
from schema.errors.rows import Conflict, NotFound
from tests.functions.governed import House, bodies, cases, in_house


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


def test_a_customer_changed_by_two_keeps_both_changes(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        for who in bodies(*({"user_id": f"c{number}"} for number in range(4))):
            await house.call(customers.new, who)
            await asyncio.gather(
                house.call(customers.update, {**who, "max_budget": 3}),
                house.call(customers.update, {**who, "rpm_limit": 4}),
                house.call(customers.update, {**who, "tpm_limit": 5}),
                house.call(customers.update, {**who, "alias": "Carl"}),
                house.call(customers.update, {**who, "models": ["gpt-4"]}),
            )
            shown = await house.call(customers.info, {"end_user_id": who["user_id"]})
            budget = shown.litellm_budget_table
            assert budget is not None
            assert (budget.max_budget, budget.rpm_limit, budget.tpm_limit) == (Decimal(3), 4, 5)
            assert (shown.alias, shown.models) == ("Carl", ["gpt-4"])
        assert len(await house.call(budgets.list_budgets)) == 4

    in_house(postgres_dsn, scenario)


def test_null_clears_and_a_customer_let_go_of_a_budget_leaves_it_as_it_is(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await house.call(budgets.new, {"budget_id": "shared", "max_budget": 9})
        await house.call(customers.new, {"user_id": "c", "budget_id": "shared", "alias": "Carl"})
        left = await house.call(
            customers.update, {"user_id": "c", "budget_id": None, "alias": None, "max_budget": 2}
        )
        assert left.budget_id not in (None, "shared")
        assert left.alias is None
        assert left.litellm_budget_table is not None
        assert left.litellm_budget_table.max_budget == Decimal(2)
        (shared,) = await house.call(budgets.info, {"budgets": ["shared"]})
        assert shared.max_budget == Decimal(9)
        free = await house.call(customers.update, {"user_id": "c", "max_budget": None})
        assert free.litellm_budget_table is not None
        assert free.litellm_budget_table.max_budget is None

    in_house(postgres_dsn, scenario)


def test_a_customer_that_is_refused_leaves_no_budget_behind(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await house.call(customers.new, {"user_id": "c"})
        with pytest.raises(Conflict):
            await house.call(customers.new, {"user_id": "c", "max_budget": 1})
        assert await house.call(budgets.list_budgets) == []

    in_house(postgres_dsn, scenario)


def test_customers_are_blocked_by_many_at_once(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        names = [f"c{number}" for number in range(6)]
        await asyncio.gather(
            *(house.call(customers.block, {"user_ids": names[turn:] + names[:turn]}) for turn in range(6))
        )
        listed = await house.call(customers.list_customers)
        assert {(each.user_id, each.blocked) for each in listed} == {(name, True) for name in names}

    in_house(postgres_dsn, scenario)


def test_customers_are_unblocked_and_deleted_all_or_none(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await house.call(customers.block, {"user_ids": ["c"]})
        for function, body in cases(
            (customers.unblock, {"user_ids": ["c", "nope"]}), (customers.delete, {"user_ids": ["c", "nope"]})
        ):
            with pytest.raises(NotFound):
                await house.call(function, body)
        assert (await house.call(customers.info, {"end_user_id": "c"})).blocked

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_budget", "NaN"),
        ("max_budget", -1),
        ("spend", "Infinity"),
        ("rpm_limit", 10**30),
        ("budget_duration", "0d"),
        ("alias", "x" * 257),
        ("default_model", "x" * 257),
        ("object_permission", {"models": ["gpt-4"]}),
    ],
)
def test_what_no_customer_can_have_is_refused_by_name(postgres_dsn: str, field: str, value: object) -> None:
    async def scenario(house: House) -> None:
        with pytest.raises((InvalidRequest, UnsupportedParameter), match=field):
            await house.call(customers.new, {"user_id": "c", field: value})
        assert await house.call(customers.list_customers) == []

    in_house(postgres_dsn, scenario)


def test_every_path_has_litellms_other_name() -> None:
    for function in (
        customers.new,
        customers.info,
        customers.list_customers,
        customers.update,
        customers.delete,
        customers.block,
        customers.unblock,
    ):
        manifest = manifest_of(function)
        assert manifest.aliases == (manifest.path.replace("/customer/", "/end_user/"),)


def test_a_customer_that_calls_have_named_is_entered_with_what_it_spent(postgres_dsn: str) -> None:
    by_calls = (
        """INSERT INTO "LiteLLM_EndUserTable" (user_id, spend, created_by) VALUES ('c', 1.5, 'key:5f2c')"""
    )

    async def scenario(house: House) -> None:
        await house.database.pool.execute(by_calls)
        made = await house.call(customers.new, {"user_id": "c", "alias": "Shop", "max_budget": 2})
        assert (made.alias, made.spend, made.created_by) == ("Shop", Decimal("1.5"), "default_user_id")
        assert made.litellm_budget_table is not None
        assert made.litellm_budget_table.max_budget == Decimal(2)
        with pytest.raises(Conflict):
            await house.call(customers.new, {"user_id": "c"})

    in_house(postgres_dsn, scenario)
