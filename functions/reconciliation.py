"""Reconciliation: a provider's cost export beside what was booked, with the likely causes."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import msgspec

from functions.contract.function import function
from functions.contract.roles import Access
from functions.ports.context import CorrectionContext
from models_registry.bills.exports import MAX_DAYS, Billed, Export, read_export
from models_registry.bills.lines import Line
from models_registry.bills.matching import reconcile
from models_registry.prices.price import cost_nano
from schema.corrections import Correction, CorrectionKind, checked_reason
from schema.dates import period_of
from schema.errors.requests import InvalidRequest
from schema.fields import text
from schema.money import plain_usd
from schema.reconciliation import ReconciledLine, ReconcileReport, ReconcileRequest
from schema.undeclared import refuse_undeclared

BATCH_ROWS = 500
MAX_ALIASES = 1_000


@function("POST", "/spend/reconcile", access=Access.SPEND_WRITE)
async def compare(request: ReconcileRequest, ctx: CorrectionContext) -> ReconcileReport:
    """Compare a provider's cost export with the ledger by model and day. With `apply`, correct uncertain and
    estimated calls by it."""
    refuse_undeclared(request)
    if request.apply and request.reason is None:
        raise InvalidRequest("reason: say why, or leave `apply` out.", param="reason")
    reason = None if request.reason is None else checked_reason(request.reason)
    if len(request.aliases) > MAX_ALIASES:
        raise InvalidRequest(f"aliases: at most {MAX_ALIASES}.", param="aliases")
    export = await asyncio.to_thread(read_export, request.csv)
    provider = export.provider if request.provider is None else text(request.provider, param="provider")
    start, end = _period(request, export)
    if request.apply:
        _refuse_unknown_days(
            export, start.date(), end.date(), today=ctx.call.received_at.astimezone(UTC).date()
        )
    billed = [each for each in export.billed if start.date() <= each.day < end.date()]
    if not export.has_costs:
        billed = _priced(billed, provider or "", ctx)
    booked = await ctx.corrections.booked(start, end, provider=provider)
    lines = await asyncio.to_thread(reconcile, booked, billed, request.aliases, span=export.span)
    made = 0
    if request.apply and reason is not None:
        made = await _apply(lines, reason, ctx)
    return _report(export, provider, lines, made=made if request.apply else None)


def _period(request: ReconcileRequest, export: Export) -> tuple[datetime, datetime]:
    """The period to compare, in whole UTC days: the first moment of its first day, and the first moment after
    it. Raises InvalidRequest."""
    first, last = export.span
    start, end = period_of(request.start_date, request.end_date)
    start = start or datetime.combine(first, time(), UTC)
    end = end or datetime.combine(last + timedelta(days=1), time(), UTC)
    for name, moment in (("start_date", start), ("end_date", end)):
        if moment.time() != time():
            raise InvalidRequest(f"{name}: expected a whole day, YYYY-MM-DD.", param=name)
    if not timedelta(0) < end - start <= timedelta(days=MAX_DAYS):
        raise InvalidRequest(f"end_date: expected 1 to {MAX_DAYS} days.", param="end_date")
    return start, end


def _refuse_unknown_days(export: Export, start: date, end: date, *, today: date) -> None:
    """Refuse days whose cost is not known: days that are not over, and days that the file says nothing about.
    Raises InvalidRequest."""
    first, last = export.span
    if start < first:
        raise InvalidRequest(
            f"start_date: the file begins on {first}, and says nothing of {start}; a line of 0 would.",
            param="start_date",
        )
    if end > last + timedelta(days=1):
        raise InvalidRequest(
            f"end_date: the file ends on {last}, and says nothing of {last + timedelta(days=1)}; "
            "a line of 0 would.",
            param="end_date",
        )
    if end > today:
        raise InvalidRequest(
            f"end_date: {max(start, today)} is not over yet (UTC); apply the bill of days that are.",
            param="end_date",
        )


def _priced(billed: Sequence[Billed], provider: str, ctx: CorrectionContext) -> list[Billed]:
    """The days of an export of usage, costed at our prices. Raises InvalidRequest where a model has no known
    price."""
    prices = {model: ctx.prices.price_named(provider, model) for model in {each.model for each in billed}}
    found = []
    for each in billed:
        price = prices[each.model]
        if price is None or each.usage is None:
            raise InvalidRequest(
                f"csv: {each.model} of {provider} has no known price here; import the export of costs.",
                param="csv",
            )
        found.append(msgspec.structs.replace(each, cost_nano=cost_nano(price, each.usage), usage=None))
    return found


async def _apply(lines: Sequence[Line], reason: str, ctx: CorrectionContext) -> int:
    """Correct the open rows to their shares, and give the number of correction rows that were made."""
    wanted = [
        Correction(request_id=row.request_id, cost_nano=share)
        for line in lines
        for row, share in zip(line.open if line.shares else (), line.shares, strict=True)
    ]
    made = 0
    for place in range(0, len(wanted), BATCH_ROWS):
        batch = wanted[place : place + BATCH_ROWS]
        found = await ctx.corrections.correct(
            batch, kind=CorrectionKind.INVOICE, reason=reason, call=ctx.call
        )
        made += sum(each.row_id is not None for each in found)
    return made


def _report(
    export: Export, provider: str | None, lines: Sequence[Line], *, made: int | None
) -> ReconcileReport:
    ours = sum(line.ours_nano or 0 for line in lines)
    theirs = sum(line.theirs_nano or 0 for line in lines)
    return ReconcileReport(
        format=export.format,
        provider=provider,
        applied=made is not None,
        ours=plain_usd(ours),
        theirs=plain_usd(theirs),
        difference=plain_usd(theirs - ours),
        unexplained=plain_usd(sum(line.unexplained_nano for line in lines)),
        corrected_rows=made or 0,
        lines=[_line(line) for line in lines],
    )


def _line(line: Line) -> ReconciledLine:
    ratio = line.ratio
    return ReconciledLine(
        date=line.day.isoformat(),
        model=line.model,
        ours=plain_usd(line.ours_nano or 0),
        theirs=plain_usd(line.theirs_nano or 0),
        difference=plain_usd(line.difference_nano),
        rows=line.rows,
        uncertain=plain_usd(sum(row.cost_nano for row in line.open if row.uncertain)),
        estimated=plain_usd(sum(row.cost_nano for row in line.open if not row.uncertain)),
        causes=list(line.causes),
        price_ratio=None if ratio is None else round(Decimal(ratio[0]) / Decimal(ratio[1]), 4),
        corrected=plain_usd(line.corrected_nano),
        unexplained=plain_usd(line.unexplained_nano),
    )
