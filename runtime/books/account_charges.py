"""What a batch of spend rows takes out of the accounts of budgets, and which thresholds it crosses there."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal

import asyncpg
import msgspec

from runtime.books.crossings import LEAST, OWN, Crossed, CustomerBudget, crossings, holder_of, named
from schema.ledger.rows import Charge
from schema.money import usd

_CHARGE = """
    WITH customers AS (SELECT (SELECT soft_budget FROM "LiteLLM_BudgetTable" WHERE budget_id = $6) AS soft)
    SELECT c.name, c.unbooked, c.booked, c.spent, c.ceiling, c.window_start, customers.soft AS strangers_soft
    FROM switchgear_charge_accounts($1::text[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[]) AS c,
        customers
    WHERE c.unbooked > 0 OR c.spent >= c.ceiling * $7::numeric
        OR (customers.soft IS NOT NULL AND c.name LIKE $8)
"""
_WINDOWS = """SELECT account, window_start FROM "Switchgear_Account"
    WHERE account = ANY ($1) AND window_start IS NOT NULL"""


class AccountStanding(msgspec.Struct, frozen=True, kw_only=True):
    """How an account stands after a batch was charged to it, in nano-USD."""

    account: str
    holder: tuple[str, str, str]
    """Kind, id and part of the row that the money stands in; an empty kind where it stands in the account."""
    unbooked: int
    """What must not be added to that row."""
    booked: int
    """What was spent in the window under way."""
    spent: int | None
    """All that was, where it stands in the account."""
    ceiling: int | None
    """The limit that the account was leased under last."""
    since: datetime | None
    """When its window began."""
    strangers_soft: Decimal | None
    """The `soft_budget` of customers that nobody entered, in dollars."""


async def charge_accounts(
    connection: asyncpg.Connection, charges: Sequence[Charge], customer_budget: CustomerBudget
) -> list[AccountStanding]:
    """Take the charges out of the leases. Gives how those accounts stand that may have crossed a threshold,
    or whose rows must not be charged all of it."""
    together: dict[tuple[str, int, str], list[int]] = {}
    holders: dict[str, tuple[str, str, str]] = {}
    for charge in charges:
        amounts = together.setdefault((charge.account, charge.epoch, charge.worker), [0, 0])
        amounts[0] += charge.taken_nano
        amounts[1] += charge.cost_nano
        holders[charge.account] = (charge.kind, charge.object_id, charge.part)
    if not together:
        return []
    ordered = sorted(together)
    rows = await connection.fetch(
        _CHARGE,
        [account for account, _, _ in ordered],
        [epoch for _, epoch, _ in ordered],
        [worker for _, _, worker in ordered],
        [together[each][0] for each in ordered],
        [together[each][1] for each in ordered],
        customer_budget.budget_id,
        LEAST,
        f"money:customer{OWN}:%",
    )
    return [
        AccountStanding(
            account=row["name"],
            holder=holders[row["name"]],
            unbooked=row["unbooked"],
            booked=row["booked"],
            spent=row["spent"],
            ceiling=row["ceiling"],
            since=row["window_start"],
            strangers_soft=row["strangers_soft"],
        )
        for row in rows
    ]


def crossed_in(standing: AccountStanding) -> Iterator[Crossed]:
    """The thresholds that a budget crossed whose money stands in its account."""
    spent, ceiling = standing.spent, standing.ceiling
    if spent is None or ceiling is None:
        return
    budget = named(standing.account)
    yield from crossings(
        budget,
        before=usd(spent - standing.booked),
        after=usd(spent),
        soft=standing.strangers_soft if budget.is_main and not budget.has_row else None,
        limit=usd(ceiling),
        since=standing.since,
    )


async def with_windows(
    connection: asyncpg.Connection, crossed: Sequence[Crossed], charges: Sequence[Charge]
) -> list[Crossed]:
    """Budgets whose money stands in a row, with when the window of each began: what is crossed in the next
    window is something new."""
    holders = {each.account: holder_of(each.kind, each.object_id, each.part) for each in charges if each.kind}
    rows = await connection.fetch(_WINDOWS, list(holders))
    began = {holders[row["account"]]: row["window_start"] for row in rows}
    return [msgspec.structs.replace(each, since=began.get(each.budget.object)) for each in crossed]
