"""Metrics for Prometheus."""

from functions.contract.function import TextReply, function
from functions.contract.roles import Access
from functions.ports.context import OperationsContext
from schema.metrics import MetricsQuery


@function("GET", "/metrics", access=Access.METRICS_READ)
async def metrics(request: MetricsQuery, ctx: OperationsContext) -> TextReply:
    """Show what all workers have counted, in the text format of Prometheus."""
    return await ctx.metrics.text()
