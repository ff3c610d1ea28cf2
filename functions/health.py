"""Whether the gateway is up and can serve calls, for load balancers, and whether its deployments can."""

from functions.contract.function import function
from functions.contract.roles import Access
from functions.ports.context import OperationsContext
from schema.errors.base import shortened
from schema.errors.requests import InvalidRequest
from schema.errors.rows import NotFound
from schema.health import (
    CheckHistory,
    HealthQuery,
    HealthReport,
    HistoryQuery,
    LatestChecks,
    LatestQuery,
    ProbeQuery,
    ProviderBudgets,
    Readiness,
    ReadinessDetails,
    ServedPaths,
)

MAX_HISTORY = 1_000
MAX_OFFSET = 1_000_000
STATUSES = ("healthy", "unhealthy")


@function("GET", "/health/liveliness", aliases=("/health/liveness",), access=Access.OPEN)
async def liveliness(request: ProbeQuery, ctx: OperationsContext) -> str:
    """Answer while the process runs. The answer never depends on Postgres."""
    return "I'm alive!"


@function("GET", "/health/readiness", access=Access.OPEN)
async def readiness(request: ProbeQuery, ctx: OperationsContext) -> Readiness:
    """Say whether calls can be served. The status is 200, healthy or degraded, while they can, and 503 while
    they can't."""
    state = await ctx.readiness.check()
    return Readiness(**{name: getattr(state, name) for name in Readiness.__struct_fields__})


@function("GET", "/health/readiness/details", access=Access.HEALTH_READ)
async def details(request: ProbeQuery, ctx: OperationsContext) -> ReadinessDetails:
    """Say what the readiness probe says, and which version this is."""
    return await ctx.readiness.check()


@function("GET", "/routes", access=Access.OPEN)
async def routes(request: ProbeQuery, ctx: OperationsContext) -> ServedPaths:
    """List the paths of the API."""
    return ServedPaths(routes=list(ctx.paths))


@function("GET", "/health", access=Access.DEPLOYMENTS_READ)
async def deployments(request: HealthQuery, ctx: OperationsContext) -> HealthReport:
    """Check deployments, and say which of them are healthy. With health checks in the background, say what
    they found last."""
    report = await ctx.deployments.report(model=request.model, model_id=request.model_id)
    if report is None:
        param = "model" if request.model is not None else "model_id"
        wanted = request.model if request.model is not None else request.model_id
        raise NotFound(f"No deployment is called {shortened(wanted or '')!r}.", param=param)
    return report


@function("GET", "/health/history", access=Access.DEPLOYMENTS_READ)
async def history(request: HistoryQuery, ctx: OperationsContext) -> CheckHistory:
    """List health checks, newest first."""
    if not (1 <= request.limit <= MAX_HISTORY and 0 <= request.offset <= MAX_OFFSET):
        raise InvalidRequest(
            f"limit: expected 1 to {MAX_HISTORY}, and offset 0 to {MAX_OFFSET}.", param="limit"
        )
    if request.status_filter not in (None, *STATUSES):
        raise InvalidRequest("status_filter: expected healthy or unhealthy.", param="status_filter")
    found, total = await ctx.deployments.history(
        model=request.model, status=request.status_filter, limit=request.limit, offset=request.offset
    )
    return CheckHistory(
        health_checks=list(found), total_records=total, limit=request.limit, offset=request.offset
    )


@function("GET", "/health/latest", access=Access.DEPLOYMENTS_READ)
async def latest(request: LatestQuery, ctx: OperationsContext) -> LatestChecks:
    """Show the last health check of each deployment."""
    found = {each.model_id or "": each for each in await ctx.deployments.latest()}
    return LatestChecks(latest_health_checks=found, total_models=len(found))


@function("GET", "/provider/budgets", access=Access.DEPLOYMENTS_READ)
async def provider_budgets(request: LatestQuery, ctx: OperationsContext) -> ProviderBudgets:
    """Show what each provider with a budget may cost, and did cost in the window that is open."""
    return ProviderBudgets(providers=dict(await ctx.deployments.provider_budgets()))
