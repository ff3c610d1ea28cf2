"""Probes for load balancers and people: is it up, can it serve."""

from functions.contract.function import function
from functions.contract.roles import Access
from functions.ports.context import OperationsContext
from schema.health import ProbeQuery, Readiness


@function("GET", "/health/liveliness", aliases=("/health/liveness",), access=Access.OPEN)
async def liveliness(request: ProbeQuery, ctx: OperationsContext) -> str:
    """Answer while the process runs; it never depends on Postgres."""
    return "I'm alive!"


@function("GET", "/health/readiness", access=Access.OPEN)
async def readiness(request: ProbeQuery, ctx: OperationsContext) -> Readiness:
    """Say whether calls can be served: 200 healthy or degraded, 503 when they can't."""
    return await ctx.readiness.check()
