"""Budgets and limits as rules."""

from decimal import Decimal

import pytest

from runtime.limits.rules import Level, Limits, money_rules, nano
from schema.errors.requests import InvalidRequest
from schema.fields import BudgetWindow


@pytest.mark.parametrize("budget", ["-5", "-0.4", "-0.000000001", "NaN", "-Infinity"])
def test_a_budget_below_zero_is_none(budget: str) -> None:
    with pytest.raises(InvalidRequest):
        nano(Decimal(budget))


@pytest.mark.parametrize(("budget", "expected"), [("0", 0), ("0.0000000019", 1), ("1.5", 1_500_000_000)])
def test_a_budget_is_rounded_down_to_whole_nano_dollars(budget: str, expected: int) -> None:
    assert nano(Decimal(budget)) == expected


def test_an_account_has_one_limit_whatever_sql_wrote() -> None:
    windows = [BudgetWindow(budget_duration="1d", max_budget=Decimal(sum_)) for sum_ in (9, 5, 7)]
    level = Level(kind="key", who="api_key", subject="key k", id="k")
    (rule,) = money_rules(level, Limits(budget_limits=windows))
    assert (rule.account, rule.limit) == ("money:key:k:window:1d", 5 * 10**9)
