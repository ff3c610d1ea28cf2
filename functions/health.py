"""Probes for load balancers and people: whether the gateway is up, and whether it can serve calls."""

import msgspec

from functions.contract.function import function
from functions.contract.roles import Access
from functions.ports.context import OperationsContext
from schema.health import ProbeQuery, Readiness, ReadinessDetails, ServedPaths


@function("GET", "/health/liveliness", aliases=("/health/liveness",), access=Access.OPEN)
async def liveliness(request: ProbeQuery, ctx: OperationsContext) -> str:
    """Answer while the process runs. The answer never depends on Postgres."""
    return "I'm alive!"


@function("GET", "/health/readiness", access=Access.OPEN)
async def readiness(request: ProbeQuery, ctx: OperationsContext) -> Readiness:
    """Say whether calls can be served. The status is 200, healthy or degraded, while they can, and 503 while
    they can't."""
    return await ctx.readiness.check()


@function("GET", "/health/readiness/details", access=Access.HEALTH_READ)
async def details(request: ProbeQuery, ctx: OperationsContext) -> ReadinessDetails:
    """Say what the readiness probe says, and which version this is."""
    return ReadinessDetails(**msgspec.structs.asdict(await ctx.readiness.check()))


@function("GET", "/routes", access=Access.OPEN)
async def routes(request: ProbeQuery, ctx: OperationsContext) -> ServedPaths:
    """List the paths of the API."""
    return ServedPaths(routes=list(ctx.paths))
