"""One call of the log, with its prompt and its answer where they are kept."""

from functions.contract.function import function
from functions.contract.roles import Access
from functions.ports.context import ReportContext
from schema.bodies import BodyQuery, LogDetail, log_detail
from schema.errors import NotFound
from schema.spend import SpendQuery, spend_log


@function("GET", "/spend/logs/ui/{request_id}", access=Access.SPEND_READ)
async def show(request: BodyQuery, ctx: ReportContext) -> LogDetail:
    """Show one call. Its prompt and answer are shown, where they are kept, to admins and to the user who made
    the call."""
    query = SpendQuery(
        request_id=request.request_id,
        start_date=request.start_date,
        end_date=request.end_date,
        limit=1,
    )
    rows = await ctx.spend.rows(query, scope=ctx.call.scope)
    if not rows:
        raise NotFound("There is no such call in the log.", param="request_id")
    scope = ctx.call.caller.scope(Access.BODIES_READ)
    return log_detail(spend_log(rows[0]), await ctx.bodies.find(request.request_id, scope=scope))
