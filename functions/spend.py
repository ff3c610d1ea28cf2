"""Reads of the spend ledger."""

import hashlib

import msgspec

from functions.context import SpendContext
from functions.function import function
from functions.roles import Access
from schema.errors import InvalidRequest
from schema.spend import SpendDay, SpendLog, SpendQuery, spend_log

MAX_ROWS = 10_000


@function("GET", "/spend/logs", access=Access.SPEND_READ)
async def logs(request: SpendQuery, ctx: SpendContext) -> list[SpendLog] | list[SpendDay]:
    """List calls and what they cost, newest first, within the caller's reach: its own, its teams', or all.

    With both dates, and `summarize` not switched off, sums by day instead: LiteLLM's rule.
    """
    if not 1 <= request.limit <= MAX_ROWS:
        raise InvalidRequest(f"limit: expected 1 to {MAX_ROWS}, found {request.limit}", param="limit")
    if request.api_key is not None and request.api_key.startswith("sk-"):
        key_hash = hashlib.sha256(request.api_key.encode()).hexdigest()
        request = msgspec.structs.replace(request, api_key=key_hash)
    scope = ctx.call.scope
    if request.summarize and request.start_date and request.end_date:
        return list(await ctx.spend.days(request, scope=scope))
    return [spend_log(row) for row in await ctx.spend.rows(request, scope=scope)]
