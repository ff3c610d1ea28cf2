"""Customers: the end users that requests name. Make, change, show, list, block, delete."""

import msgspec

from functions.contract.function import function
from functions.contract.roles import Access
from functions.ports.context import CustomerContext
from functions.rules.pages import check_page
from functions.rules.row_changes import flag_changes, list_changes, own_limits, text_changes
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
from schema.errors.requests import InvalidRequest
from schema.errors.rows import NotFound
from schema.fields import UNSET, dollars, text, texts
from schema.undeclared import refuse_undeclared

MAX_PAGE = 1_000
MAX_AT_ONCE = 500
NO_SUCH = "There is no such customer."


@function("POST", "/customer/new", aliases=("/end_user/new",), access=Access.CUSTOMERS_WRITE, echoes=True)
async def new(request: CustomerRequest, ctx: CustomerContext) -> CustomerInfo:
    """Make a customer, with limits of its own or with the id of a budget."""
    refuse_undeclared(request)
    record = CustomerRecord(user_id=text(request.user_id, param="user_id"))
    record = msgspec.structs.replace(record, **_changes(request))
    return await ctx.customers.add_with(record, _limits(request, ctx), call=ctx.call)


@function(
    "POST", "/customer/update", aliases=("/end_user/update",), access=Access.CUSTOMERS_WRITE, echoes=True
)
async def update(request: CustomerRequest, ctx: CustomerContext) -> CustomerInfo:
    """Change a customer. A field that is absent stays as it is, and null clears it."""
    refuse_undeclared(request)
    changed = await ctx.customers.change_with(
        request.user_id, _changes(request), _limits(request, ctx), call=ctx.call
    )
    return _there(changed)


@function("POST", "/customer/block", aliases=("/end_user/block",), access=Access.CUSTOMERS_WRITE)
async def block(request: CustomersRequest, ctx: CustomerContext) -> CustomersBlocked:
    """Refuse calls that name these customers. A customer that does not exist yet is made, and is blocked."""
    refuse_undeclared(request)
    return CustomersBlocked(blocked_users=await ctx.customers.block(_ids(request), call=ctx.call))


@function("POST", "/customer/unblock", aliases=("/end_user/unblock",), access=Access.CUSTOMERS_WRITE)
async def unblock(request: CustomersRequest, ctx: CustomerContext) -> CustomersBlocked:
    """Let calls that name these customers in again. If one of them does not exist, none is unblocked."""
    refuse_undeclared(request)
    if await ctx.customers.unblock(_ids(request), call=ctx.call) is None:
        raise NotFound(NO_SUCH, param="user_ids")
    return CustomersBlocked(blocked_users=[])


@function("POST", "/customer/delete", aliases=("/end_user/delete",), access=Access.CUSTOMERS_WRITE)
async def delete(request: CustomersRequest, ctx: CustomerContext) -> CustomersDeleted:
    """Delete customers. What they spent stays in the logs."""
    refuse_undeclared(request)
    ids = _ids(request)
    found = {record.user_id for record in await ctx.customers.some(ids, call=ctx.call)}
    if unknown := sorted(set(ids) - found):
        raise NotFound(f"There is no customer {unknown[0]!r}.", param="user_ids")
    gone = await ctx.customers.remove(ids, call=ctx.call)
    names = ", ".join(record.user_id for record in gone)
    return CustomersDeleted(deleted_customers=len(gone), message=f"Deleted {names}.")


@function("GET", "/customer/info", aliases=("/end_user/info",), access=Access.CUSTOMERS_READ)
async def info(request: CustomerQuery, ctx: CustomerContext) -> CustomerInfo:
    """Show a customer with its budget."""
    return _there(await ctx.customers.details(request.end_user_id, call=ctx.call))


@function("GET", "/customer/list", aliases=("/end_user/list",), access=Access.CUSTOMERS_READ)
async def list_customers(request: CustomerListQuery, ctx: CustomerContext) -> list[CustomerRecord]:
    """List customers, newest first."""
    check_page(request.page, request.page_size, most=MAX_PAGE)
    page = await ctx.customers.page({}, call=ctx.call, page=request.page, size=request.page_size)
    return page.records


def _changes(request: CustomerRequest) -> dict[str, object]:
    changes = {
        **text_changes(request, ("alias", "budget_id", "default_model")),
        **list_changes(request, ("models",)),
        **flag_changes(request, ("blocked",)),
    }
    if request.spend is not UNSET and request.spend is not None:
        changes["spend"] = dollars(request.spend, param="spend")
    return changes


def _limits(request: CustomerRequest, ctx: CustomerContext) -> dict[str, object]:
    """The limits that the body gives the customer itself. Raises InvalidRequest where it names a budget as
    well."""
    return own_limits(request, request.budget_id, call=ctx.call, policy=ctx.policy)


def _ids(request: CustomersRequest) -> list[str]:
    if not 1 <= len(request.user_ids) <= MAX_AT_ONCE:
        raise InvalidRequest(f"user_ids: expected 1 to {MAX_AT_ONCE}.", param="user_ids")
    return texts(request.user_ids, param="user_ids")


def _there(record: CustomerInfo | None) -> CustomerInfo:
    if record is None:
        raise NotFound(NO_SUCH, param="user_id")
    return record
