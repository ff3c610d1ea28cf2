"""Tags with budgets: make, change, show, list, delete. A budget is over all requests with its tag."""

import msgspec

from functions.contract.function import function
from functions.contract.roles import Access
from functions.ports.context import TagContext
from functions.rules.row_changes import own_limits, text_changes
from schema.errors.rows import NotFound
from schema.fields import UNSET, dollars, text, texts
from schema.tags import (
    TagDeleted,
    TagDeleteRequest,
    TagDone,
    TagInfo,
    TagInfos,
    TagListQuery,
    TagRecord,
    TagRequest,
    TagsRequest,
)
from schema.undeclared import refuse_undeclared

MAX_LISTED = 1_000
NO_SUCH = "There is no such tag."


@function("POST", "/tag/new", access=Access.TAGS_WRITE)
async def new(request: TagRequest, ctx: TagContext) -> TagDone:
    """Give a tag a budget, with limits of its own or by the budget's id."""
    refuse_undeclared(request)
    record = TagRecord(tag_name=text(request.name, param="name"))
    record = msgspec.structs.replace(record, **_changes(request))
    made = await ctx.tags.add_with(record, _limits(request, ctx), call=ctx.call)
    return TagDone(message=f"Tag {made.name} created successfully", tag=made)


@function("POST", "/tag/update", access=Access.TAGS_WRITE)
async def update(request: TagRequest, ctx: TagContext) -> TagDone:
    """Change a tag. A field that is absent stays as it is, and null clears it."""
    refuse_undeclared(request)
    changed = await ctx.tags.change_with(
        request.name, _changes(request), _limits(request, ctx), call=ctx.call
    )
    if changed is None:
        raise NotFound(NO_SUCH, param="name")
    return TagDone(message=f"Tag {changed.name} updated successfully", tag=changed)


@function("POST", "/tag/info", access=Access.TAGS_READ)
async def info(request: TagsRequest, ctx: TagContext) -> TagInfos:
    """Show tags with their budgets. A name that nobody entered is not in the answer."""
    refuse_undeclared(request)
    names = texts(request.names, param="names")
    return {each.name: each for each in await ctx.tags.details(names, call=ctx.call)}


@function("GET", "/tag/list", access=Access.TAGS_READ)
async def list_tags(request: TagListQuery, ctx: TagContext) -> list[TagInfo]:
    """List the tags that somebody entered, newest first."""
    page = await ctx.tags.page({}, call=ctx.call, size=MAX_LISTED)
    found = await ctx.tags.details([each.tag_name for each in page.records], call=ctx.call)
    by_name = {each.name: each for each in found}
    return [by_name[each.tag_name] for each in page.records if each.tag_name in by_name]


@function("POST", "/tag/delete", access=Access.TAGS_WRITE)
async def delete(request: TagDeleteRequest, ctx: TagContext) -> TagDeleted:
    """Delete a tag: requests that have it are under no budget of it any more. What they spent stays in the
    logs."""
    refuse_undeclared(request)
    if not await ctx.tags.remove([text(request.name, param="name")], call=ctx.call):
        raise NotFound(NO_SUCH, param="name")
    return TagDeleted(message=f"Tag {request.name} deleted successfully")


def _changes(request: TagRequest) -> dict[str, object]:
    changes = text_changes(request, ("description", "budget_id"))
    if request.spend is not UNSET and request.spend is not None:
        changes["spend"] = dollars(request.spend, param="spend")
    return changes


def _limits(request: TagRequest, ctx: TagContext) -> dict[str, object]:
    """The limits that the body gives the tag itself. Raises InvalidRequest where it names a budget too."""
    return own_limits(request, request.budget_id, call=ctx.call, policy=ctx.policy)
