"""What is told of a key: its row, its budget, and whether it works."""

from datetime import datetime

import msgspec

from functions.ports.context import GovernanceContext
from schema.budgets import BudgetRecord
from schema.keys import KeyFacts, KeyGenerated, KeyRecord


async def generated(key: str, record: KeyRecord, ctx: GovernanceContext) -> KeyGenerated:
    """A key that was made, with the key itself, which is told this once."""
    budget = await budget_of(record, ctx)
    return KeyGenerated(
        **msgspec.structs.asdict(record), key=key, token_id=record.token, litellm_budget_table=budget
    )


async def facts_of(record: KeyRecord, ctx: GovernanceContext) -> KeyFacts:
    """A key's row as answers show it."""
    budget = await budget_of(record, ctx)
    status = status_of(record, ctx.call.received_at)
    return KeyFacts(**msgspec.structs.asdict(record), status=status, litellm_budget_table=budget)


async def budget_of(record: KeyRecord, ctx: GovernanceContext) -> BudgetRecord | None:
    """The budget that a key names. Whoever may see the key may see the budget."""
    return None if record.budget_id is None else await ctx.keys.budget(record.budget_id)


def status_of(record: KeyRecord, now: datetime) -> str:
    """`active`, `blocked` or `expired`."""
    if record.expires is not None and record.expires <= now:
        return "expired"
    return "blocked" if record.blocked else "active"
