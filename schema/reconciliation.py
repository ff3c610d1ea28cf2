"""Reconciliation: a provider's cost export beside the ledger."""

from decimal import Decimal

import msgspec

from schema.wire import Wire


class ReconcileRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /spend/reconcile. `csv` is the whole file as text. `provider`: whose calls of ours are looked at;
    the export says it itself unless it is the plain `date,model,cost`. `aliases`: their model names to ours.
    With `apply` the uncertain and estimated calls are corrected, and `reason` is required."""

    csv: str
    provider: str | None = None
    aliases: dict[str, str] = {}
    start_date: str | None = None
    """UTC; absent: the export's first day."""
    end_date: str | None = None
    """Included; absent: the export's last day."""
    apply: bool = False
    reason: str | None = None


class ReconciledLine(msgspec.Struct, frozen=True, kw_only=True):
    """One UTC day of one model, in dollars. `difference` above zero: they billed more than we booked."""

    date: str
    model: str
    ours: Decimal
    theirs: Decimal
    difference: Decimal
    rows: int
    """Calls of ours."""
    uncertain: Decimal
    """What of ours is booked at the most it can have cost."""
    estimated: Decimal
    """And at an upper bound of what was used."""
    causes: list[str]
    """The likeliest first: rounding, uncertain_rows, estimated_rows, day_edge, price_ratio,
    missing_model_alias, not_in_export, calls_not_through_the_gateway, unexplained."""
    price_ratio: Decimal | None
    """Theirs to ours over all days, where they differ by a constant one."""
    corrected: Decimal
    """Ours, where the uncertain and estimated calls cost what is left for them: with `apply` they do now."""
    unexplained: Decimal
    """The difference that is left then."""


class ReconcileReport(msgspec.Struct, frozen=True, kw_only=True):
    """In the order of day and model."""

    format: str
    provider: str | None
    applied: bool
    ours: Decimal
    theirs: Decimal
    difference: Decimal
    unexplained: Decimal
    corrected_rows: int
    """Correction rows that were made now."""
    lines: list[ReconciledLine]
