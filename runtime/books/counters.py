"""The counters, one for each kind of holder, and the SQL that changes them."""

from typing import NamedTuple

import asyncpg
import msgspec

from schema.money import usd

CounterId = tuple[str, str, str]
"""Kind, id and part of a holder: `("member", "platform", "ann")` is the user `ann` in the team `platform`."""
CounterSums = dict[tuple[str, str], tuple[int, int]]
"""What to add, in nano-USD, by a holder's id and part: to the sum of the window, and to the sum of all
time."""

_ADDED = "unnest($1::text[], $2::text[], $3::numeric[], $4::numeric[]) AS added(id, part, now, ever)"


class Counter(msgspec.Struct, frozen=True, kw_only=True):
    """The column `spend` of one table, which sums up what a holder spent. The other fields say where the
    table and the holder's budgets are found, as SQL."""

    kind: str
    """The kind of holder: `team`."""
    table: str
    id: str
    """The column with the holder's id."""
    part: str | None = None
    """The second column of the table's key, where the key has two."""
    also: str = ""
    """A further column that counts the same and is never reset, such as `total_spend`."""
    soft: str = "charged.soft_budget"
    """The SQL of the holder's `soft_budget`."""
    most: str = "charged.max_budget"
    """The SQL of the holder's `max_budget`."""
    increase: str = "charged.metadata ->> 'temp_budget_increase'"
    """The SQL of the temporary increase of `max_budget`, a text in dollars."""
    expiry: str = "charged.metadata ->> 'temp_budget_expiry'"
    """The SQL of the time until which the increase is in force, a text."""

    @property
    def _matches(self) -> str:
        part = "" if self.part is None else f" AND charged.{self.part} = added.part"
        return f"charged.{self.id} = added.id{part}"

    @property
    def lock(self) -> str:
        """The SQL that locks rows in the order of their ids. So two writers wait for each other, and no
        deadlock arises."""
        order = self.id if self.part is None else f"{self.id}, {self.part}"
        return (
            f'SELECT 1 FROM "{self.table}" charged JOIN unnest($1::text[], $2::text[]) AS added(id, part)'
            f" ON {self._matches} ORDER BY {order} FOR NO KEY UPDATE OF charged"
        )

    def update(self, change: str, beside: str = "") -> str:
        """The SQL that changes the rows by the arrays $1 to $4 (id, part, sum of the window, sum of all
        time). `change` says how, such as `{} + {}`. `beside` is what else the statement selects from."""
        amounts = [("spend", "added.now"), *([(self.also, "added.ever")] if self.also else [])]
        sets = ", ".join(f"{column} = {change.format(column, amount)}" for column, amount in amounts)
        return f'UPDATE "{self.table}" AS charged SET {sets} FROM {_ADDED}{beside} WHERE {self._matches}'


_SHARED_SOFT = '(SELECT b.soft_budget FROM "LiteLLM_BudgetTable" b WHERE b.budget_id = charged.budget_id)'
_SHARED = '(SELECT b.max_budget FROM "LiteLLM_BudgetTable" b WHERE b.budget_id = charged.budget_id)'
_OF_MEMBER = """(SELECT b.{} FROM "LiteLLM_BudgetTable" b WHERE b.budget_id = coalesce(charged.budget_id,
    (SELECT t.member_budget_id FROM "LiteLLM_TeamTable" t WHERE t.team_id = charged.team_id)))"""
_OF_CUSTOMER = """(SELECT {} FROM (SELECT) one LEFT JOIN "LiteLLM_BudgetTable" b
    ON b.budget_id = coalesce(charged.budget_id, others.budget_id))"""
_NONE = "NULL::text"
COUNTERS: tuple[Counter, ...] = (
    Counter(
        kind="organization",
        table="LiteLLM_OrganizationTable",
        id="organization_id",
        soft=_SHARED_SOFT,
        most=_SHARED,
    ),
    Counter(
        kind="project",
        table="LiteLLM_ProjectTable",
        id="project_id",
        soft=_SHARED_SOFT,
        most=_SHARED,
    ),
    Counter(kind="team", table="LiteLLM_TeamTable", id="team_id"),
    Counter(kind="user", table="LiteLLM_UserTable", id="user_id"),
    Counter(
        kind="member",
        table="LiteLLM_TeamMembership",
        id="team_id",
        part="user_id",
        also="total_spend",
        soft=_OF_MEMBER.format("soft_budget"),
        most=_OF_MEMBER.format("max_budget"),
        increase=_NONE,
        expiry=_NONE,
    ),
    Counter(
        kind="key",
        table="LiteLLM_VerificationToken",
        id="key_id",
        soft=f"coalesce(charged.soft_budget, {_SHARED_SOFT})",
        most=f"coalesce(charged.max_budget, {_SHARED})",
    ),
    Counter(
        kind="customer",
        table="LiteLLM_EndUserTable",
        id="user_id",
        soft=_OF_CUSTOMER.format("b.soft_budget"),
        most=_OF_CUSTOMER.format(
            "CASE WHEN b.budget_id IS NULL THEN others.max_budget ELSE b.max_budget END"
        ),
        increase=_NONE,
        expiry=_NONE,
    ),
    Counter(
        kind="tag",
        table="LiteLLM_TagTable",
        id="tag_name",
        soft=_SHARED_SOFT,
        most=_SHARED,
        increase=_NONE,
        expiry=_NONE,
    ),
)
"""The counters, in the order in which every writer locks them."""


class OwnersOfRow(NamedTuple):
    """To whom a row of the ledger belongs."""

    organization: str | None = None
    team: str | None = None
    user: str | None = None
    key: str | None = None
    customer: str | None = None
    project: str | None = None
    tags: tuple[str, ...] = ()


def owners_of(row: OwnersOfRow) -> list[CounterId]:
    """The counters to which the cost of a row is added. A tag that nobody entered has none."""
    owners: list[CounterId] = [("key", row.key, "")] if row.key else []
    if row.organization:
        owners.append(("organization", row.organization, ""))
    if row.project:
        owners.append(("project", row.project, ""))
    if row.team:
        owners.append(("team", row.team, ""))
        if row.user:
            owners.append(("member", row.team, row.user))
    if row.user:
        owners.append(("user", row.user, ""))
    if row.customer:
        owners.append(("customer", row.customer, ""))
    owners += [("tag", tag, "") for tag in dict.fromkeys(row.tags)]
    return owners


async def add_to(
    connection: asyncpg.Connection,
    counter: Counter,
    sums: CounterSums,
    sql: str,
    *others: object,
) -> list[asyncpg.Record]:
    """Lock the rows of a counter and change them with `sql`, which `counter.update` made."""
    keys = sorted(key for key, (window, ever) in sums.items() if window or (counter.also and ever))
    ids, parts = [id for id, _ in keys], [part for _, part in keys]
    await connection.execute(counter.lock, ids, parts)
    now, ever = [usd(sums[key][0]) for key in keys], [usd(sums[key][1]) for key in keys]
    rows: list[asyncpg.Record] = await connection.fetch(sql, ids, parts, now, ever, *others)
    return rows
