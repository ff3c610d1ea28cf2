"""Rows for customers that calls name and that nobody entered, as LiteLLM makes them."""

from collections.abc import Collection, Sequence

import asyncpg

from runtime.limits.rules import Level
from schema.fields import MAX_NAME_CHARS
from schema.ledger.rows import Outcome, SpendRow

MOST_A_DAY = 10_000
"""How many customers the calls of one key may enter in a day (UTC): a caller may name anybody."""
AT_ONCE = 100
"""How many rows one statement makes. More changes at once would tell the workers to forget everything."""
LOCK = 0x4355
"""The number of an advisory lock, "CU": one transaction at a time makes such rows. So no row appears after
another transaction has locked the customers that it will charge."""

_KNOWN = 'SELECT user_id FROM "LiteLLM_EndUserTable" WHERE user_id = ANY ($1::text[])'
_ACCOUNTS = 'SELECT 1 FROM "Switchgear_Account" WHERE account = ANY ($1::text[]) ORDER BY account FOR UPDATE'
_ENTER = "SELECT switchgear_enter_customers($1::text[], $2::text[], $3::text[], $4::boolean[], $5)"


async def enter_strangers(
    connection: asyncpg.Connection, rows: Sequence[SpendRow], charged: Collection[str]
) -> None:
    """Make a row for each customer of these rows that has none. `charged` are the accounts that the
    transaction under way will charge. This runs before accounts and counters are charged."""
    keys: dict[str, str] = {}
    for row in rows:
        customer = row.end_user
        if customer and row.outcome is not Outcome.REFUSED and _can_be_entered(customer):
            keys.setdefault(customer, row.key_hash)
    if not keys or not await _unknown(connection, keys):
        return
    await connection.execute(_ACCOUNTS, sorted(charged))
    await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
    strangers = sorted(await _unknown(connection, keys))
    for start in range(0, len(strangers), AT_ONCE):
        some = strangers[start : start + AT_ONCE]
        accounts = [_account_of(each) for each in some]
        made_by = [keys[each] for each in some]
        await connection.execute(
            _ENTER, some, made_by, accounts, [account in charged for account in accounts], MOST_A_DAY
        )


async def _unknown(connection: asyncpg.Connection, customers: Collection[str]) -> set[str]:
    known = await connection.fetch(_KNOWN, list(customers))
    return set(customers) - {found["user_id"] for found in known}


def _account_of(customer: str) -> str:
    return f"money:{Level(kind='customer', who='', subject='', id=customer).account}"


def _can_be_entered(customer: str) -> bool:
    """Whether an id is one that `/customer/new` takes too."""
    return len(customer) <= MAX_NAME_CHARS and customer.isprintable()
