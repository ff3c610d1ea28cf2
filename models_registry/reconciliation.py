"""Our ledger beside a provider's bill: which lines are the same, why they differ, and what uncertain calls
really cost. Pure, on whole nano-USD.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta

import msgspec

from models_registry.cost_exports import Billed

ALL_MODELS = "(all models)"
RATIO_PER_MILLE = 5
"""How far days may stray from a constant ratio, and a ratio from one, to be none."""
EDGE_PER_CENT = 1
"""How far two days may miss each other, to be taken for one that was cut elsewhere."""

_DATED = re.compile(r"-(?:\d{4}-\d{2}-\d{2}|\d{8}|\d{4}|latest)$")
_APART = re.compile(r"[\s._:]+")


class OpenRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A booked call whose cost is an upper bound."""

    request_id: str
    ceiling_nano: int
    """The bound."""
    cost_nano: int
    """As it stands, with a share of an earlier bill perhaps."""
    uncertain: bool
    """Else estimated."""


class Booked(msgspec.Struct, frozen=True, kw_only=True):
    """One day of one model, as the ledger has it. `model` is the provider's name."""

    day: date
    model: str
    cost_nano: int
    rows: int
    open: tuple[OpenRow, ...] = ()


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """Both, side by side. `ours` and `theirs` None: there is nothing of the kind on that side."""

    day: date
    model: str
    ours_nano: int | None
    theirs_nano: int | None
    tolerance_nano: int = 0
    rows: int = 0
    open: tuple[OpenRow, ...] = ()
    causes: tuple[str, ...] = ()
    ratio: tuple[int, int] | None = None
    """Theirs to ours over all days, where the price differs."""
    shares: tuple[int, ...] = ()
    """What the open rows cost, in their order, so that both sides are equal."""

    @property
    def difference_nano(self) -> int:
        """Above zero: they billed more than we booked."""
        return (self.theirs_nano or 0) - (self.ours_nano or 0)

    @property
    def slack_nano(self) -> int:
        """What rounding can have hidden: theirs of each line, and ours up to the next nano-dollar a call."""
        return self.tolerance_nano + self.rows

    @property
    def corrected_nano(self) -> int:
        """Ours, when the open rows cost their shares."""
        replaced = self.open if self.shares else ()
        return (self.ours_nano or 0) + sum(self.shares) - sum(row.cost_nano for row in replaced)

    @property
    def unexplained_nano(self) -> int:
        """The difference that is left then."""
        return (self.theirs_nano or 0) - self.corrected_nano


def spread(total: int, ceilings: Sequence[int]) -> list[int]:
    """A total over rows in proportion to their ceilings: whole numbers that sum up to it, none below zero or
    above its ceiling. What is more than all ceilings, or below zero, is left out."""
    whole = sum(ceilings)
    total = min(max(total, 0), whole)
    if not total:
        return [0] * len(ceilings)
    shares = [total * ceiling // whole for ceiling in ceilings]
    remainders = sorted(range(len(ceilings)), key=lambda place: -(total * ceilings[place] % whole))
    for place in remainders[: total - sum(shares)]:
        shares[place] += 1
    return shares


def reconcile(booked: Iterable[Booked], billed: Iterable[Billed], aliases: Mapping[str, str]) -> list[Line]:
    """The lines in the order of day and model. `aliases`: their names to ours."""
    ours, theirs = list(booked), list(billed)
    names = _Names([each.model for each in ours], [each.model for each in theirs], aliases)
    lines: dict[tuple[date, str], Line] = {}
    for mine in ours:
        lines[mine.day, names.ours[mine.model]] = _with_ours(lines, mine, names.ours[mine.model])
    for bill in theirs:
        lines[bill.day, names.theirs[bill.model]] = _with_theirs(lines, bill, names.theirs[bill.model])
    for (day, model), line in lines.items():
        if line.theirs_nano is None and model in names.theirs.values():
            lines[day, model] = msgspec.structs.replace(line, theirs_nano=0)
    shared = [_with_shares(line) for _, line in sorted(lines.items())]
    return [_with_causes(line, shared) for line in shared]


class _Names:
    """What the two sides call a model, brought together: the same name first, then the same without its date
    and in another order of words ("Claude Haiku 4.5" is claude-haiku-4-5-20251001)."""

    def __init__(self, ours: Sequence[str], theirs: Sequence[str], aliases: Mapping[str, str]) -> None:
        if set(theirs) == {""}:
            self.ours, self.theirs = dict.fromkeys(ours, ALL_MODELS), {"": ALL_MODELS}
            return
        plain_ours = {name: _plain(name) for name in ours}
        plain_theirs = {name: _plain(aliases.get(name, name)) for name in theirs}
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
    """A model's words, in any order, and its numbers, in theirs; without a date at the end."""
    parts = _DATED.sub("", name).split("-")
    return tuple(sorted(part for part in parts if not part.isdigit())), tuple(
        part for part in parts if part.isdigit()
    )


def _with_ours(lines: Mapping[tuple[date, str], Line], mine: Booked, model: str) -> Line:
    line = lines.get((mine.day, model)) or Line(day=mine.day, model=model, ours_nano=None, theirs_nano=None)
    return msgspec.structs.replace(
        line,
        ours_nano=(line.ours_nano or 0) + mine.cost_nano,
        rows=line.rows + mine.rows,
        open=(*line.open, *mine.open),
    )


def _with_theirs(lines: Mapping[tuple[date, str], Line], bill: Billed, model: str) -> Line:
    line = lines.get((bill.day, model)) or Line(day=bill.day, model=model, ours_nano=None, theirs_nano=None)
    return msgspec.structs.replace(
        line,
        theirs_nano=(line.theirs_nano or 0) + bill.cost_nano,
        tolerance_nano=line.tolerance_nano + bill.tolerance_nano,
    )


def _with_shares(line: Line) -> Line:
    """What the open rows have to cost: all that is billed and not booked as certain."""
    if line.theirs_nano is None or not line.open:
        return line
    rows = tuple(sorted(line.open, key=lambda row: row.request_id))
    certain = (line.ours_nano or 0) - sum(row.cost_nano for row in rows)
    shares = spread(line.theirs_nano - certain, [row.ceiling_nano for row in rows])
    return msgspec.structs.replace(line, open=rows, shares=tuple(shares))


def _with_causes(line: Line, lines: Sequence[Line]) -> Line:
    difference = line.difference_nano
    if not difference:
        return line
    if abs(difference) <= line.slack_nano:
        return msgspec.structs.replace(line, causes=("rounding",))
    same_model = [each for each in lines if each.model == line.model]
    if not any(each.theirs_nano is not None for each in same_model):
        cause = "missing_model_alias" if _lonely(lines, line.day, ours=False) else "not_in_export"
        return msgspec.structs.replace(line, causes=(cause,))
    if not any(each.ours_nano is not None for each in same_model):
        alias = ("missing_model_alias",) if _lonely(lines, line.day, ours=True) else ()
        return msgspec.structs.replace(line, causes=(*alias, "calls_not_through_the_gateway"))
    causes = _doubtful(line)
    if _is_edge(line, same_model):
        causes.append("day_edge")
    ratio = _ratio(same_model)
    if ratio is not None:
        causes.append("price_ratio")
    if not causes:
        causes.append("calls_not_through_the_gateway" if difference > 0 else "unexplained")
    return msgspec.structs.replace(line, causes=tuple(causes), ratio=ratio)


def _lonely(lines: Sequence[Line], day: date, *, ours: bool) -> bool:
    """Is there a model on that day that the other side does not know at all?"""
    known = {each.model for each in lines if (each.theirs_nano if ours else each.ours_nano) is not None}
    return any(
        each.day == day and each.model not in known and (each.ours_nano if ours else each.theirs_nano)
        for each in lines
    )


def _doubtful(line: Line) -> list[str]:
    """Bounds that are higher than the truth explain that we booked more."""
    uncertain = sum(row.cost_nano for row in line.open if row.uncertain)
    estimated = sum(row.cost_nano for row in line.open if not row.uncertain)
    too_much = -line.difference_nano - line.slack_nano
    if line.difference_nano > 0 or not uncertain + estimated or too_much > uncertain + estimated:
        return []
    causes = ["uncertain_rows"] if uncertain else []
    return causes if uncertain and too_much <= uncertain else [*causes, "estimated_rows"]


def _is_edge(line: Line, same_model: Sequence[Line]) -> bool:
    """Calls around midnight, on another day there: what one day has too much the next to it lacks."""
    for other in same_model:
        if abs(other.day - line.day) != timedelta(days=1):
            continue
        mine, theirs = line.difference_nano, other.difference_nano
        slack = max(abs(mine), abs(theirs)) * EDGE_PER_CENT // 100
        if mine * theirs < 0 and abs(mine + theirs) <= slack + line.slack_nano + other.slack_nano:
            return True
    return False


def _ratio(same_model: Sequence[Line]) -> tuple[int, int] | None:
    """Theirs to ours, where it is the same on two days or more, and not one."""
    days = [(each.theirs_nano, each.ours_nano, each.slack_nano) for each in same_model]
    both = [(theirs, ours, slack) for theirs, ours, slack in days if theirs and ours]
    theirs_sum = sum(theirs for theirs, _, _ in both)
    ours_sum = sum(ours for _, ours, _ in both)
    if len(both) < 2 or min(theirs_sum, ours_sum) <= 0:
        return None
    if abs(theirs_sum - ours_sum) * 1000 <= ours_sum * RATIO_PER_MILLE:
        return None
    for theirs, ours, slack in both:
        stray = abs(theirs * ours_sum - theirs_sum * ours) - slack * ours_sum
        if stray * 1000 > abs(theirs_sum * ours) * RATIO_PER_MILLE:
            return None
    return theirs_sum, ours_sum
