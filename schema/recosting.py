"""Re-costing: what booked calls would cost at today's prices."""

from decimal import Decimal

import msgspec

from schema.wire import Wire

MAX_ROWS = 1_000_000


class RecostRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /spend/recost. Dates are UTC, the end included. `model` is the public name or the provider's. With
    `dry_run` (the default) nothing is written. Without it, `reason` is required."""

    start_date: str
    end_date: str | None = None
    model: str | None = None
    model_id: str | None = None
    provider: str | None = None
    dry_run: bool = True
    reason: str | None = None
    max_rows: int = 100_000
    """The most rows that are looked at. `next` of the answer goes on after them."""
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
    """What was looked at and what changed. `next` is null where all rows were looked at."""

    dry_run: bool
    rows: int
    """How many rows were looked at."""
    changed_rows: int
    """How many rows have another cost now. They are corrected, except in a dry run."""
    unpriced_rows: int
    """How many rows were left alone, since their deployment has no price now or is not in the config any
    more."""
    settled_rows: int
    """How many rows were left alone, since an admin or an invoice has corrected them before."""
    ceiling_rows: int
    """How many uncertain rows are not lowered below the ceiling that they are booked at, though their counts
    cost less now."""
    spend_before: Decimal
    spend: Decimal
    difference: Decimal
    days: list[RecostedDay]
    next: str | None
