"""Budgets and limits as rules."""

from decimal import Decimal

import pytest

from runtime.limits.rules import nano
from schema.errors import InvalidRequest


@pytest.mark.parametrize("budget", ["-5", "-0.4", "-0.000000001", "NaN", "-Infinity"])
def test_a_budget_below_zero_is_none(budget: str) -> None:
    with pytest.raises(InvalidRequest):
        nano(Decimal(budget))


@pytest.mark.parametrize(("budget", "expected"), [("0", 0), ("0.0000000019", 1), ("1.5", 1_500_000_000)])
def test_a_budget_is_rounded_down_to_whole_nano_dollars(budget: str, expected: int) -> None:
    assert nano(Decimal(budget)) == expected
