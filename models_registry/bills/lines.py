"""A day of a model as the ledger has it, beside the same day as the provider billed it. Money is nano-USD."""

from datetime import date

import msgspec


class OpenRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A booked row whose cost is an upper bound."""

    request_id: str
    ceiling_nano: int
    """The upper bound of the cost."""
    cost_nano: int
    """The cost as it is booked now. It is below the ceiling where an earlier bill has corrected it."""
    uncertain: bool
    """Whether the row is uncertain. False: it is estimated."""


class Booked(msgspec.Struct, frozen=True, kw_only=True):
    """One day of one model, as the ledger has it. `model` is the name that the provider knows."""

    day: date
    model: str
    cost_nano: int
    rows: int
    open: tuple[OpenRow, ...] = ()


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One day of one model on both sides. `ours_nano` None: the ledger has nothing of it. `theirs_nano` None:
    the bill has nothing of it."""

    day: date
    model: str
    ours_nano: int | None
    theirs_nano: int | None
    tolerance_nano: int = 0
    rows: int = 0
    open: tuple[OpenRow, ...] = ()
    causes: tuple[str, ...] = ()
    ratio: tuple[int, int] | None = None
    """Theirs and ours, summed over all days of the model, where the price seems to differ."""
    shares: tuple[int, ...] = ()
    """What each row of `open` has to cost, in the same order, so that both sides are equal. Empty: nothing is
    shared out."""

    @property
    def difference_nano(self) -> int:
        """Theirs less ours. Above zero: the provider billed more than was booked."""
        return (self.theirs_nano or 0) - (self.ours_nano or 0)

    @property
    def slack_nano(self) -> int:
        """The difference that rounding can explain: the tolerance of the bill, and one nano-USD for each row
        of ours, since each is rounded up."""
        return self.tolerance_nano + self.rows

    @property
    def corrected_nano(self) -> int:
        """Ours, if the open rows cost their shares."""
        replaced = self.open if self.shares else ()
        return (self.ours_nano or 0) + sum(self.shares) - sum(row.cost_nano for row in replaced)

    @property
    def unexplained_nano(self) -> int:
        """The difference that is left if the open rows cost their shares."""
        return (self.theirs_nano or 0) - self.corrected_nano
