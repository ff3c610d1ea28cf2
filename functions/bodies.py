"""One call of the log, with its prompt and its answer where they are kept."""

from functions.contract.function import function
from functions.contract.roles import Access
from functions.ports.context import ReportContext
from schema.bodies import BodyQuery, LogDetail, log_detail
from schema.errors.rows import NotFound
from schema.spend import SpendQuery, spend_log

MAX_ALIKE = 100
"""How many rows of one answer's id are looked at: providers choose the ids. The row's own id goes first."""


@function("GET", "/spend/logs/ui/{request_id}", access=Access.SPEND_READ)
async def show(request: BodyQuery, ctx: ReportContext) -> LogDetail:
    """Show one call. Its prompt and answer are shown, where they are kept, to admins and to the user who made
    the call."""
    query = SpendQuery(
        request_id=request.request_id,
        start_date=request.start_date,
        end_date=request.end_date,
        limit=MAX_ALIKE,
    )
    rows = await ctx.spend.rows(query, scope=ctx.call.scope)
    if not rows:
        raise NotFound("There is no such call in the log.", param="request_id")
    row = next((row for row in rows if row.request_id == request.request_id), rows[0])
    scope = ctx.call.caller.scope(Access.BODIES_READ)
    return log_detail(spend_log(row), await ctx.bodies.find(row.request_id, scope=scope))
