"""What a key is judged by: all limits in force of the budget that it is under, and values that SQL may have
written."""

from typing import Any

import msgspec
import pytest

from functions import budgets, keys
from functions.contract.policy import Policy
from functions.contract.roles import PROXY_ADMIN, Access
from functions.rules.key_bounds import KeyBounds
from runtime.postgres.database import Database
from schema.errors.callers import NotAllowed
from schema.errors.requests import InvalidRequest
from schema.errors.rows import Conflict
from schema.keys import KeyGenerated, KeyRecord
from tests.functions.contexts import make_call
from tests.functions.governed import Body, House, in_house
from tests.functions.rules.test_key_bounds import ADA, INCREASE, bounds, holder, refused

SHARED: Body = {
    "budget_id": "small",
    "max_budget": 1,
    "budget_duration": "30d",
    "rpm_limit": 2,
    "model_max_budget": {"gpt-4": {"budget_limit": 0.5, "time_period": "1d", "rpm_limit": 4}},
    "budget_limits": [{"budget_duration": "1h", "max_budget": 0.1}],
}
DOORS = (keys.update, keys.regenerate_named)


async def under_budget(house: House, **own: object) -> KeyGenerated:
    """A key that ada made, and an admin put under a budget afterwards."""
    await house.call(budgets.new, SHARED)
    made = await house.call(keys.generate, own, by=ADA)
    await house.call(keys.update, {"key": made.key, "budget_id": "small"})
    return made


async def written(database: Database, key: str, value: str) -> None:
    """What SQL or another program put into a key's row."""
    async with database.connection() as connection:
        statement = f'UPDATE "LiteLLM_VerificationToken" SET {value} WHERE key_alias = $1'
        await connection.execute(statement, key)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("budget_id", [None, "", "large"])
def test_only_an_admin_takes_a_key_out_of_its_budget(
    postgres_dsn: str, budget_id: str | None, door: Any
) -> None:
    async def scenario(house: House) -> None:
        made = await under_budget(house)
        await house.call(budgets.new, {"budget_id": "large"})
        await refused(house, ADA, {"key": made.key, "budget_id": budget_id}, "budget_id", door)
        await house.call(keys.update, {"key": made.token, "budget_id": budget_id})

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"max_budget": 1, "budget_duration": "1s"}, "budget_duration"),
        ({"max_budget": 2, "budget_duration": "30d"}, "max_budget"),
        (INCREASE, "temp_budget_increase"),
        ({"rpm_limit": 3}, "rpm_limit"),
        ({"model_max_budget": {"gpt-4": {"max_budget": 0.5}}}, None),
        (
            {"model_max_budget": {"gpt-4": {"max_budget": 0.5, "budget_duration": "1h"}}},
            "model_max_budget.gpt-4",
        ),
        ({"model_max_budget": {"gpt-4": {"max_budget": 9}}}, "model_max_budget.gpt-4"),
        ({"model_max_budget": {"gpt-4": {"rpm_limit": 5}}}, "model_rpm_limit.gpt-4"),
        ({"model_rpm_limit": {"gpt-4": 5}}, "model_rpm_limit.gpt-4"),
        ({"metadata": {"model_rpm_limit": {"gpt-4": 5}}}, "model_rpm_limit.gpt-4"),
        ({"budget_limits": [{"budget_duration": "1h", "max_budget": 1}]}, "budget_limits"),
    ],
)
@pytest.mark.parametrize("door", DOORS)
def test_no_limit_of_a_keys_budget_is_replaced_by_a_larger_one(
    postgres_dsn: str, body: Body, name: str | None, door: Any
) -> None:
    async def scenario(house: House) -> None:
        made = await under_budget(house)
        if name is None:
            await house.call(door, {"key": made.key, **body}, by=ADA)
        else:
            await refused(house, ADA, {"key": made.key, **body}, name, door)

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize("admin", [False, True])
def test_a_keys_own_duration_is_not_that_of_its_budgets_sum(postgres_dsn: str, admin: bool) -> None:
    """Nor does a budget of another model or window put those of the budget away."""

    async def scenario(house: House) -> None:
        made = await under_budget(house)
        by = await holder(house, made)
        if admin:
            await house.call(keys.update, {"key": made.key, "user_id": "root"})
            by = await holder(house, made)
            by = msgspec.structs.replace(by, role=PROXY_ADMIN)
        before = (await holder(house, made)).rules
        for body in (
            {"budget_duration": "1s"},
            {"model_max_budget": {"other": {"max_budget": 9}}},
            {"budget_limits": [{"budget_duration": "1d", "max_budget": 9}]},
        ):
            await house.call(keys.update, {"key": made.key, **body}, by=by)
            after = (await holder(house, made)).rules
            assert set(before) <= set(after), body

    in_house(postgres_dsn, scenario)


def test_a_budget_that_an_admin_puts_a_key_under_meanwhile_is_not_left_out(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        await house.call(budgets.new, SHARED)
        made = await house.call(keys.generate, {}, by=ADA)
        stale = KeyRecord(token=made.token, key_id=made.key_id)
        check = await KeyBounds(call_of_ada(), house.ports.keys, Policy(), {}).changed(
            stale, {"max_budget": 50}
        )
        check(KeyRecord(token=made.token))
        with pytest.raises(Conflict, match="at the same time"):
            check(KeyRecord(token=made.token, budget_id="small"))

    in_house(postgres_dsn, scenario)


def call_of_ada() -> Any:
    return make_call(ADA, scope=ADA.scope(Access.KEYS_WRITE))


@pytest.mark.parametrize(
    ("own", "body"),
    [
        ({"model_max_budget": {"gpt-4": {"rpm_limit": 3}}}, {"model_rpm_limit": {"gpt-4": 9}}),
        ({"model_max_budget": {"gpt-4": {"tpm_limit": 3}}}, {"metadata": {"model_tpm_limit": {"gpt-4": 9}}}),
        ({"model_rpm_limit": {"gpt-4": 3}}, {"model_max_budget": {"gpt-4": {"rpm_limit": 9}}}),
    ],
)
def test_a_models_rate_is_judged_wherever_it_is_said(postgres_dsn: str, own: Body, body: Body) -> None:
    async def scenario(house: House) -> None:
        by = await holder(house, await house.call(keys.generate, {"user_id": "ada", **own}))
        made = await house.call(keys.generate, {}, by=by)
        name = next(iter(made.metadata))
        await refused(house, by, body, f"{name}.gpt-4")
        if "model_max_budget" not in body:  # where both say something, what is in metadata holds
            await refused(house, by, {"key": made.key, **body}, f"{name}.gpt-4", keys.update)
        await refused(house, by, {"key": made.key, name: None}, f"{name}.gpt-4", keys.update)
        smaller = {"model_max_budget": {"gpt-4": {name.removeprefix("model_"): 2}}}
        await house.call(keys.generate, smaller, by=by)

    in_house(postgres_dsn, scenario)


UNREADABLE = [
    ("budget_duration = '2 weeks'", "budget_duration", {"max_budget": 2}),
    (
        "budget_duration = 'often'",
        "budget_duration",
        {"temp_budget_increase": None, "temp_budget_expiry": None},
    ),
    ("""metadata = '{"temp_budget_increase": "lots"}'""", "temp_budget_increase", {"max_budget": 2}),
    ("""metadata = '{"temp_budget_increase": "NaN"}'""", "temp_budget_increase", {"max_budget": 2}),
    ("max_budget = 'NaN'", "max_budget", {"budget_duration": "30d"}),
]


@pytest.mark.parametrize(("value", "name", "body"), UNREADABLE)
def test_what_nobody_can_read_is_refused_by_name(
    postgres_dsn: str, value: str, name: str, body: Body
) -> None:
    async def scenario(house: House) -> None:
        made = await house.call(keys.generate, {"key_alias": "k", "max_budget": 1}, by=ADA)
        await written(house.database, "k", value)
        with pytest.raises(InvalidRequest) as caught:
            await house.call(keys.update, {"key": made.key, **body}, by=ADA)
        assert caught.value.param == name
        await house.call(keys.update, {"key": made.key, "key_alias": "still"}, by=ADA)

    in_house(postgres_dsn, scenario, bounds(max_budget=5, budget_duration="30d"))


@pytest.mark.parametrize(
    "value",
    [
        "budget_duration = 'monthly'",
        "budget_duration = ''",
        "budget_duration = '1mo'",
        """metadata = '{"temp_budget_increase": null}'""",
    ],
)
def test_other_spellings_are_read(postgres_dsn: str, value: str) -> None:
    policy = bounds(max_budget=5, budget_duration="30d", duration="30d")

    async def scenario(house: House) -> None:
        made = await house.call(keys.generate, {"key_alias": "k", "max_budget": 1}, by=ADA)
        await written(house.database, "k", value)
        await house.call(keys.update, {"key": made.key, "max_budget": 5}, by=ADA)
        await refused(house, ADA, {"key": made.key, "max_budget": 6}, "max_budget", keys.update)

    in_house(postgres_dsn, scenario, policy)


def test_a_bound_of_the_config_that_is_none_is_named(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        with pytest.raises(InvalidRequest, match="upperbound_key_generate_params"):
            await house.call(keys.generate, {}, by=ADA)

    in_house(postgres_dsn, scenario, bounds(max_budget="much"))


@pytest.mark.parametrize(
    ("top", "asked"), [("30d", "1mo"), ("1mo", "30d"), ("monthly", "720h"), ("1w", "7d")]
)
def test_two_names_of_one_window_are_one(postgres_dsn: str, top: str, asked: str) -> None:
    async def scenario(house: House) -> None:
        await house.call(keys.generate, {"max_budget": 5, "budget_duration": asked}, by=ADA)
        own = {"user_id": "ada", "max_budget": 5, "budget_duration": top}
        windows = {"budget_limits": [{"budget_duration": top, "max_budget": 3}]}
        by = await holder(house, await house.call(keys.generate, {**own, **windows}))
        windows = {"budget_limits": [{"budget_duration": asked, "max_budget": 3}]}
        await house.call(keys.generate, {"max_budget": 5, "budget_duration": asked, **windows}, by=by)

    in_house(postgres_dsn, scenario, bounds(max_budget=5, budget_duration=top))


def test_a_key_with_a_temporary_increase_is_put_in_its_own_place(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        own = await house.call(keys.generate, {"user_id": "ada", "max_budget": 5, **INCREASE})
        by = await holder(house, own)
        again = await house.call(keys.regenerate_named, {"key": own.key}, by=by)
        await refused(house, by, {"key": again.key, "max_budget": 6}, "max_budget", keys.regenerate_named)
        other = await house.call(keys.generate, {"user_id": "ada", "max_budget": 6})
        await refused(house, by, {"key": other.key}, "max_budget", keys.regenerate_named)

    in_house(postgres_dsn, scenario)


def test_a_key_above_a_bound_that_came_later_is_replaced_as_it_is(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        made = await house.call(keys.generate, {"user_id": "ada", "max_budget": 50, "rpm_limit": 90})
        again = await house.call(keys.regenerate_named, {"key": made.key}, by=ADA)
        assert again.max_budget == 50
        body = {"key": again.key, "rpm_limit": 80}
        with pytest.raises(NotAllowed):
            await house.call(keys.regenerate_named, body, by=ADA)

    in_house(postgres_dsn, scenario, bounds(max_budget=5, rpm_limit=60))


@pytest.mark.parametrize(
    ("door", "field"),
    [(keys.update, "spend"), (keys.regenerate_named, "spend"), (keys.reset_spend, "reset_to")],
)
def test_no_key_sets_what_it_has_spent_itself(postgres_dsn: str, door: Any, field: str) -> None:
    """Not even an admin's: its budget would bind nothing."""

    async def scenario(house: House) -> None:
        own = await house.call(keys.generate, {"user_id": "root", "max_budget": 5})
        by = msgspec.structs.replace(await holder(house, own), role=PROXY_ADMIN)
        await refused(house, by, {"key": own.key, field: 0}, "spend", door)
        other = await house.call(keys.generate, {"user_id": "root", "max_budget": 5})
        await house.call(door, {"key": other.key, field: 0}, by=by)
        await house.call(door, {"key": own.key, field: 0})

    in_house(postgres_dsn, scenario)
