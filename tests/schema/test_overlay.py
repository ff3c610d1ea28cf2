"""A row's limits together with those of the named budget that it is under."""

from decimal import Decimal

import msgspec

from schema.budgets import BudgetRecord
from schema.fields import BudgetWindow, ModelBudget
from schema.keys import KeyRecord
from schema.overlay import model_rates, overlaid

SHARED = BudgetRecord(
    budget_id="b",
    max_budget=Decimal(9),
    budget_duration="30d",
    rpm_limit=3,
    model_max_budget={"gpt-4": ModelBudget(budget_limit=Decimal(2), time_period="1d", rpm_limit=5)},
    budget_limits=[BudgetWindow(budget_duration="1h", max_budget=Decimal(1))],
)


def key(**fields: object) -> KeyRecord:
    return overlaid(msgspec.convert({"token": "t", **fields}, KeyRecord), SHARED)


def test_a_row_that_says_nothing_has_all_of_the_budget() -> None:
    found = key()
    assert (found.max_budget, found.budget_duration, found.rpm_limit) == (Decimal(9), "30d", 3)
    assert found.budget_limits == SHARED.budget_limits
    assert found.model_max_budget["gpt-4"].dollars == 2


def test_a_sum_and_its_duration_come_from_one_of_the_two() -> None:
    assert key(budget_duration="1s").budget_duration == "30d"
    own = key(max_budget=4)
    assert (own.max_budget, own.budget_duration) == (Decimal(4), None)


def test_a_budget_of_another_model_leaves_the_shared_one_there() -> None:
    found = key(model_max_budget={"other": {"max_budget": 5}}).model_max_budget
    assert [found[model].dollars for model in ("other", "gpt-4")] == [Decimal(5), Decimal(2)]


def test_what_a_models_budget_does_not_say_the_shared_one_says() -> None:
    found = key(model_max_budget={"gpt-4": {"tpm_limit": 8, "budget_duration": "1s"}}).model_max_budget[
        "gpt-4"
    ]
    assert (found.dollars, found.duration, found.tpm_limit, found.rpm_limit) == (Decimal(2), "1d", 8, 5)


def test_a_window_of_another_length_stands_beside_the_shared_one() -> None:
    found = key(budget_limits=[{"budget_duration": "1d", "max_budget": 3}]).budget_limits
    assert {each.budget_duration: each.max_budget for each in found} == {"1d": 3, "1h": 1}
    same = key(budget_limits=[{"budget_duration": "1h", "max_budget": 3}]).budget_limits
    assert [each.max_budget for each in same] == [3]


def test_a_row_without_a_budget_is_as_it_is() -> None:
    own = KeyRecord(token="t", budget_duration="1s")
    assert overlaid(own, None) is own


def test_a_models_rates_in_metadata_count_first() -> None:
    budgets = {"a": ModelBudget(rpm_limit=1, tpm_limit=2), "b": ModelBudget(rpm_limit=3)}
    assert model_rates(budgets, {"a": 9}, None) == ({"a": 9, "b": 3}, {"a": 2})
