"""The ledger beside a provider's bill: which lines belong together, why they differ, and what open rows
really cost. Pure, on whole nano-USD."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date

import msgspec

from models_registry.bills.causes import with_causes
from models_registry.bills.exports import Billed
from models_registry.bills.lines import Booked, Line

ALL_MODELS = "(all models)"

_DayModel = tuple[date, str]

_DATED = re.compile(r"-(?:\d{4}-\d{2}-\d{2}|\d{8}|\d{4}|latest)$")
_APART = re.compile(r"[\s._:]+")


def spread(total: int, ceilings: Sequence[int]) -> list[int]:
    """Share a total out over rows, in proportion to their ceilings. The shares are whole numbers that add up
    to the total, and none is below zero or above its ceiling. A total below zero counts as zero, one above
    the sum of the ceilings as that sum."""
    whole = sum(ceilings)
    total = min(max(total, 0), whole)
    if not total:
        return [0] * len(ceilings)
    shares = [total * ceiling // whole for ceiling in ceilings]
    remainders = sorted(range(len(ceilings)), key=lambda place: -(total * ceilings[place] % whole))
    for place in remainders[: total - sum(shares)]:
        shares[place] += 1
    return shares


def reconcile(
    booked: Iterable[Booked],
    billed: Iterable[Billed],
    aliases: Mapping[str, str],
    *,
    span: tuple[date, date] | None = None,
) -> list[Line]:
    """The lines of both sides, in the order of day and model.

    `aliases` leads the provider's names of models to ours. `span` is the first and the last day that the
    export is about; without it, those of `billed` count. On a day in the span, a model that the export has on
    another day was billed at nothing. Outside the span nothing is known.
    """
    ours, theirs = list(booked), list(billed)
    names = _ModelNames([each.model for each in ours], [each.model for each in theirs], aliases)
    mine: dict[_DayModel, list[Booked]] = {}
    bills: dict[_DayModel, list[Billed]] = {}
    for each in ours:
        mine.setdefault((each.day, names.ours[each.model]), []).append(each)
    for bill in theirs:
        bills.setdefault((bill.day, names.theirs[bill.model]), []).append(bill)
    lines = {key: _line(key, mine.get(key), bills.get(key)) for key in sorted(mine.keys() | bills.keys())}
    known = {model for _, model in bills}
    days = [day for day, _ in bills]
    first, last = span or (min(days, default=date.max), max(days, default=date.min))
    for (day, model), line in lines.items():
        if line.theirs_nano is None and model in known and first <= day <= last:
            lines[day, model] = msgspec.structs.replace(line, theirs_nano=0)
    return with_causes([_with_shares(line) for line in lines.values()])


class _ModelNames:
    """One name for each model of the two sides. Equal names are one model. Other names are one model if they
    are equal without a date and in any order of words: "Claude Haiku 4.5" is claude-haiku-4-5-20251001."""

    def __init__(self, ours: Sequence[str], theirs: Sequence[str], aliases: Mapping[str, str]) -> None:
        if set(theirs) == {""}:
            self.ours, self.theirs = dict.fromkeys(ours, ALL_MODELS), {"": ALL_MODELS}
            return
        plain_ours = {name: _plain(name) for name in {*ours}}
        plain_theirs = {name: _plain(aliases.get(name, name)) for name in {*theirs}}
        both = set(plain_ours.values()) & set(plain_theirs.values())
        labels: dict[object, str] = {}
        for plain in (*sorted(both), *sorted(plain_ours.values()), *sorted(plain_theirs.values())):
            labels.setdefault(family(plain), plain)
        self.ours, self.theirs = (
            {name: plain if plain in both else labels[family(plain)] for name, plain in side.items()}
            for side in (plain_ours, plain_theirs)
        )


def _plain(name: str) -> str:
    return _APART.sub("-", name.rpartition("/")[2].strip().lower())


def family(name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The words of a model's name, sorted, and its numbers, as they come. A date at the end is left out."""
    parts = _DATED.sub("", name).split("-")
    return tuple(sorted(part for part in parts if not part.isdigit())), tuple(
        part for part in parts if part.isdigit()
    )


def _line(key: _DayModel, mine: Sequence[Booked] | None, bills: Sequence[Billed] | None) -> Line:
    return Line(
        day=key[0],
        model=key[1],
        ours_nano=None if mine is None else sum(each.cost_nano for each in mine),
        theirs_nano=None if bills is None else sum(each.cost_nano for each in bills),
        tolerance_nano=sum(each.tolerance_nano for each in bills or ()),
        rows=sum(each.rows for each in mine or ()),
        open=tuple(row for each in mine or () for row in each.open),
    )


def _with_shares(line: Line) -> Line:
    """A line with the shares of its open rows. They share out what is billed and not booked as certain."""
    if line.theirs_nano is None or not line.open:
        return line
    rows = tuple(sorted(line.open, key=lambda row: row.request_id))
    certain = (line.ours_nano or 0) - sum(row.cost_nano for row in rows)
    shares = spread(line.theirs_nano - certain, [row.ceiling_nano for row in rows])
    return msgspec.structs.replace(line, open=rows, shares=tuple(shares))
