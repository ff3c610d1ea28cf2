"""Re-costing: what booked calls cost by the prices that the registry has now for the time of each call."""

from collections.abc import Sequence
from contextlib import aclosing

from functions.contract.function import function
from functions.contract.roles import Access
from functions.ports.context import CorrectionContext
from functions.rules.pages import check_size
from models_registry.prices.charges import attempt_parts, least_nano
from schema.corrections import OVERRULED, Corrected, Correction, CorrectionKind, checked_reason, cursor_after
from schema.errors.requests import InvalidRequest
from schema.money import plain_usd
from schema.recosting import MAX_ROWS, RecostedDay, RecostReport, RecostRequest
from schema.undeclared import refuse_undeclared


@function("POST", "/spend/recost", access=Access.SPEND_WRITE)
async def recost(request: RecostRequest, ctx: CorrectionContext) -> RecostReport:
    """Cost booked calls anew from their stored counts, and correct those whose cost differs. A dry run
    corrects nothing."""
    refuse_undeclared(request)
    check_size(request.max_rows, most=MAX_ROWS, param="max_rows")
    if not request.dry_run and request.reason is None:
        raise InvalidRequest("reason: say why, or ask for a dry run.", param="reason")
    reason = None if request.reason is None else checked_reason(request.reason)
    sums = _RecostTally(request)
    async with aclosing(ctx.corrections.priced(request)) as batches:  # type: ignore[type-var]
        async for batch in batches:
            wanted = sums.look(batch, ctx)
            if wanted and not request.dry_run and reason is not None:
                made = await ctx.corrections.correct(
                    wanted, kind=CorrectionKind.RECOST, reason=reason, call=ctx.call
                )
                sums.left_alone(sum(each.overruled for each in made))
    return sums.report()


class _RecostTally:
    """What was looked at so far. Money is nano-USD."""

    def __init__(self, request: RecostRequest) -> None:
        self._request = request
        self._rows = self._unpriced = self._settled = self._ceilings = 0
        self._days: dict[tuple[str, str], tuple[int, int, int]] = {}
        self._last: Corrected | None = None

    def look(self, batch: Sequence[Corrected], ctx: CorrectionContext) -> list[Correction]:
        """Count a batch, and give the corrections that it needs."""
        wanted = []
        for row in batch:
            self._rows += 1
            self._last = row
            if row.kinds & OVERRULED[CorrectionKind.RECOST]:
                self._settled += 1
                continue
            price = ctx.prices.price_of(row.original)
            if price is None:
                self._unpriced += 1
                continue
            original = row.original
            cost = sum(attempt_parts(price, original.outcome, row.usage, original.duration_ms))
            least = least_nano(original)
            if cost < least:
                self._ceilings += 1
                cost = least
            if cost != row.cost_nano:
                self._add(row, cost)
                wanted.append(Correction(request_id=original.request_id, cost_nano=cost, priced=price.origin))
        return wanted

    def left_alone(self, rows: int) -> None:
        """Count rows that somebody else corrected in the meantime."""
        self._settled += rows

    def _add(self, row: Corrected, cost: int) -> None:
        key = (row.original.started_at.strftime("%Y-%m-%d"), row.original.model_group)
        rows, before, after = self._days.get(key, (0, 0, 0))
        self._days[key] = (rows + 1, before + row.cost_nano, after + cost)

    def report(self) -> RecostReport:
        before = sum(before for _, before, _ in self._days.values())
        after = sum(after for _, _, after in self._days.values())
        more = self._last is not None and self._rows == self._request.max_rows
        return RecostReport(
            dry_run=self._request.dry_run,
            rows=self._rows,
            changed_rows=sum(rows for rows, _, _ in self._days.values()),
            unpriced_rows=self._unpriced,
            settled_rows=self._settled,
            ceiling_rows=self._ceilings,
            spend_before=plain_usd(before),
            spend=plain_usd(after),
            difference=plain_usd(after - before),
            days=[
                RecostedDay(
                    date=date,
                    model=model,
                    rows=rows,
                    spend_before=plain_usd(spend_before),
                    spend=plain_usd(spend),
                    difference=plain_usd(spend - spend_before),
                )
                for (date, model), (rows, spend_before, spend) in sorted(self._days.items())
            ],
            next=cursor_after(self._last.original) if more and self._last is not None else None,
        )
