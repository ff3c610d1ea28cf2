"""Probes for load balancers and people: whether the gateway is up, and whether it can serve calls."""

from functions.contract.function import function
from functions.contract.roles import Access
from functions.ports.context import OperationsContext
from schema.health import ProbeQuery, Readiness


@function("GET", "/health/liveliness", aliases=("/health/liveness",), access=Access.OPEN)
async def liveliness(request: ProbeQuery, ctx: OperationsContext) -> str:
    """Answer while the process runs. The answer never depends on Postgres."""
    return "I'm alive!"


@function("GET", "/health/readiness", access=Access.OPEN)
async def readiness(request: ProbeQuery, ctx: OperationsContext) -> Readiness:
    """Say whether calls can be served. The status is 200, healthy or degraded, while they can, and 503 while
    they can't."""
    return await ctx.readiness.check()
