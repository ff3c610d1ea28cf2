"""Percentiles from counts are those of the durations, within the bound that is stated."""

import math
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from schema.ledger.histogram import (
    BOUNDS_MS,
    ERROR_BOUND,
    Percentiles,
    bucket_of,
    percentiles_of,
    value_of,
)

DURATIONS = st.lists(
    st.one_of(st.integers(0, 50), st.integers(0, 30_000), st.integers(0, BOUNDS_MS[-1] - 1)),
    min_size=1,
    max_size=300,
)


@given(DURATIONS)
def test_a_percentile_is_within_the_bound_of_the_exact_one(durations: list[int]) -> None:
    found = percentiles_of(Counter(map(bucket_of, durations)))
    ordered = sorted(durations)
    assert found.calls == len(durations)
    for part, value in ((50, found.p50), (95, found.p95), (99, found.p99)):
        exact = ordered[math.ceil(len(ordered) * part / 100) - 1]
        assert value is not None
        assert abs(value - exact) <= exact * ERROR_BOUND + 0.5


def test_every_duration_is_in_the_bucket_between_its_bounds() -> None:
    assert list(BOUNDS_MS) == sorted(set(BOUNDS_MS))
    assert (BOUNDS_MS[:10], BOUNDS_MS[-1], len(BOUNDS_MS)) == ((1, 2, 3, 4, 5, 6, 7, 8, 10, 12), 2**22, 84)
    for place, end in enumerate(BOUNDS_MS):
        assert (bucket_of(end - 1), bucket_of(end)) == (place, place + 1)
        assert value_of(place + 1) >= value_of(place)


def test_what_took_longer_than_the_last_bound_is_told_as_the_last_bound() -> None:
    counts = {bucket_of(10**9): 3}
    assert percentiles_of(counts) == Percentiles(calls=3, p50=2**22, p95=2**22, p99=2**22)


def test_nothing_timed_has_no_percentile() -> None:
    assert percentiles_of({}) == Percentiles(calls=0, p50=None, p95=None, p99=None)
