"""Re-costing: what booked calls would cost at the prices of now."""

from decimal import Decimal

import msgspec

from schema.wire import Wire

MAX_ROWS = 1_000_000


class RecostRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /spend/recost. Dates are UTC, the end included. `model` is the public name or the provider's. With
    `dry_run` (the default) nothing is written; without, `reason` is required."""

    start_date: str
    end_date: str | None = None
    model: str | None = None
    model_id: str | None = None
    provider: str | None = None
    dry_run: bool = True
    reason: str | None = None
    max_rows: int = 100_000
    """How many rows are looked at, at most; `next` goes on after them."""
    after: str | None = None


class RecostedDay(msgspec.Struct, frozen=True, kw_only=True):
    """One UTC day of one public model: the rows whose cost differs, and their sums in dollars."""

    date: str
    model: str
    rows: int
    spend_before: Decimal
    spend: Decimal
    difference: Decimal


class RecostReport(msgspec.Struct, frozen=True, kw_only=True):
    """`next` null: everything was looked at."""

    dry_run: bool
    rows: int
    """Looked at."""
    changed_rows: int
    """Whose cost differs: corrected, unless it is a dry run."""
    unpriced_rows: int
    """Whose deployment has no price now, or is not in the config any more: left alone."""
    settled_rows: int
    """Corrected by an admin or an invoice before: left alone."""
    ceiling_rows: int
    """Uncertain, and booked at a ceiling that is more than their counts cost now: not lowered below it."""
    spend_before: Decimal
    spend: Decimal
    difference: Decimal
    days: list[RecostedDay]
    next: str | None
