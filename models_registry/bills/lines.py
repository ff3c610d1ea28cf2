"""A day of a model as the ledger has it, and beside it as the provider billed it. Whole nano-USD."""

from datetime import date

import msgspec


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
