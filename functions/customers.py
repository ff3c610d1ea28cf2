"""Customers: the end users that requests name. Make, change, show, list, block, delete."""

import msgspec

from functions.context import CustomerContext
from functions.function import function
from functions.roles import Access
from schema.budgets import BudgetRecord
from schema.customers import (
    CustomerInfo,
    CustomerListQuery,
    CustomerQuery,
    CustomerRecord,
    CustomerRequest,
    CustomersBlocked,
    CustomersDeleted,
    CustomersRequest,
)
from schema.errors import InvalidRequest, NotFound
from schema.governance import UNSET, dollars, limit_changes, refuse_undeclared, text, texts

MAX_PAGE = 1_000
MAX_AT_ONCE = 500
NO_SUCH = "There is no such customer."


@function("POST", "/customer/new", aliases=("/end_user/new",), access=Access.CUSTOMERS_WRITE)
async def new(request: CustomerRequest, ctx: CustomerContext) -> CustomerInfo:
    """Enter a customer, with a budget's id or limits of its own."""
    refuse_undeclared(request)
    changes = _changes(request)
    user_id = text(request.user_id, param="user_id")
    limits = _limits(request, ctx)
    if limits is not None:
        budget = msgspec.structs.replace(BudgetRecord(budget_id=ctx.entropy.id()), **limits)
        changes["budget_id"] = (await ctx.budgets.add(budget, call=ctx.call)).budget_id
    record = msgspec.structs.replace(CustomerRecord(user_id=user_id), **changes)
    return await _shown(await ctx.customers.add(record, call=ctx.call), ctx)


@function("POST", "/customer/update", aliases=("/end_user/update",), access=Access.CUSTOMERS_WRITE)
async def update(request: CustomerRequest, ctx: CustomerContext) -> CustomerInfo:
    """Change a customer: what is absent stays, null clears."""
    refuse_undeclared(request)
    changes = _changes(request)
    limits = _limits(request, ctx)
    if limits is not None:
        before = _there(await ctx.customers.find(request.user_id, call=ctx.call))
        changed = before.budget_id and await ctx.budgets.change(before.budget_id, limits, call=ctx.call)
        if not changed:
            budget = msgspec.structs.replace(BudgetRecord(budget_id=ctx.entropy.id()), **limits)
            changes["budget_id"] = (await ctx.budgets.add(budget, call=ctx.call)).budget_id
    return await _shown(_there(await ctx.customers.change(request.user_id, changes, call=ctx.call)), ctx)


@function("POST", "/customer/block", aliases=("/end_user/block",), access=Access.CUSTOMERS_WRITE)
async def block(request: CustomersRequest, ctx: CustomerContext) -> CustomersBlocked:
    """Refuse calls that name these customers; who is not there is entered, blocked."""
    return CustomersBlocked(blocked_users=await _set_blocked(request, ctx, blocked=True))


@function("POST", "/customer/unblock", aliases=("/end_user/unblock",), access=Access.CUSTOMERS_WRITE)
async def unblock(request: CustomersRequest, ctx: CustomerContext) -> CustomersBlocked:
    """Let calls that name these customers in again."""
    await _set_blocked(request, ctx, blocked=False)
    return CustomersBlocked(blocked_users=[])


async def _set_blocked(
    request: CustomersRequest, ctx: CustomerContext, *, blocked: bool
) -> list[CustomerRecord]:
    refuse_undeclared(request)
    records = []
    for user_id in _ids(request):
        record = await ctx.customers.change(user_id, {"blocked": blocked}, call=ctx.call)
        if record is None and blocked:
            record = await ctx.customers.add(CustomerRecord(user_id=user_id, blocked=True), call=ctx.call)
        records.append(_there(record))
    return records


@function("POST", "/customer/delete", aliases=("/end_user/delete",), access=Access.CUSTOMERS_WRITE)
async def delete(request: CustomersRequest, ctx: CustomerContext) -> CustomersDeleted:
    """Delete customers. What they spent stays in the logs."""
    refuse_undeclared(request)
    gone = await ctx.customers.remove(_ids(request), call=ctx.call)
    if not gone:
        raise NotFound(NO_SUCH, param="user_ids")
    names = ", ".join(record.user_id for record in gone)
    return CustomersDeleted(deleted_customers=len(gone), message=f"Deleted {names}.")


@function("GET", "/customer/info", aliases=("/end_user/info",), access=Access.CUSTOMERS_READ)
async def info(request: CustomerQuery, ctx: CustomerContext) -> CustomerInfo:
    """Show a customer with its budget."""
    return await _shown(_there(await ctx.customers.find(request.end_user_id, call=ctx.call)), ctx)


@function("GET", "/customer/list", aliases=("/end_user/list",), access=Access.CUSTOMERS_READ)
async def list_customers(request: CustomerListQuery, ctx: CustomerContext) -> list[CustomerRecord]:
    """List customers, newest first."""
    if not 1 <= request.page_size <= MAX_PAGE or not 1 <= request.page <= 1_000_000:
        raise InvalidRequest(f"page_size: expected 1 to {MAX_PAGE}, page: 1 or more.", param="page_size")
    page = await ctx.customers.page({}, call=ctx.call, page=request.page, size=request.page_size)
    return page.records


def _changes(request: CustomerRequest) -> dict[str, object]:
    changes: dict[str, object] = {}
    for name in ("alias", "budget_id"):
        value = getattr(request, name)
        if value is not UNSET:
            changes[name] = text(value, param=name) if value else None
    if request.models is not UNSET:
        changes["models"] = texts(request.models or [], param="models")
    if request.blocked is not UNSET:
        changes["blocked"] = bool(request.blocked)
    if request.spend is not UNSET and request.spend is not None:
        changes["spend"] = dollars(request.spend, param="spend")
    return changes


def _limits(request: CustomerRequest, ctx: CustomerContext) -> dict[str, object] | None:
    """Limits of the customer's own, where the body gives any."""
    limits = limit_changes(request, ctx.clock.now(), ctx.policy.zone)
    if limits and request.budget_id:
        raise InvalidRequest("budget_id: name a budget or give limits, not both.", param="budget_id")
    return limits or None


def _ids(request: CustomersRequest) -> list[str]:
    if not 1 <= len(request.user_ids) <= MAX_AT_ONCE:
        raise InvalidRequest(f"user_ids: expected 1 to {MAX_AT_ONCE}.", param="user_ids")
    return texts(request.user_ids, param="user_ids")


async def _shown(record: CustomerRecord, ctx: CustomerContext) -> CustomerInfo:
    budget = None
    if record.budget_id is not None:
        budget = await ctx.budgets.find(record.budget_id, call=ctx.call)
    return CustomerInfo(**msgspec.structs.asdict(record), litellm_budget_table=budget)


def _there(record: CustomerRecord | None) -> CustomerRecord:
    if record is None:
        raise NotFound(NO_SUCH, param="user_id")
    return record
