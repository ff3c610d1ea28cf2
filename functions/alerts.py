"""Alerts: what somebody should look at, as the log and the webhook said it."""

from functions.contract.function import function
from functions.contract.roles import Access
from functions.ports.context import OperationsContext
from schema.alerts import AlertPage, AlertsQuery
from schema.errors import InvalidRequest

MAX_PAGE = 1_000


@function("GET", "/alerts", access=Access.ALERTS_READ)
async def alerts(request: AlertsQuery, ctx: OperationsContext) -> AlertPage:
    """List alerts by page, newest first."""
    if not 1 <= request.page_size <= MAX_PAGE or not 1 <= request.page <= 1_000_000:
        raise InvalidRequest(f"page_size: expected 1 to {MAX_PAGE}, page: 1 or more.", param="page_size")
    offset = (request.page - 1) * request.page_size
    found, total = await ctx.alerts.page(open_only=request.open_only, offset=offset, limit=request.page_size)
    return AlertPage(
        alerts=list(found),
        total=total,
        page=request.page,
        page_size=request.page_size,
        total_pages=-(-total // request.page_size),
    )
