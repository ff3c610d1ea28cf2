"""SCIM 2.0: the company's directory keeps users and groups here. A group is a team."""

import msgspec

from functions.contract.function import RawReply, function
from functions.contract.roles import Access
from functions.ports.context import DirectoryContext
from functions.ports.scim import ResourceKind, ScimJson, ScimResource
from schema.errors.rows import NotFound
from schema.scim import (
    SCIM_JSON,
    ScimBody,
    ScimNamedQuery,
    ScimQuery,
    ScimRestQuery,
    ScimSearchRequest,
    scim_form,
)
from schema.wire import value_of

V2 = "/scim/v2"
NOT_MODIFIED = 304


@function("GET", f"{V2}/Users", access=Access.SCIM, error_form=scim_form)
async def list_users(request: ScimQuery, ctx: DirectoryContext) -> RawReply:
    """List users, by filter and page."""
    return await _search("Users", request, ctx)


@function("POST", f"{V2}/Users", access=Access.SCIM, error_form=scim_form)
async def create_user(request: ScimBody, ctx: DirectoryContext) -> RawReply:
    """Make a user."""
    return await _create("Users", request, ctx)


@function("GET", f"{V2}/Users/{{id}}", access=Access.SCIM, error_form=scim_form)
async def show_user(request: ScimQuery, ctx: DirectoryContext) -> RawReply:
    """Show a user."""
    return await _show("Users", request, ctx)


@function("PUT", f"{V2}/Users/{{id}}", access=Access.SCIM, error_form=scim_form)
async def replace_user(request: ScimBody, ctx: DirectoryContext) -> RawReply:
    """Replace a user. `active` false ends the user's keys and sessions at once."""
    return await _replace("Users", request, ctx)


@function("PATCH", f"{V2}/Users/{{id}}", access=Access.SCIM, error_form=scim_form)
async def patch_user(request: ScimBody, ctx: DirectoryContext) -> RawReply:
    """Change a user. `active` false ends the user's keys and sessions at once."""
    return await _patch("Users", request, ctx)


@function("DELETE", f"{V2}/Users/{{id}}", access=Access.SCIM, error_form=scim_form)
async def delete_user(request: ScimBody, ctx: DirectoryContext) -> RawReply:
    """Delete a user with its keys, sessions and memberships."""
    return await _delete("Users", request, ctx)


@function("GET", f"{V2}/Groups", access=Access.SCIM, error_form=scim_form)
async def list_groups(request: ScimQuery, ctx: DirectoryContext) -> RawReply:
    """List groups, by filter and page."""
    return await _search("Groups", request, ctx)


@function("POST", f"{V2}/Groups", access=Access.SCIM, error_form=scim_form)
async def create_group(request: ScimBody, ctx: DirectoryContext) -> RawReply:
    """Make a group: a team."""
    return await _create("Groups", request, ctx)


@function("GET", f"{V2}/Groups/{{id}}", access=Access.SCIM, error_form=scim_form)
async def show_group(request: ScimQuery, ctx: DirectoryContext) -> RawReply:
    """Show a group."""
    return await _show("Groups", request, ctx)


@function("PUT", f"{V2}/Groups/{{id}}", access=Access.SCIM, error_form=scim_form)
async def replace_group(request: ScimBody, ctx: DirectoryContext) -> RawReply:
    """Replace a group, with its members."""
    return await _replace("Groups", request, ctx)


@function("PATCH", f"{V2}/Groups/{{id}}", access=Access.SCIM, error_form=scim_form)
async def patch_group(request: ScimBody, ctx: DirectoryContext) -> RawReply:
    """Change a group, or its members."""
    return await _patch("Groups", request, ctx)


@function("DELETE", f"{V2}/Groups/{{id}}", access=Access.SCIM, error_form=scim_form)
async def delete_group(request: ScimBody, ctx: DirectoryContext) -> RawReply:
    """Delete a group that the directory made. A team that was made here stays, without the directory's
    members."""
    return await _delete("Groups", request, ctx)


@function("GET", f"{V2}/ServiceProviderConfig", access=Access.SCIM, error_form=scim_form)
async def provider_config(request: ScimNamedQuery, ctx: DirectoryContext) -> RawReply:
    """Say what of SCIM is supported."""
    return _told(await ctx.directory.described("ServiceProviderConfig", "", ctx.visit))


@function("GET", f"{V2}/Schemas", access=Access.SCIM, error_form=scim_form)
async def schemas(request: ScimNamedQuery, ctx: DirectoryContext) -> RawReply:
    """List the schemas of users and groups."""
    return _told(await ctx.directory.described("Schemas", "", ctx.visit))


@function("GET", f"{V2}/Schemas/{{id}}", access=Access.SCIM, error_form=scim_form)
async def schema(request: ScimNamedQuery, ctx: DirectoryContext) -> RawReply:
    """Show one schema, by its URN."""
    return _told(await ctx.directory.described("Schemas", request.id, ctx.visit))


@function("GET", f"{V2}/ResourceTypes", access=Access.SCIM, error_form=scim_form)
async def resource_types(request: ScimNamedQuery, ctx: DirectoryContext) -> RawReply:
    """List the types of resources: users and groups."""
    return _told(await ctx.directory.described("ResourceTypes", "", ctx.visit))


@function("GET", f"{V2}/ResourceTypes/{{id}}", access=Access.SCIM, error_form=scim_form)
async def resource_type(request: ScimNamedQuery, ctx: DirectoryContext) -> RawReply:
    """Show one type of resources, such as `User`."""
    return _told(await ctx.directory.described("ResourceTypes", request.id, ctx.visit))


@function("POST", f"{V2}/Users/.search", access=Access.SCIM, error_form=scim_form)
async def search_users(request: ScimSearchRequest, ctx: DirectoryContext) -> RawReply:
    """List users, by filter and page, with the query in the body."""
    return await _search("Users", request.query, ctx)


@function("POST", f"{V2}/Groups/.search", access=Access.SCIM, error_form=scim_form)
async def search_groups(request: ScimSearchRequest, ctx: DirectoryContext) -> RawReply:
    """List groups, by filter and page, with the query in the body."""
    return await _search("Groups", request.query, ctx)


@function("POST", f"{V2}/.search", access=Access.SCIM, error_form=scim_form)
async def search_all(request: ScimSearchRequest, ctx: DirectoryContext) -> RawReply:
    """List users and groups together, by filter and page."""
    return _told(await ctx.directory.search_all(request.query, ctx.visit, call=ctx.call))


@function("GET", f"{V2}/{{rest:path}}", access=Access.SCIM, error_form=scim_form)
async def unknown(request: ScimRestQuery, ctx: DirectoryContext) -> RawReply:
    """Say in SCIM's words that there is nothing at a path."""
    raise NotFound(f"There is nothing at {V2}/{request.rest[:100]}.")


async def _search(kind: ResourceKind, request: ScimQuery, ctx: DirectoryContext) -> RawReply:
    return _told(await ctx.directory.search(kind, request, ctx.visit, call=ctx.call))


async def _create(kind: ResourceKind, request: ScimBody, ctx: DirectoryContext) -> RawReply:
    made = await ctx.directory.create(kind, _body(request), ctx.visit, call=ctx.call)
    return _resource(made, status=201)


async def _show(kind: ResourceKind, request: ScimQuery, ctx: DirectoryContext) -> RawReply:
    found = await ctx.directory.show(kind, request, ctx.visit, call=ctx.call)
    if found.version in [each.strip() for each in ctx.visit.if_none_match.split(",")]:
        return RawReply(status=NOT_MODIFIED, media_type=SCIM_JSON, headers={"etag": found.version})
    return _resource(found)


async def _replace(kind: ResourceKind, request: ScimBody, ctx: DirectoryContext) -> RawReply:
    return _resource(await ctx.directory.replace(kind, request.id, _body(request), ctx.visit, call=ctx.call))


async def _patch(kind: ResourceKind, request: ScimBody, ctx: DirectoryContext) -> RawReply:
    return _resource(await ctx.directory.patch(kind, request.id, _body(request), ctx.visit, call=ctx.call))


async def _delete(kind: ResourceKind, request: ScimBody, ctx: DirectoryContext) -> RawReply:
    if not request.id:
        raise NotFound("There is no such resource.")
    await ctx.directory.delete(kind, request.id, ctx.visit, call=ctx.call)
    return RawReply(status=204, media_type=SCIM_JSON)


def _body(request: ScimBody) -> ScimJson:
    return {name: value_of(raw, name) for name, raw in request.raw.items()}


def _resource(found: ScimResource, status: int = 200) -> RawReply:
    headers = {"etag": found.version, "location": found.location}
    content = msgspec.json.encode(found.body)
    return RawReply(status=status, media_type=SCIM_JSON, content=content, headers=headers)


def _told(body: ScimJson) -> RawReply:
    return RawReply(media_type=SCIM_JSON, content=msgspec.json.encode(body))
