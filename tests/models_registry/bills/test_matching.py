"""Both sides of a bill: which lines belong together, why they differ, and what uncertain calls cost."""

import time
from collections.abc import Sequence
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_registry.bills.exports import Billed
from models_registry.bills.lines import Booked, Line, OpenRow
from models_registry.bills.matching import ALL_MODELS, reconcile, spread

USD = 10**9
MONEY = st.integers(min_value=0, max_value=10**15)


def day(number: int) -> date:
    return date(2026, 3, number)


def ours(number: int, dollars: int, model: str = "m", open: Sequence[OpenRow] = ()) -> Booked:
    return Booked(day=day(number), model=model, cost_nano=dollars * USD, rows=1, open=tuple(open))


def theirs(number: int, dollars: int, model: str = "m", tolerance_nano: int = 0) -> Billed:
    return Billed(day=day(number), model=model, cost_nano=dollars * USD, tolerance_nano=tolerance_nano)


def doubtful(request_id: str, dollars: int, *, uncertain: bool = True) -> OpenRow:
    return OpenRow(
        request_id=request_id, ceiling_nano=dollars * USD, cost_nano=dollars * USD, uncertain=uncertain
    )


def compared(
    booked: Sequence[Booked], billed: Sequence[Billed], aliases: dict[str, str] | None = None
) -> list[Line]:
    return reconcile(booked, billed, aliases or {})


@given(total=st.integers(min_value=-(10**15), max_value=10**16), ceilings=st.lists(MONEY, max_size=40))
def test_a_spread_sums_up_and_keeps_its_bounds(total: int, ceilings: list[int]) -> None:
    shares = spread(total, ceilings)
    assert sum(shares) == min(max(total, 0), sum(ceilings))
    assert all(0 <= share <= ceiling for share, ceiling in zip(shares, ceilings, strict=True))


@given(total=MONEY, ceilings=st.lists(MONEY, min_size=1, max_size=20))
def test_a_spread_is_in_proportion_to_the_nearest_nano(total: int, ceilings: list[int]) -> None:
    whole = sum(ceilings)
    for share, ceiling in zip(spread(total, ceilings), ceilings, strict=True):
        if whole:
            assert abs(share * whole - min(total, whole) * ceiling) < whole


@given(
    settled=MONEY,
    bill=MONEY,
    rows=st.lists(st.tuples(MONEY, st.integers(0, 100), st.booleans()), max_size=12),
)
def test_corrected_sums_equal_the_bill_as_far_as_the_bounds_allow(
    settled: int, bill: int, rows: list[tuple[int, int, bool]]
) -> None:
    open_rows = tuple(
        OpenRow(
            request_id=f"r{place}",
            ceiling_nano=ceiling,
            cost_nano=ceiling * percent // 100,
            uncertain=uncertain,
        )
        for place, (ceiling, percent, uncertain) in enumerate(rows)
    )
    cost = settled + sum(row.cost_nano for row in open_rows)
    (line,) = compared(
        [Booked(day=day(1), model="m", cost_nano=cost, rows=len(rows) + 1, open=open_rows)],
        [Billed(day=day(1), model="m", cost_nano=bill)],
    )
    assert line.corrected_nano + line.unexplained_nano == bill
    most = sum(row.ceiling_nano for row in open_rows)
    assert line.corrected_nano == settled + min(max(bill - settled, 0), most)
    if settled <= bill <= settled + most:
        assert line.unexplained_nano == 0


@pytest.mark.parametrize(
    ("mine", "name"),
    [
        ("claude-haiku-4-5-20251001", "Claude Haiku 4.5"),
        ("claude-3-5-sonnet-20241022", "Claude Sonnet 3.5"),
        ("claude-3-haiku-20240307", "Claude Haiku 3"),
        ("gpt-4o", "gpt-4o-2024-08-06"),
        ("gpt-4-0613", "gpt-4"),
        ("openai/gpt-4.1", "GPT-4.1"),
    ],
)
def test_a_model_is_known_by_its_other_names(mine: str, name: str) -> None:
    (line,) = compared([ours(1, 2, mine)], [theirs(1, 2, name)])
    assert (line.ours_nano, line.theirs_nano, line.causes) == (2 * USD, 2 * USD, ())


def test_models_that_both_sides_tell_apart_stay_apart() -> None:
    names = ("gpt-4o-2024-05-13", "gpt-4o-2024-08-06")
    lines = compared(
        [ours(1, n, name) for n, name in enumerate(names, 1)], [theirs(1, 5, name) for name in names]
    )
    assert [(line.model, line.ours_nano) for line in lines] == [(names[0], USD), (names[1], 2 * USD)]
    assert [line.model for line in compared([ours(1, 1, "claude-4-5")], [theirs(1, 1, "claude-5-4")])] == [
        "claude-4-5",
        "claude-5-4",
    ]


def test_an_alias_brings_two_names_together() -> None:
    (line,) = compared([ours(1, 1, "gpt-4")], [theirs(1, 1, "house-model")], {"house-model": "gpt-4"})
    assert line.causes == ()


def test_a_bill_without_models_is_compared_by_day() -> None:
    lines = compared(
        [ours(1, 1, "a"), ours(1, 2, "b"), ours(2, 1, "a")], [theirs(1, 3, ""), theirs(2, 1, "")]
    )
    assert [(line.model, line.difference_nano) for line in lines] == [(ALL_MODELS, 0), (ALL_MODELS, 0)]


def causes(booked: Sequence[Booked], billed: Sequence[Billed]) -> list[tuple[str, ...]]:
    return [line.causes for line in compared(booked, billed)]


def test_cents_that_were_rounded_away_are_called_so() -> None:
    assert causes([ours(1, 1)], [theirs(1, 2, tolerance_nano=USD)]) == [("rounding",)]
    assert causes([ours(1, 1)], [theirs(1, 2, tolerance_nano=USD - 2)]) != [("rounding",)]


def test_bounds_that_were_too_high_are_the_cause_as_far_as_they_reach() -> None:
    uncertain, estimated = doubtful("a", 3), doubtful("b", 4, uncertain=False)
    both = [ours(1, 10, open=[uncertain, estimated])]
    assert causes(both, [theirs(1, 8)]) == [("uncertain_rows",)]
    assert causes(both, [theirs(1, 4)]) == [("uncertain_rows", "estimated_rows")]
    assert causes([ours(1, 10, open=[estimated])], [theirs(1, 8)]) == [("estimated_rows",)]
    assert causes(both, [theirs(1, 2)]) == [("unexplained",)]
    assert causes(both, [theirs(1, 11)]) == [("calls_not_through_the_gateway",)]


def test_a_model_on_one_side_alone_may_be_another_by_name() -> None:
    assert causes([ours(1, 5, "a")], [theirs(1, 5, "z")]) == [
        ("missing_model_alias",),
        ("missing_model_alias", "calls_not_through_the_gateway"),
    ]
    assert causes([ours(1, 5, "a"), ours(1, 1)], [theirs(1, 1)]) == [("not_in_export",), ()]
    assert causes([ours(1, 1)], [theirs(1, 1), theirs(1, 1, "z")]) == [(), ("calls_not_through_the_gateway",)]


def test_neighbouring_days_that_cancel_out_were_cut_at_another_midnight() -> None:
    found = causes([ours(1, 100), ours(2, 200)], [theirs(1, 90), theirs(2, 210)])
    assert found == [("day_edge",), ("day_edge",)]
    assert causes([ours(1, 100), ours(3, 200)], [theirs(1, 90), theirs(3, 210)]) == [
        ("unexplained",),
        ("calls_not_through_the_gateway",),
    ]


def test_a_constant_ratio_is_another_price() -> None:
    lines = compared([ours(1, 100), ours(2, 30), ours(3, 7)], [theirs(1, 50), theirs(2, 15), theirs(4, 1)])
    assert [line.causes for line in lines[:2]] == [("price_ratio",), ("price_ratio",)]
    assert lines[0].ratio == (65 * USD, 130 * USD)
    assert causes([ours(1, 100), ours(2, 30)], [theirs(1, 50), theirs(2, 20)]) == [("unexplained",)] * 2


def test_a_day_between_theirs_that_they_do_not_have_was_billed_at_nothing() -> None:
    booked = [ours(1, 1), ours(2, 3, open=[doubtful("a", 2)])]
    for span in (None, (day(1), day(3))):
        billed = [theirs(1, 1), *([] if span else [theirs(3, 1, "z")])]
        first, second = reconcile(booked, billed, {}, span=span)[:2]
        assert first.causes == ()
        assert (second.theirs_nano, second.shares, second.unexplained_nano) == (0, (0,), -USD)


def test_of_days_before_and_after_theirs_nothing_is_known() -> None:
    before, _, after = compared(
        [ours(number, 3, open=[doubtful(f"u{number}", 3)]) for number in (1, 2, 3)], [theirs(2, 1)]
    )
    for line in (before, after):
        assert (line.theirs_nano, line.shares, line.causes) == (None, (), ("not_in_export",))
        assert line.corrected_nano == 3 * USD


def test_what_they_do_not_bill_at_all_is_not_corrected() -> None:
    line = compared([ours(1, 3, "a", [doubtful("x", 3)])], [theirs(1, 1, "z")])[0]
    assert (line.shares, line.corrected_nano) == ((), 3 * USD)


@pytest.mark.parametrize("named_alike", [True, False])
def test_many_models_and_days_take_as_long_as_there_are_lines(named_alike: bool) -> None:
    days = [date(2026, 1, 1) + timedelta(days=n) for n in range(90)]
    keys = [(each, f"m-{n}x") for each in days for n in range(160)]
    prefix = "" if named_alike else "other-"
    booked = [Booked(day=each, model=name, cost_nano=USD, rows=3) for each, name in keys]
    billed = [Billed(day=each, model=prefix + name, cost_nano=2 * USD) for each, name in keys]
    began = time.process_time()
    assert len(compared(booked, billed)) == len(keys) * (1 if named_alike else 2)
    assert time.process_time() - began < 2  # looked at in pairs they take five times that, and more
