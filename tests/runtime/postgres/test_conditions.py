"""Conditions: their texts and the values behind them."""

from runtime.postgres.conditions import Conditions


def test_values_are_numbered_in_their_order() -> None:
    conditions = Conditions()
    assert conditions.where == ""
    conditions.add("a = {} AND b = {}", 1, 2)
    conditions.among("c", ["x"])
    conditions.among("d", ["y", "z"])
    assert conditions.where == " WHERE a = $1 AND b = $2 AND c = $3 AND d = ANY ($4::text[])"
    assert conditions.values == [1, 2, "x", ["y", "z"]]


def test_any_of_nothing_is_nothing() -> None:
    conditions = Conditions()
    conditions.either([])
    conditions.among("a", [])
    assert conditions.where == " WHERE (FALSE) AND a = ANY ($1::text[])"
    assert conditions.values == [[]]
