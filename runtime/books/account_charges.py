"""A batch of spend rows is charged to the accounts of budgets. The charges show which thresholds were
crossed."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal

import asyncpg
import msgspec

from runtime.books.crossings import CUSTOMERS, LEAST, Crossed, CustomerBudget, crossings, holder_of, named
from schema.ledger.rows import Charge
from schema.money import usd

_CHARGE = """
    WITH customers AS (SELECT (SELECT soft_budget FROM "LiteLLM_BudgetTable" WHERE budget_id = $6) AS soft)
    SELECT c.name, c.unbooked, c.booked, c.spent, c.ceiling, c.window_start, customers.soft AS strangers_soft,
        a.kind, a.object_id, a.part
    FROM switchgear_charge_accounts($1::text[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[]) AS c
        CROSS JOIN customers LEFT JOIN "Switchgear_Account" a ON a.account = c.name
    WHERE c.unbooked > 0 OR c.spent >= c.ceiling * $7::numeric
        OR (customers.soft IS NOT NULL AND c.name LIKE $8)
"""
_WINDOWS = """SELECT account, window_start FROM "Switchgear_Account"
    WHERE account = ANY ($1) AND window_start IS NOT NULL"""


FORMER_CUSTOMERS = "money:customer-default:"


class AccountStanding(msgspec.Struct, frozen=True, kw_only=True):
    """How an account stands after a batch was charged to it, in nano-USD."""

    account: str
    holder: tuple[str, str, str]
    """Kind, id and part of the holder whose row says how much money was spent, such as `("team", "platform",
    "")`. The kind is empty where the account itself says it."""
    unbooked: int
    """The part of the batch's cost that must not be added to the holder's row: its window is over, or it was
    charged when a lease was written off."""
    booked: int
    """The part of the batch's cost that counts in the window under way."""
    spent: int | None
    """The money spent in the window. None where the holder's row says it."""
    ceiling: int | None
    """The limit under which the account was leased from last."""
    since: datetime | None
    """When the account's window began. None where the account has no window."""
    strangers_soft: Decimal | None
    """The `soft_budget`, in dollars, of customers that have no row."""


async def charge_accounts(
    connection: asyncpg.Connection, charges: Sequence[Charge], customer_budget: CustomerBudget
) -> list[AccountStanding]:
    """Take the charges out of the leases. Gives the standing of two kinds of accounts: accounts that may have
    crossed a threshold, and accounts with a holder that must not be charged the whole cost."""
    together: dict[tuple[str, int, str], list[int]] = {}
    holders: dict[str, tuple[str, str, str]] = {}
    for charge in charges:
        account = now_called(charge.account)
        amounts = together.setdefault((account, charge.epoch, charge.worker), [0, 0])
        amounts[0] += charge.taken_nano
        amounts[1] += charge.cost_nano
        holders[account] = (charge.kind, charge.object_id, charge.part)
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
        f"{CUSTOMERS}%",
    )
    return [
        AccountStanding(
            account=row["name"],
            holder=_holder(row) or holders[row["name"]],
            unbooked=row["unbooked"],
            booked=row["booked"],
            spent=row["spent"],
            ceiling=row["ceiling"],
            since=row["window_start"],
            strangers_soft=row["strangers_soft"],
        )
        for row in rows
    ]


def _holder(row: asyncpg.Record) -> tuple[str, str, str] | None:
    """The holder that the account has now. Where the holder's row was made since the call was held, the
    account had none then. None: the account is gone."""
    return None if row["kind"] is None else (row["kind"], row["object_id"], row["part"])


def now_called(account: str) -> str:
    """The present name of an account. Journals of earlier versions have another name for the budget of a
    customer without a row."""
    if account.startswith(FORMER_CUSTOMERS):
        return CUSTOMERS + account.removeprefix(FORMER_CUSTOMERS)
    return account


def crossed_in(standing: AccountStanding) -> Iterator[Crossed]:
    """The thresholds that a budget crossed with this batch. Nothing where the holder's row says how much was
    spent."""
    spent, ceiling = standing.spent, standing.ceiling
    if spent is None or ceiling is None:
        return
    budget, is_customers = named(standing.account), standing.account.startswith(CUSTOMERS)
    yield from crossings(
        budget,
        before=usd(spent - standing.booked),
        after=usd(spent),
        soft=standing.strangers_soft if budget.is_main and is_customers else None,
        limit=usd(ceiling),
        since=standing.since,
    )


async def with_windows(
    connection: asyncpg.Connection, crossed: Sequence[Crossed], charges: Sequence[Charge]
) -> list[Crossed]:
    """Add to each crossed budget when its window began, for budgets whose holder's row says how much was
    spent. A crossing in the next window is then a new alert."""
    holders = {}
    for each in charges:
        account = now_called(each.account)
        if each.kind:
            holders[account] = holder_of(each.kind, each.object_id, each.part)
        elif account.startswith(CUSTOMERS) and named(account).is_main:
            holders[account] = named(account).holder
    rows = await connection.fetch(_WINDOWS, list(holders))
    began = {holders[row["account"]]: row["window_start"] for row in rows}
    return [msgspec.structs.replace(each, since=began.get(each.budget.object)) for each in crossed]
