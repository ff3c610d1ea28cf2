"""Organizations: make, change, show, list, block, delete; their members."""

from contextlib import suppress

import msgspec

from functions.contract.function import function
from functions.contract.roles import ORG_ADMIN, Access
from functions.ports.context import GovernanceContext
from functions.rules.guardrail_names import check_guardrails
from functions.rules.row_changes import (
    flag_changes,
    list_changes,
    metadata_changes,
    of_new_row,
    own_limits,
    text_changes,
)
from schema.errors.callers import NotAllowed
from schema.errors.requests import InvalidRequest
from schema.errors.rows import NotFound
from schema.fields import text, texts
from schema.metadata import MetadataChange
from schema.organizations import (
    OrganizationDeleteRequest,
    OrganizationFields,
    OrganizationInfo,
    OrganizationListQuery,
    OrganizationMember,
    OrganizationMemberAddRequest,
    OrganizationMemberDeleteRequest,
    OrganizationMembersAdded,
    OrganizationMembershipRecord,
    OrganizationMemberUpdateRequest,
    OrganizationNewRequest,
    OrganizationQuery,
    OrganizationRecord,
    OrganizationRequest,
    OrganizationsRequest,
    OrganizationUpdateRequest,
)
from schema.undeclared import refuse_undeclared

MAX_LISTED = 1_000
MAX_MEMBERS = 500
MAX_ASKED = 100
NO_SUCH = "There is no such organization."
OWN_FIELDS = ("organization_alias", "metadata")
"""The fields of an organization that its own admin may change."""


@function("POST", "/organization/new", access=Access.ORGANIZATIONS_CREATE, echoes=True)
async def new(request: OrganizationNewRequest, ctx: GovernanceContext) -> OrganizationInfo:
    """Make an organization, with a budget of its own unless the request names a budget."""
    refuse_undeclared(request)
    limits, changes = _limits(request, ctx), _changes(request, ctx)
    organization_id = request.organization_id
    organization_id = (
        ctx.entropy.id() if organization_id is None else text(organization_id, param="organization_id")
    )
    if not changes.get("organization_alias"):
        raise InvalidRequest("organization_alias: an organization needs a name.", param="organization_alias")
    changes = of_new_row(changes)
    changes.setdefault("budget_id", "")
    record = OrganizationRecord(organization_id=organization_id, **changes)  # type: ignore[arg-type]  # checked above
    await ctx.organizations.add_with(record, limits, call=ctx.call)
    return await _details(organization_id, ctx)


@function("PATCH", "/organization/update", access=Access.ORGANIZATIONS_WRITE, echoes=True)
async def update(request: OrganizationUpdateRequest, ctx: GovernanceContext) -> OrganizationInfo:
    """Change an organization. A field that is absent stays as it is, and null clears it. Limits are changed
    in its budget."""
    refuse_undeclared(request)
    limits, changes = _limits(request, ctx), _changes(request, ctx)
    for name in ("organization_alias", "budget_id"):
        if name in changes and not changes[name]:
            raise InvalidRequest(f"{name}: an organization needs one.", param=name)
    if not ctx.call.scope.everything:
        _there(await ctx.organizations.find(request.organization_id, call=ctx.call))
        metadata = changes.get("metadata")
        inside = metadata.limits if isinstance(metadata, MetadataChange) else []
        beyond = [name for name in (*changes, *limits, *inside) if name not in OWN_FIELDS]
        if beyond:
            raise NotAllowed(f"{beyond[0]}: only a proxy_admin may change it.", param=beyond[0])
    _there(await ctx.organizations.change_with(request.organization_id, changes, limits, call=ctx.call))
    return await _details(request.organization_id, ctx)


@function("POST", "/organization/block", access=Access.ORGANIZATIONS_CREATE)
async def block(request: OrganizationRequest, ctx: GovernanceContext) -> OrganizationRecord:
    """Refuse every key of an organization until it is unblocked."""
    refuse_undeclared(request)
    changes = {"blocked": True}
    return _there(await ctx.organizations.change(request.organization_id, changes, call=ctx.call))


@function("POST", "/organization/unblock", access=Access.ORGANIZATIONS_CREATE)
async def unblock(request: OrganizationRequest, ctx: GovernanceContext) -> OrganizationRecord:
    """Let a blocked organization's keys in again."""
    refuse_undeclared(request)
    changes = {"blocked": False}
    return _there(await ctx.organizations.change(request.organization_id, changes, call=ctx.call))


@function("DELETE", "/organization/delete", access=Access.ORGANIZATIONS_CREATE)
async def delete(request: OrganizationDeleteRequest, ctx: GovernanceContext) -> list[OrganizationRecord]:
    """Delete organizations with their teams, keys and memberships. A record of each team and key is kept."""
    refuse_undeclared(request)
    if not 1 <= len(request.organization_ids) <= MAX_LISTED:
        raise InvalidRequest(f"organization_ids: expected 1 to {MAX_LISTED}.", param="organization_ids")
    ids = texts(request.organization_ids, param="organization_ids")
    found = {record.organization_id for record in await ctx.organizations.some(ids, call=ctx.call)}
    if unknown := sorted(set(ids) - found):
        raise NotFound(f"There is no organization {unknown[0]!r}.", param="organization_ids")
    return await ctx.organizations.remove(ids, call=ctx.call)


@function("GET", "/organization/list", access=Access.ORGANIZATIONS_READ)
async def list_organizations(
    request: OrganizationListQuery, ctx: GovernanceContext
) -> list[OrganizationRecord]:
    """List the organizations within the caller's reach, newest first."""
    where = {"organization_id": request.org_id, "organization_alias": request.org_alias}
    return (await ctx.organizations.page(where, call=ctx.call, size=MAX_LISTED)).records


@function("GET", "/organization/info", access=Access.ORGANIZATIONS_READ)
async def info(request: OrganizationQuery, ctx: GovernanceContext) -> OrganizationInfo:
    """Show an organization. Those who administer it also see its budget, members and teams."""
    scope = ctx.call.scope
    if scope.everything or request.organization_id in scope.organizations:
        return await _details(request.organization_id, ctx)
    record = _there(await ctx.organizations.find(request.organization_id, call=ctx.call))
    return OrganizationInfo(**msgspec.structs.asdict(record))


@function("POST", "/organization/info", access=Access.ORGANIZATIONS_READ)
async def info_of_many(request: OrganizationsRequest, ctx: GovernanceContext) -> list[OrganizationInfo]:
    """Show several organizations: those of the list that the caller reaches."""
    refuse_undeclared(request)
    if len(request.organizations) > MAX_ASKED:
        raise InvalidRequest(f"organizations: expected at most {MAX_ASKED}.", param="organizations")
    found = []
    for organization_id in dict.fromkeys(request.organizations):
        with suppress(NotFound):
            found.append(await info(OrganizationQuery(organization_id=organization_id), ctx))
    return found


@function("POST", "/organization/member_add", access=Access.ORGANIZATIONS_WRITE)
async def member_add(
    request: OrganizationMemberAddRequest, ctx: GovernanceContext
) -> OrganizationMembersAdded:
    """Add one member or several, all of them or none. Whoever is not a user yet becomes one."""
    refuse_undeclared(request)
    members = request.member if isinstance(request.member, list) else [request.member]
    if len(members) > MAX_MEMBERS:
        raise InvalidRequest(f"member: at most {MAX_MEMBERS} at once.", param="member")
    for member in members:
        texts([name for name in (member.user_id, member.user_email) if name], param="member")
        _check_role(member.role, ctx)
    added = await ctx.organizations.add_members(request.organization_id, members, call=ctx.call)
    if added is None:
        raise NotFound(NO_SUCH, param="organization_id")
    return OrganizationMembersAdded(
        organization_id=request.organization_id,
        updated_users=[each.user_id for each in added],
        updated_organization_memberships=added,
    )


@function("PATCH", "/organization/member_update", access=Access.ORGANIZATIONS_WRITE)
async def member_update(
    request: OrganizationMemberUpdateRequest, ctx: GovernanceContext
) -> OrganizationMembershipRecord:
    """Change a member's role in the organization."""
    refuse_undeclared(request)
    _check_role(request.role, ctx)
    member = OrganizationMember(role=request.role, user_id=request.user_id, user_email=request.user_email)
    record = await ctx.organizations.change_member(request.organization_id, member, call=ctx.call)
    if record is None:
        raise NotFound("There is no such member or organization.", param="user_id")
    return record


@function("DELETE", "/organization/member_delete", access=Access.ORGANIZATIONS_WRITE)
async def member_delete(
    request: OrganizationMemberDeleteRequest, ctx: GovernanceContext
) -> OrganizationMembershipRecord:
    """Take a member out of an organization."""
    refuse_undeclared(request)
    member = OrganizationMember(user_id=request.user_id, user_email=request.user_email)
    record = await ctx.organizations.remove_member(request.organization_id, member, call=ctx.call)
    if record is None:
        raise NotFound("There is no such member or organization.", param="user_id")
    return record


def _changes(request: OrganizationFields, ctx: GovernanceContext) -> dict[str, object]:
    changes = {
        **text_changes(request, ("organization_alias", "budget_id"), cleared=""),
        **list_changes(request, ("models",)),
        **metadata_changes(request),
        **flag_changes(request, ("blocked",)),
    }
    check_guardrails(changes, ctx.guardrails)
    return changes


def _limits(request: OrganizationFields, ctx: GovernanceContext) -> dict[str, object]:
    return own_limits(request, request.budget_id, call=ctx.call, policy=ctx.policy)


def _check_role(role: str, ctx: GovernanceContext) -> None:
    if role == ORG_ADMIN and not ctx.call.scope.everything:
        raise NotAllowed(f"role: only a proxy_admin may make someone {ORG_ADMIN}.", param="role")


async def _details(organization_id: str, ctx: GovernanceContext) -> OrganizationInfo:
    found = await ctx.organizations.details(organization_id, call=ctx.call)
    if found is None:
        raise NotFound(NO_SUCH, param="organization_id")
    return found


def _there(record: OrganizationRecord | None) -> OrganizationRecord:
    if record is None:
        raise NotFound(NO_SUCH, param="organization_id")
    return record
