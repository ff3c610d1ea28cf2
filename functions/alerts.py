"""Alerts: what somebody should look at. The log and the webhook told the same."""

from functions.contract.function import function
from functions.contract.roles import Access
from functions.ports.context import OperationsContext
from functions.rules.pages import check_page, pages_of
from schema.alerts import AlertPage, AlertsQuery

MAX_PAGE = 1_000


@function("GET", "/alerts", access=Access.ALERTS_READ)
async def alerts(request: AlertsQuery, ctx: OperationsContext) -> AlertPage:
    """List alerts by page, newest first."""
    check_page(request.page, request.page_size, most=MAX_PAGE)
    offset = (request.page - 1) * request.page_size
    found, total = await ctx.alerts.page(open_only=request.open_only, offset=offset, limit=request.page_size)
    return AlertPage(
        alerts=list(found),
        total=total,
        page=request.page,
        page_size=request.page_size,
        total_pages=pages_of(total, request.page_size),
    )
