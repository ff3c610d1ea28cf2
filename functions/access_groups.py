"""Access groups: each is one name for several models, for the lists of keys and teams."""

from functions.contract.function import function
from functions.contract.roles import Access
from functions.ports.context import GovernanceContext
from schema.access_groups import (
    AccessGroupDeleteRequest,
    AccessGroupListQuery,
    AccessGroupNewRequest,
    AccessGroupQuery,
    AccessGroupRecord,
    AccessGroupUpdateRequest,
)
from schema.errors.rows import NotFound
from schema.fields import UNSET, text, texts
from schema.undeclared import refuse_undeclared

MAX_LISTED = 1_000
NO_SUCH = "There is no such access group."


@function("POST", "/v1/access_group", access=Access.ACCESS_GROUPS_WRITE)
async def new(request: AccessGroupNewRequest, ctx: GovernanceContext) -> AccessGroupRecord:
    """Make an access group."""
    refuse_undeclared(request)
    record = AccessGroupRecord(
        access_group_id=ctx.entropy.id(),
        access_group_name=text(request.access_group_name, param="access_group_name"),
        description=text(request.description, param="description") if request.description else None,
        access_model_names=texts(request.access_model_names, param="access_model_names"),
    )
    return await ctx.access_groups.add(record, call=ctx.call)


@function("GET", "/v1/access_group", access=Access.ACCESS_GROUPS_READ)
async def list_groups(request: AccessGroupListQuery, ctx: GovernanceContext) -> list[AccessGroupRecord]:
    """List access groups, newest first."""
    return (await ctx.access_groups.page({}, call=ctx.call, size=MAX_LISTED)).records


@function("GET", "/v1/access_group/{access_group_id}", access=Access.ACCESS_GROUPS_READ)
async def info(request: AccessGroupQuery, ctx: GovernanceContext) -> AccessGroupRecord:
    """Show an access group."""
    return _there(await ctx.access_groups.find(request.access_group_id, call=ctx.call))


@function("PUT", "/v1/access_group/{access_group_id}", access=Access.ACCESS_GROUPS_WRITE)
async def update(request: AccessGroupUpdateRequest, ctx: GovernanceContext) -> AccessGroupRecord:
    """Change an access group. A field that is absent stays as it is, and null clears it."""
    refuse_undeclared(request)
    changes: dict[str, object] = {}
    if request.access_group_name is not UNSET:
        changes["access_group_name"] = text(request.access_group_name, param="access_group_name")
    if request.description is not UNSET:
        changes["description"] = (
            text(request.description, param="description") if request.description else None
        )
    if request.access_model_names is not UNSET:
        changes["access_model_names"] = texts(request.access_model_names or [], param="access_model_names")
    return _there(await ctx.access_groups.change(request.access_group_id, changes, call=ctx.call))


@function("DELETE", "/v1/access_group/{access_group_id}", access=Access.ACCESS_GROUPS_WRITE)
async def delete(request: AccessGroupDeleteRequest, ctx: GovernanceContext) -> AccessGroupRecord:
    """Delete an access group. Keys and teams that name it no longer get its models."""
    refuse_undeclared(request)
    gone = await ctx.access_groups.remove([request.access_group_id], call=ctx.call)
    return _there(gone[0] if gone else None)


def _there(record: AccessGroupRecord | None) -> AccessGroupRecord:
    if record is None:
        raise NotFound(NO_SUCH, param="access_group_id")
    return record
