"""Calls that do not fit: how the accounts stand that were short, and what may still help."""

import asyncio
from collections.abc import Iterator, Sequence

import msgspec

from runtime.limits.leases import Shortfall
from runtime.limits.slices import Need
from schema.limits import Meter


class NotEnough(Exception):
    """A call does not fit. `standings` says how the accounts stand that were short."""

    def __init__(self, standings: Sequence[Shortfall]) -> None:
        super().__init__()
        self.standings = tuple(standings)


class Gate:
    """Lets one call at a time lease from an account. The calls that waited meanwhile use the first one's
    refusal, and don't ask Postgres again. Where they lack less they ask Postgres, but not the other workers:
    the recall of the first one counts for them too."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.refused_mono = float("-inf")
        self.standings: Sequence[Shortfall] = ()
        self.recalled_mono = float("-inf")
        """When the other workers had been asked the last time."""

    def waited(self, arrived_mono: float, until_mono: float) -> bool:
        """Whether the other workers were asked since a call's arrival, and no later than at a moment."""
        return arrived_mono <= self.recalled_mono <= until_mono

    def refused(self, arrived_mono: float, short: Sequence[Need]) -> list[Shortfall]:
        """The accounts that refused another call since `arrived_mono`, where that call lacked as much as this
        call lacks, or less."""
        if self.refused_mono < arrived_mono:
            return []
        missing = {need.rule.account: need for need in short}
        return [
            msgspec.structs.replace(each, need=mine)
            for each in self.standings
            if (mine := missing.get(each.need.rule.account)) is not None and mine.amount >= each.need.amount
        ]


def is_less(missing: Sequence[Need], short: Sequence[Need]) -> bool:
    """Whether less is missing of some account now than was asked for."""
    now = {need.rule.account: need.amount for need in missing}
    return any(now.get(need.rule.account, 0) < need.amount for need in short)


def recalls(standings: Sequence[Shortfall]) -> Iterator[str]:
    """The lines of a recall. A worker that has fewer slots than its share asks for one that is in use: where
    others never have a free one, it would wait for good."""
    for each in standings:
        account, share = each.need.rule.account, each.limit // each.workers
        yield account
        if each.need.rule.meter is Meter.PARALLEL and each.mine < max(1, share):
            yield f"{share} {account}"


def hopeless(standings: Sequence[Shortfall]) -> bool:
    """Whether the call would not fit even if the other workers returned all that they have."""
    return any(
        each.workers == 1 or each.need.amount > each.limit - each.spent or each.leased == 0
        for each in standings
    )
