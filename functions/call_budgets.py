"""The budgets over one call of the log, before the call and with it."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from urllib.parse import unquote

import msgspec

from functions.contract.call import Call, Caller
from functions.contract.function import function
from functions.contract.roles import Access, Reach
from functions.ports.context import CallBudgetContext
from functions.ports.governance import InForceNow
from schema.call_budgets import BalanceBefore, BudgetOwner, CallBudget, CallBudgets, CallBudgetsQuery
from schema.errors.base import GatewayError
from schema.errors.rows import NotFound
from schema.ledger.rows import SpendRow
from schema.limits import Rule
from schema.money import usd
from schema.spend import SpendQuery
from schema.window import window

MAX_ALIKE = 100
"""How many rows of one answer's id are looked at: providers choose the ids. The row's own id goes first."""
MAX_BUDGETS = 30
"""The most budgets of one call that are told."""
NOBODY = "The key is gone, and so is who called: their budgets are not known."
MOVED = "The key has moved since: the budgets of whom it belonged to then are not told."
REFUSED = "The budgets of the customer and the tags are not known"


@function("GET", "/spend/logs/ui/{request_id}/budgets", access=Access.SPEND_READ)
async def show(request: CallBudgetsQuery, ctx: CallBudgetContext) -> CallBudgets:
    """Tell, for each budget over a call, what was spent in its window by the calls that began before it, and
    the same with the call. The sums are those of the ledger's rows as they are now."""
    query = SpendQuery(request_id=request.request_id, limit=MAX_ALIKE)
    rows = await ctx.spend.rows(query, scope=ctx.call.scope)
    if not rows:
        raise NotFound("There is no such call in the log.", param="request_id")
    row = next((row for row in rows if row.request_id == request.request_id), rows[0])
    rules, unknown = await _rules_over(row, ctx)
    seen = await _seen(row, ctx)
    shown = [rule for rule in rules if seen(rule)][:MAX_BUDGETS]
    return CallBudgets(
        request_id=row.request_id,
        spend=usd(row.cost_nano),
        budgets=await _told(shown, row, ctx),
        hidden=len(rules) - len(shown),
        unknown=unknown,
    )


async def _rules_over(row: SpendRow, ctx: CallBudgetContext) -> tuple[list[Rule], str | None]:
    """The budgets over the row's call that there are now, and why some of them are not known."""
    in_force = await ctx.authorities.of_key(row.key_hash)
    if in_force.caller is None and row.user_id:
        in_force = await ctx.authorities.of_user(row.user_id, row.team_id)
    call = _call_of(row, in_force, ctx.call)
    unknown = None if in_force.caller is not None else NOBODY
    try:
        found = await ctx.quotes.budgets(call, row.model_group)
    except GatewayError as error:  # the customer is blocked, or may not use the model any more
        alone = msgspec.structs.replace(call, customer=None, tags=(), agent_tags=())
        unknown = unknown or f"{REFUSED}: {error.message}"
        found = await ctx.quotes.budgets(alone, row.model_group)
    same_team = (call.caller.team_id or None) == (row.team_id or None)
    rules = [rule for rule in found if _is_of(row, owner_of(rule), same_team=same_team)]
    return rules, unknown or (MOVED if len(rules) < len(found) else None)


def _call_of(row: SpendRow, in_force: InForceNow, call: Call) -> Call:
    """A call like the one that the row is of."""
    caller = in_force.caller or Caller(role=call.caller.role, key_hash=row.key_hash)
    return msgspec.structs.replace(call, caller=caller, customer=row.end_user, tags=row.tags, agent_tags=())


async def _seen(row: SpendRow, ctx: CallBudgetContext) -> Callable[[Rule], bool]:
    """Which budgets the caller may see: all of them where the caller sees all rows, else those of the keys,
    users, teams and organizations that it reaches."""
    call = ctx.call
    if call.scope.everything:
        return lambda rule: True
    kinds = set()
    if await ctx.keys.find(row.key_hash, call=call) is not None:
        kinds.add("key")
    if row.user_id and await ctx.users.find(row.user_id, call=call) is not None:
        kinds.add("user")
    if row.team_id and await ctx.teams.find(row.team_id, call=call) is not None:
        kinds.add("team")
    if {"user", "team"} <= kinds:
        kinds.add("member")
    if Reach.ORGANIZATION in call.scope.reaches and row.organization_id in call.scope.organizations:
        kinds.add("organization")
    return lambda rule: owner_of(rule).kind in kinds


def _is_of(row: SpendRow, owner: BudgetOwner, *, same_team: bool) -> bool:
    """Whether the row's call was the owner's. A key's owners now may be others than those of the call. A row
    does not name its project; a project belongs to one team."""
    match owner.kind:
        case "user":
            return owner.id == row.user_id
        case "team":
            return owner.id == row.team_id
        case "member":
            return (owner.id, owner.part) == (row.team_id, row.user_id)
        case "organization":
            return owner.id == row.organization_id
        case "project":
            return same_team
    return True  # the key, the customer and the tags are the row's


def owner_of(rule: Rule) -> BudgetOwner:
    """Whose calls a budget counts, from its account's name: `money:team:red`, `money:member:red:ann`,
    `money:key:ab12:window:1d`, `money:user:ann:model:gpt-4`."""
    _, kind, *parts = rule.account.split(":")
    ids = parts[: _IDS.get(kind, 0)]
    id, part = (*map(unquote, ids), "", "")[:2]
    return BudgetOwner(kind=kind, id=id, part=part, model=rule.model)


_IDS: Mapping[str, int] = MappingProxyType(
    {"key": 1, "user": 1, "team": 1, "organization": 1, "customer": 1, "tag": 1, "project": 1, "member": 2}
)
"""How many ids the owner of each kind has in an account's name."""


async def _told(rules: Sequence[Rule], row: SpendRow, ctx: CallBudgetContext) -> list[CallBudget]:
    windows = [_window_of(rule, row, ctx) for rule in rules]
    wanted = [(owner_of(rule), begun) for rule, (begun, _) in zip(rules, windows, strict=True)]
    found = await ctx.balances.before(row, wanted)
    now = ctx.call.received_at.timestamp()
    return [_budget(*each, row, now) for each in zip(rules, windows, found, strict=True)]


def _window_of(rule: Rule, row: SpendRow, ctx: CallBudgetContext) -> tuple[datetime | None, datetime | None]:
    return (None, None) if rule.duration is None else window(row.started_at, rule.duration, ctx.policy.zone)


def _budget(
    rule: Rule,
    of_window: tuple[datetime | None, datetime | None],
    found: BalanceBefore,
    row: SpendRow,
    now: float,
) -> CallBudget:
    begun, ended = of_window
    return CallBudget(
        of=rule.who,
        subject=rule.subject,
        max_budget=usd(rule.limit_at(now)),
        duration=rule.duration,
        model=rule.model,
        window_start=begun,
        window_end=ended,
        before=found.spent,
        after=_with(found.spent, row),
        at_least=found.at_least,
        untold=found.untold,
    )


def _with(before: Decimal | None, row: SpendRow) -> Decimal | None:
    return None if before is None else before + usd(row.cost_nano)
