"""The days and lists of a report's query, and metrics put together."""

from decimal import Decimal

import pytest

from schema.errors.requests import InvalidRequest
from schema.ledger.sums import MAX_LISTED, Metrics, listed, total


def test_lists_have_commas_and_an_end() -> None:
    assert listed("tags", " a, b,,") == ("a", "b")
    assert listed("tags", None) == ()
    with pytest.raises(InvalidRequest) as refused:
        listed("tags", "a," * (MAX_LISTED + 1))
    assert refused.value.param == "tags"


def test_metrics_together_are_exact() -> None:
    cents = [Metrics(spend=Decimal("0.1"), prompt_tokens=1) for _ in range(3)]
    assert total(cents) == Metrics(spend=Decimal("0.3"), prompt_tokens=3)
    assert total([]) == Metrics()
