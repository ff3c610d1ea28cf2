"""Metrics for Prometheus."""

from functions.context import MetricsContext
from functions.function import Text, function
from functions.roles import Access
from schema.health import ProbeQuery


@function("GET", "/metrics", access=Access.METRICS_READ)
async def metrics(request: ProbeQuery, ctx: MetricsContext) -> Text:
    """Show what all workers have counted, in Prometheus' text format."""
    return await ctx.metrics.text()
