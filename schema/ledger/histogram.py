"""Durations counted in a fixed table of buckets, and the percentiles that are read from the counts.

Up to 8 ms each whole millisecond has a bucket of its own. From there on four buckets double the duration, up
to 70 minutes, and one more bucket holds what took longer. A percentile is a value of the bucket that the
percentile's rank falls into: the value whose relative error is the least at both ends of the bucket. It is
at most `ERROR_BOUND` away from the exact one. What took over 70 minutes is told as 70 minutes.

The buckets must not change: counts in the database know a bucket by its place.
"""

import math
from bisect import bisect_right
from collections.abc import Mapping

import msgspec

EXACT_MS = 8
PER_DOUBLING = 4
DOUBLINGS = 19
BOUNDS_MS: tuple[int, ...] = (
    *range(1, EXACT_MS + 1),
    *(math.ceil(EXACT_MS * 2 ** (step / PER_DOUBLING)) for step in range(1, PER_DOUBLING * DOUBLINGS + 1)),
)
"""The end of each bucket, in milliseconds: a bucket holds what is shorter than its end, and not shorter than
the end of the bucket before. The last bucket, at the place `len(BOUNDS_MS)`, has no end."""
ERROR_BOUND = 0.087
"""The most that a percentile is away from the exact value, as a part of that value."""


class Percentiles(msgspec.Struct, frozen=True, kw_only=True):
    """Durations in milliseconds that 50, 95 and 99 of 100 calls did not exceed. None: no call was timed."""

    calls: int = 0
    """How many calls were timed."""
    p50: int | None = None
    p95: int | None = None
    p99: int | None = None


def bucket_of(ms: int) -> int:
    """The place of the bucket that counts this duration."""
    return bisect_right(BOUNDS_MS, ms)


def value_of(bucket: int) -> int:
    """The duration, in milliseconds, that stands for a bucket."""
    if bucket == 0:
        return 0
    if bucket >= len(BOUNDS_MS):
        return BOUNDS_MS[-1]
    least, most = BOUNDS_MS[bucket - 1], BOUNDS_MS[bucket] - 1
    return round(2 * least * most / (least + most))


def percentiles_of(counts: Mapping[int, int]) -> Percentiles:
    """The percentiles of calls that are counted by the place of their bucket."""
    calls = sum(counts.values())
    if not calls:
        return Percentiles()
    p50, p95, p99 = (_at(counts, math.ceil(calls * part / 100)) for part in (50, 95, 99))
    return Percentiles(calls=calls, p50=p50, p95=p95, p99=p99)


def _at(counts: Mapping[int, int], rank: int) -> int:
    seen = 0
    for bucket in sorted(counts):
        seen += counts[bucket]
        if seen >= rank:
            return value_of(bucket)
    raise AssertionError("a rank is not beyond the number of calls")
