"""Corrections of the ledger by an admin, and the list of calls that wait for a correction."""

from functions.contract.function import function
from functions.contract.roles import Access
from functions.ports.context import CorrectionContext
from functions.rules.pages import check_size
from models_registry.prices.price import cost_nano
from schema.corrections import (
    MAX_PAGE,
    Corrected,
    Correction,
    CorrectionKind,
    CorrectionReport,
    CorrectRequest,
    UncertainPage,
    UncertainQuery,
    UncertainRow,
    checked_reason,
    cost_in_nano,
    cursor_after,
)
from schema.errors.requests import InvalidRequest
from schema.errors.rows import NotFound
from schema.fields import text
from schema.money import plain_usd
from schema.undeclared import refuse_undeclared

NO_SUCH = "There is no such row in the ledger."


@function("POST", "/spend/correct", access=Access.SPEND_WRITE)
async def correct(request: CorrectRequest, ctx: CorrectionContext) -> CorrectionReport:
    """Say what a call should have cost. The difference becomes a row of the ledger. The same correction sent
    again does nothing."""
    refuse_undeclared(request)
    reason = checked_reason(request.reason)
    request_id = text(request.request_id, param="request_id")
    usage = None if request.usage is None else request.usage.usage()
    priced = None
    if request.cost is not None:
        cost = cost_in_nano(request.cost, param="cost")
    elif usage is None:
        raise InvalidRequest("cost: send the cost in dollars, or the usage.", param="cost")
    else:
        row = await ctx.corrections.find(request_id)
        if row is None:
            raise NotFound(NO_SUCH, param="request_id")
        price = ctx.prices.price_of(row.original)
        if price is None:
            raise InvalidRequest(
                f"cost: {row.original.model_group or 'this call'} has no known price here; send the cost.",
                param="cost",
            )
        cost = cost_nano(price, usage, row.original.duration_ms)
        priced = price.origin
    wanted = Correction(request_id=request_id, cost_nano=cost, usage=usage, priced=priced)
    made = await ctx.corrections.correct([wanted], kind=CorrectionKind.MANUAL, reason=reason, call=ctx.call)
    if not made:
        raise NotFound(NO_SUCH, param="request_id")
    before, after = made[0].before.cost_nano, made[0].cost_nano
    return CorrectionReport(
        request_id=request_id,
        correction_id=made[0].row_id,
        spend_before=plain_usd(before),
        spend=plain_usd(after),
        difference=plain_usd(after - before),
    )


@function("GET", "/spend/uncertain", access=Access.SPEND_READ)
async def uncertain(request: UncertainQuery, ctx: CorrectionContext) -> UncertainPage:
    """List calls that are booked at an upper bound and not corrected yet, oldest first."""
    check_size(request.page_size, most=MAX_PAGE)
    rows = await ctx.corrections.uncertain(request, scope=ctx.call.scope)
    more = len(rows) == request.page_size
    return UncertainPage(
        data=[_shown(row) for row in rows], next=cursor_after(rows[-1].original) if more else None
    )


def _shown(row: Corrected) -> UncertainRow:
    original = row.original
    return UncertainRow(
        request_id=original.request_id,
        started_at=original.started_at,
        outcome=original.outcome.value,
        estimated=original.estimated,
        spend=plain_usd(row.cost_nano),
        prompt_tokens=row.usage.prompt_tokens,
        completion_tokens=row.usage.completion_tokens,
        model_group=original.model_group,
        model=original.model,
        custom_llm_provider=original.provider,
        api_key=original.key_hash,
        key_alias=original.key_alias,
        user=original.user_id,
        team_id=original.team_id,
        error_class=original.error_class,
    )
