"""Reconciliation: a provider's cost export beside the ledger."""

from decimal import Decimal

import msgspec

from schema.wire import Wire


class ReconcileRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /spend/reconcile. `csv` is the whole export as text. `provider` says whose calls are compared;
    only the plain export `date,model,cost` needs it. `aliases` maps the provider's model names to ours. With
    `apply` the uncertain and estimated calls are corrected, and `reason` is required."""

    csv: str
    provider: str | None = None
    aliases: dict[str, str] = {}
    start_date: str | None = None
    """The first UTC day. Where it is absent, the export's first day."""
    end_date: str | None = None
    """The last UTC day, included. Where it is absent, the export's last day."""
    apply: bool = False
    reason: str | None = None


class ReconciledLine(msgspec.Struct, frozen=True, kw_only=True):
    """One UTC day of one model, in dollars. `difference` is above zero where the provider billed more than we
    booked."""

    date: str
    model: str
    ours: Decimal
    theirs: Decimal
    difference: Decimal
    rows: int
    """How many calls we booked."""
    uncertain: Decimal
    """The part of our sum that is booked at the most it can have cost."""
    estimated: Decimal
    """The part of our sum that is booked at an upper bound of what was used."""
    causes: list[str]
    """The likely causes of the difference, the likeliest first: `rounding`, `uncertain_rows`,
    `estimated_rows`, `day_edge`, `price_ratio`, `missing_model_alias`, `not_in_export`,
    `calls_not_through_the_gateway` or `unexplained`."""
    price_ratio: Decimal | None
    """The provider's sum divided by ours, where it is the same on all days."""
    corrected: Decimal
    """Our sum, if the uncertain and estimated calls cost what the provider's bill leaves for them. With
    `apply` they are corrected to that."""
    unexplained: Decimal
    """The difference that is left after the correction."""


class ReconcileReport(msgspec.Struct, frozen=True, kw_only=True):
    """The lines in the order of day and model, and their totals."""

    format: str
    provider: str | None
    applied: bool
    ours: Decimal
    theirs: Decimal
    difference: Decimal
    unexplained: Decimal
    corrected_rows: int
    """How many corrections were made now."""
    lines: list[ReconciledLine]
