from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from functions import budgets
from schema.errors.requests import InvalidRequest, UnsupportedParameter
from schema.errors.rows import AlreadyExists, Conflict, NotFound
from schema.limits import COUNTS, SUMS
from tests.conftest import execute
from tests.functions.contexts import NOW
from tests.functions.governed import House, in_house


def test_a_budget_is_made_changed_field_by_field_listed_and_deleted(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        made = await house.call(
            budgets.new, {"budget_id": "b", "max_budget": 12.5, "budget_duration": "1d", "rpm_limit": 5}
        )
        assert (made.max_budget, made.rpm_limit) == (Decimal("12.5"), 5)
        midnight = datetime(NOW.year, NOW.month, NOW.day, tzinfo=UTC) + timedelta(days=1)
        assert made.budget_reset_at == midnight
        changed = await house.call(budgets.update, {"budget_id": "b", "rpm_limit": None, "tpm_limit": 7})
        assert (changed.max_budget, changed.rpm_limit, changed.tpm_limit) == (Decimal("12.5"), None, 7)
        found = await house.call(budgets.info, {"budgets": ["b", "nope"]})
        assert [(each.budget_id, each.max_budget, each.tpm_limit) for each in found] == [
            ("b", Decimal("12.5"), 7)
        ]
        fields = await house.call(budgets.settings, {"budget_id": "b"})
        assert {each.field_name: bytes(each.field_value) for each in fields}["tpm_limit"] == b"7"
        assert [each.budget_id for each in await house.call(budgets.list_budgets)] == ["b"]
        assert (await house.call(budgets.delete, {"id": "b"})).budget_id == "b"
        assert house.announced == ["budget:b"] * 3
        with pytest.raises(NotFound):
            await house.call(budgets.delete, {"id": "b"})

    in_house(postgres_dsn, scenario)


def test_a_second_budget_of_the_same_id_is_refused(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await house.call(budgets.new, {"budget_id": "b", "max_budget": 1})
        with pytest.raises(AlreadyExists, match="budget_id"):
            await house.call(budgets.new, {"budget_id": "b", "max_budget": 2})

    in_house(postgres_dsn, scenario)


def test_a_budget_in_use_is_not_deleted(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await house.call(budgets.new, {"budget_id": "b", "max_budget": 1})
        await house.database.pool.execute(
            """INSERT INTO "LiteLLM_EndUserTable" (user_id, budget_id, models)
               VALUES ('c', 'b', '{}')"""
        )
        with pytest.raises(Conflict, match="in use"):
            await house.call(budgets.delete, {"id": "b"})

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_budget", -1),
        ("max_budget", "NaN"),
        ("max_budget", "Infinity"),
        ("max_budget", 1e300),
        ("max_budget", "0.0000000001"),
        ("soft_budget", "-Infinity"),
        ("rpm_limit", -1),
        ("tpm_limit", 2**53 + 1),
        ("tpm_limit", 10**30),
        ("max_parallel_requests", 2**31),
        ("budget_duration", "0d"),
        ("budget_duration", "soon"),
        ("budget_duration", "99999d"),
        ("model_max_budget", {"gpt-4": {"max_budget": -1}}),
        ("budget_limits", [{"budget_duration": "1d", "max_budget": "NaN"}]),
        (
            "budget_limits",
            [{"budget_duration": "1d", "max_budget": 1}, {"budget_duration": "daily", "max_budget": 2}],
        ),
        ("budget_id", ""),
        ("budget_id", "a\nb"),
    ],
)
def test_numbers_that_no_limit_can_be_are_refused(postgres_dsn: str, field: str, value: object) -> None:
    async def scenario(house: House) -> None:
        with pytest.raises(InvalidRequest, match=field):
            await house.call(budgets.new, {"budget_id": "b", field: value})
        assert await house.call(budgets.list_budgets) == []

    in_house(postgres_dsn, scenario)


def test_a_field_that_is_not_kept_is_refused_by_name(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        with pytest.raises(UnsupportedParameter, match="max_budgets"):
            await house.call(budgets.new, {"max_budgets": 5})

    in_house(postgres_dsn, scenario)


def test_every_change_is_audited_with_before_and_after(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await house.call(budgets.new, {"budget_id": "b", "max_budget": 1})
        await house.call(budgets.update, {"budget_id": "b", "max_budget": 2})
        await house.call(budgets.delete, {"id": "b"})
        rows = await house.database.pool.fetch(
            """SELECT action, changed_by, before_value->>'max_budget' AS before,
                      updated_values->>'max_budget' AS after
               FROM "LiteLLM_AuditLog" ORDER BY updated_at"""
        )
        assert [tuple(row) for row in rows] == [
            ("created", "default_user_id", None, "1"),
            ("updated", "default_user_id", "1", "2"),
            ("deleted", "default_user_id", "2", None),
        ]

    in_house(postgres_dsn, scenario)


def test_a_change_by_sql_is_audited_with_the_database_user(postgres_dsn: str) -> None:
    execute(
        postgres_dsn,
        """INSERT INTO "LiteLLM_BudgetTable" (budget_id, max_budget) VALUES ('b', 1)""",
        """UPDATE "LiteLLM_BudgetTable" SET max_budget = 2""",
    )

    async def scenario(house: House) -> None:
        rows = await house.database.pool.fetch(
            """SELECT action, changed_by, database_user FROM "LiteLLM_AuditLog" ORDER BY updated_at"""
        )
        user = await house.database.pool.fetchval("SELECT session_user")
        assert [tuple(row) for row in rows] == [
            (action, f"sql:{user}", user) for action in ("created", "updated")
        ]

    in_house(postgres_dsn, scenario)


def test_the_settings_that_are_shown_are_the_limits_that_there_are() -> None:
    assert {name for name, _, _ in budgets.SETTINGS} == {*COUNTS, *SUMS, "budget_duration"}
