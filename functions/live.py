"""What happens now: a stream of events for open pages, and the same for pages that poll."""

from functions.contract.function import EventStream, function
from functions.contract.roles import Access
from functions.ports.context import LiveContext
from schema.live import LiveCalls, LiveQuery


@function("GET", "/live/events", access=Access.SPEND_READ)
async def events(request: LiveQuery, ctx: LiveContext) -> EventStream:
    """Stream which calls are in flight and that rows were booked, of the calls that the caller may see."""
    return ctx.live.open(ctx.call)


@function("GET", "/live/calls", access=Access.SPEND_READ)
async def calls(request: LiveQuery, ctx: LiveContext) -> LiveCalls:
    """List the calls in flight. The first answer may lack those of other workers, which tell while somebody
    asks."""
    return ctx.live.calls(ctx.call.scope)
