"""Why a bill and the ledger differ: the likely causes of each line.

Facts that all lines of a model share are worked out once, so lines are never compared in pairs.
"""

from collections.abc import Sequence
from datetime import date, timedelta

import msgspec

from models_registry.bills.lines import Line

RATIO_PER_MILLE = 5
"""A ratio is constant if no day strays further from it than 0.5 per cent. A ratio that is as near to one is
none."""
EDGE_PER_CENT = 1
"""Two neighbouring days were cut at another hour if their differences cancel out to 1 per cent."""


class _Model:
    """All lines of one model."""

    def __init__(self) -> None:
        self.days: dict[date, Line] = {}
        self.ours = self.theirs = False
        """Whether the ledger, or the bill, has anything of the model on any day."""
        self.ratio: tuple[int, int] | None = None

    def add(self, line: Line) -> None:
        self.days[line.day] = line
        self.ours = self.ours or line.ours_nano is not None
        self.theirs = self.theirs or line.theirs_nano is not None


def with_causes(lines: Sequence[Line]) -> list[Line]:
    """The same lines with their causes. There is at most one line for a day and model."""
    models: dict[str, _Model] = {}
    for line in lines:
        models.setdefault(line.model, _Model()).add(line)
    for model in models.values():
        model.ratio = _ratio(list(model.days.values()))
    ours_alone = {line.day for line in lines if line.ours_nano and not models[line.model].theirs}
    theirs_alone = {line.day for line in lines if line.theirs_nano and not models[line.model].ours}
    return [
        _with_causes(
            line,
            models[line.model],
            ours_alone=line.day in ours_alone,
            theirs_alone=line.day in theirs_alone,
        )
        for line in lines
    ]


def _with_causes(line: Line, model: _Model, *, ours_alone: bool, theirs_alone: bool) -> Line:
    """A line with its causes. `ours_alone`: on its day the ledger has a model that the bill has on no day.
    `theirs_alone`: on its day the bill has a model that the ledger has on no day."""
    difference = line.difference_nano
    if not difference:
        return line
    if abs(difference) <= line.slack_nano:
        return msgspec.structs.replace(line, causes=("rounding",))
    if line.theirs_nano is None:
        cause = "missing_model_alias" if theirs_alone and not model.theirs else "not_in_export"
        return msgspec.structs.replace(line, causes=(cause,))
    if not model.ours:
        alias = ("missing_model_alias",) if ours_alone else ()
        return msgspec.structs.replace(line, causes=(*alias, "calls_not_through_the_gateway"))
    causes = _doubtful(line)
    if _is_edge(line, model):
        causes.append("day_edge")
    if model.ratio is not None:
        causes.append("price_ratio")
    if not causes:
        causes.append("calls_not_through_the_gateway" if difference > 0 else "unexplained")
    return msgspec.structs.replace(line, causes=tuple(causes), ratio=model.ratio)


def _doubtful(line: Line) -> list[str]:
    """The causes that lie in open rows. Their costs are upper bounds, so they can explain that more was
    booked than billed, up to the sum of these costs."""
    uncertain = sum(row.cost_nano for row in line.open if row.uncertain)
    estimated = sum(row.cost_nano for row in line.open if not row.uncertain)
    too_much = -line.difference_nano - line.slack_nano
    if line.difference_nano > 0 or not uncertain + estimated or too_much > uncertain + estimated:
        return []
    causes = ["uncertain_rows"] if uncertain else []
    return causes if uncertain and too_much <= uncertain else [*causes, "estimated_rows"]


def _is_edge(line: Line, model: _Model) -> bool:
    """Whether the provider has calls around midnight on the neighbouring day: one of the two days has too
    much by what the other lacks."""
    for beside in (timedelta(days=-1), timedelta(days=1)):
        other = model.days.get(line.day + beside)
        if other is None or other.theirs_nano is None:
            continue
        mine, theirs = line.difference_nano, other.difference_nano
        slack = max(abs(mine), abs(theirs)) * EDGE_PER_CENT // 100
        if mine * theirs < 0 and abs(mine + theirs) <= slack + line.slack_nano + other.slack_nano:
            return True
    return False


def _ratio(same_model: Sequence[Line]) -> tuple[int, int] | None:
    """The ratio of theirs to ours, as two sums. None: there is no ratio that is the same on two days or more,
    or it is one."""
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
