"""How long calls took, within the caller's reach."""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from functions.contract.function import function
from functions.contract.roles import Access
from functions.ports.context import LatencyContext
from schema.latency import LatencyGroup, LatencyQuery, LatencyReport, wanted_of
from schema.ledger.sums import Dimension

NAMED: Mapping[LatencyGroup, Dimension] = MappingProxyType(
    {
        LatencyGroup.TEAM: Dimension.TEAM,
        LatencyGroup.KEY: Dimension.API_KEY,
        LatencyGroup.USER: Dimension.USER,
    }
)
"""The groups whose values are ids that people have names for."""


@function("GET", "/spend/latency", access=Access.SPEND_READ)
async def latency(request: LatencyQuery, ctx: LatencyContext) -> LatencyReport:
    """Tell the durations that 50, 95 and 99 of 100 calls did not exceed, and the same for their first tokens,
    by day or hour."""
    found = await ctx.latency.timed(wanted_of(request), scope=ctx.call.scope)
    kind = NAMED.get(request.by)
    if kind is None:
        return LatencyReport(results=found)
    names = await ctx.reports.names(kind, {each.group for each in found if each.group})
    return LatencyReport(
        results=[
            msgspec.structs.replace(each, name=names[each.group].alias) if each.group in names else each
            for each in found
        ]
    )
