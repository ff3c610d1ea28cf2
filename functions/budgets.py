"""Budgets with an id, which keys, members, organizations and customers may share."""

import msgspec

from functions.contract.function import function
from functions.contract.roles import Access
from functions.ports.context import GovernanceContext
from schema.budgets import (
    BudgetDeleteRequest,
    BudgetInfoRequest,
    BudgetListQuery,
    BudgetNewRequest,
    BudgetRecord,
    BudgetSetting,
    BudgetSettingsQuery,
    BudgetUpdateRequest,
)
from schema.errors.requests import InvalidRequest
from schema.errors.rows import NotFound
from schema.fields import limit_changes, text, texts
from schema.undeclared import refuse_undeclared
from schema.wire import to_json

MAX_LISTED = 1_000
SETTINGS = (
    ("max_budget", "Float", "What may be spent in each window, in dollars."),
    ("soft_budget", "Float", "Where an alert is raised, in dollars."),
    ("budget_duration", "String", "The window: 1d, 7d, 30d, 1mo ...; empty: it never resets."),
    ("tpm_limit", "Integer", "Tokens a minute."),
    ("rpm_limit", "Integer", "Calls a minute."),
    ("tpd_limit", "Integer", "Tokens a day."),
    ("max_parallel_requests", "Integer", "Calls at once."),
)


@function("POST", "/budget/new", access=Access.BUDGETS_WRITE, echoes=True)
async def new(request: BudgetNewRequest, ctx: GovernanceContext) -> BudgetRecord:
    """Make a budget."""
    refuse_undeclared(request)
    budget_id = ctx.entropy.id() if request.budget_id is None else text(request.budget_id, param="budget_id")
    limits = limit_changes(request, ctx.call.received_at, ctx.policy.zone)
    record = msgspec.structs.replace(BudgetRecord(budget_id=budget_id), **limits)
    return await ctx.budgets.add(record, call=ctx.call)


@function("POST", "/budget/update", access=Access.BUDGETS_WRITE, echoes=True)
async def update(request: BudgetUpdateRequest, ctx: GovernanceContext) -> BudgetRecord:
    """Change a budget. A field that is absent stays as it is, and null clears it."""
    refuse_undeclared(request)
    limits = limit_changes(request, ctx.call.received_at, ctx.policy.zone)
    record = await ctx.budgets.change(request.budget_id, limits, call=ctx.call)
    if record is None:
        raise NotFound("There is no such budget.", param="budget_id")
    return record


@function("POST", "/budget/info", access=Access.BUDGETS_READ)
async def info(request: BudgetInfoRequest, ctx: GovernanceContext) -> list[BudgetRecord]:
    """Show the budgets that are named."""
    refuse_undeclared(request)
    if not request.budgets:
        raise InvalidRequest("budgets: name at least one budget.", param="budgets")
    return await ctx.budgets.some(texts(request.budgets, param="budgets"), call=ctx.call)


@function("GET", "/budget/list", access=Access.BUDGETS_READ)
async def list_budgets(request: BudgetListQuery, ctx: GovernanceContext) -> list[BudgetRecord]:
    """List budgets, newest first."""
    page = await ctx.budgets.page({}, call=ctx.call, size=MAX_LISTED)
    return page.records


@function("GET", "/budget/settings", access=Access.BUDGETS_READ)
async def settings(request: BudgetSettingsQuery, ctx: GovernanceContext) -> list[BudgetSetting]:
    """Show a budget field by field, with the meaning of each field."""
    record = await ctx.budgets.find(request.budget_id, call=ctx.call)
    if record is None:
        raise NotFound("There is no such budget.", param="budget_id")
    return [
        BudgetSetting(
            field_name=name,
            field_type=kind,
            field_description=description,
            field_value=msgspec.Raw(to_json(getattr(record, name))),
            stored_in_db=getattr(record, name) is not None,
        )
        for name, kind, description in SETTINGS
    ]


@function("POST", "/budget/delete", access=Access.BUDGETS_WRITE)
async def delete(request: BudgetDeleteRequest, ctx: GovernanceContext) -> BudgetRecord:
    """Delete a budget that nothing uses any more."""
    refuse_undeclared(request)
    gone = await ctx.budgets.remove([request.id], call=ctx.call)
    if not gone:
        raise NotFound("There is no such budget.", param="id")
    return gone[0]
