"""Histograms of how long something took, and what counts by labels have in common."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from operator import add
from typing import Protocol, Self, TypeVar

import msgspec

BUCKETS_MS = (5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 120_000, 300_000)
"""The upper bounds of a histogram's buckets. One more bucket counts what took longer."""


class Timing(msgspec.Struct):
    """A histogram of milliseconds, with one count for each bucket of BUCKETS_MS and one for what took
    longer."""

    counts: list[int] = msgspec.field(default_factory=lambda: [0] * (len(BUCKETS_MS) + 1))
    sum_ms: float = 0.0

    def add(self, ms: float) -> None:
        self.counts[bisect_left(BUCKETS_MS, ms)] += 1
        self.sum_ms += ms

    def merge(self, other: "Timing") -> None:
        if len(self.counts) == len(other.counts):
            self.counts = list(map(add, self.counts, other.counts))
        else:
            self.counts = [mine + more for mine, more in zip_longest(self.counts, other.counts, fillvalue=0)]
        self.sum_ms += other.sum_ms


class Series(Protocol):
    """Counts with labels."""

    @property
    def labels(self) -> tuple[object, ...]: ...

    def blank(self) -> Self:
        """A new object with the same labels, which has counted nothing."""
        ...

    def merge(self, other: Self) -> None:
        """Add what another one has counted."""
        ...


S = TypeVar("S", bound=Series)


class SeriesSums(dict[tuple[object, ...], S]):
    """SeriesSums by labels. They stand in a list, too."""

    def __init__(self, listed: list[S]) -> None:
        super().__init__((each.labels, each) for each in listed)
        self._listed = listed

    def adding(self, more: Iterable[S]) -> Iterator[None]:
        """Add what others counted, in steps."""
        for each in more:
            known = self.get(each.labels)
            if known is None:
                known = self[each.labels] = each.blank()
                self._listed.append(known)
            known.merge(each)
            yield
