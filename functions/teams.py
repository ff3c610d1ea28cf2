"""Teams: make, change, show, list, block, delete; their members, models and permissions."""

from collections.abc import Sequence

import msgspec

from functions.context import Call, TeamContext
from functions.function import function
from functions.roles import Access, Reach
from schema.errors import InvalidRequest, NotAllowed, NotFound
from schema.governance import (
    UNSET,
    LimitRequest,
    MetadataChange,
    dollars,
    filled,
    limit_changes,
    metadata_change,
    refuse_undeclared,
    text,
    texts,
)
from schema.teams import (
    Member,
    MemberAddRequest,
    MemberDeleteRequest,
    MemberLimits,
    MembersAddRequest,
    MemberSpendRequest,
    MemberSpendReset,
    MemberUpdateRequest,
    TeamDeleteRequest,
    TeamFields,
    TeamInfo,
    TeamListQuery,
    TeamMembersAdded,
    TeamMembershipRecord,
    TeamModelsRequest,
    TeamNewRequest,
    TeamPage,
    TeamPermissions,
    TeamPermissionsRequest,
    TeamQuery,
    TeamRecord,
    TeamRequest,
    TeamUpdated,
    TeamUpdateRequest,
)

MAX_PAGE = 100
MAX_LISTED = 1_000
MAX_MEMBERS = 500
NO_SUCH_TEAM = "There is no such team."
OWN_FIELDS = ("team_alias", "models", "metadata", "team_member_permissions")
"""What a team's own admin may change of it: neither its money and limits, nor whose it is."""
PERMISSIONS = (
    "/key/generate",
    "/key/service-account/generate",
    "/key/update",
    "/key/delete",
    "/key/info",
    "/key/list",
    "/key/block",
    "/key/unblock",
    "/key/regenerate",
    "/key/{key}/regenerate",
)
"""Paths that a team may open to its members, for its own keys."""


@function("POST", "/team/new", access=Access.TEAMS_CREATE)
async def new(request: TeamNewRequest, ctx: TeamContext) -> TeamRecord:
    """Make a team. The caller's own user becomes its admin."""
    refuse_undeclared(request)
    request = filled(request, ctx.policy.team_defaults, "default_team_params")
    team_id = ctx.entropy.id() if request.team_id is None else text(request.team_id, param="team_id")
    changes = _changes(request, ctx)
    await _check_organization(changes, ctx)
    scope = ctx.call.scope
    if not scope.everything and changes.get("organization_id") is None:
        raise NotAllowed("organization_id: name one that you administer.", param="organization_id")
    metadata = changes.get("metadata")
    if isinstance(metadata, MetadataChange):
        changes["metadata"] = metadata.applied({})
    members = _members(request.members_with_roles)
    own = ctx.call.caller.user_id
    named = [member.user_id for member in members]
    if own and own not in named and await ctx.users.find(own, call=_for_all(ctx)) is not None:
        members = [Member(role="admin", user_id=own), *members]
    record = msgspec.structs.replace(TeamRecord(team_id=team_id), **changes)
    return await ctx.teams.add_with(
        record, members=members, member_limits=_member_limits(request, ctx), call=ctx.call
    )


@function("POST", "/team/update", access=Access.TEAMS_WRITE)
async def update(request: TeamUpdateRequest, ctx: TeamContext) -> TeamUpdated:
    """Change a team: what is absent stays, null clears."""
    return await _update(request, ctx)


@function("PATCH", "/team/{team_id}", access=Access.TEAMS_WRITE)
async def patch(request: TeamUpdateRequest, ctx: TeamContext) -> TeamUpdated:
    """The same, with the team in the path."""
    return await _update(request, ctx)


async def _update(request: TeamUpdateRequest, ctx: TeamContext) -> TeamUpdated:
    refuse_undeclared(request)
    changes, limits = _changes(request, ctx), _member_limits(request, ctx)
    await _check_organization(changes, ctx)
    await _check_own(request.team_id, [*changes, *(["team_member_budget"] if limits else [])], ctx)
    record = await ctx.teams.change_with(request.team_id, changes, member_limits=limits, call=ctx.call)
    return TeamUpdated(team_id=request.team_id, data=_there(record))


@function("POST", "/team/block", access=Access.TEAMS_WRITE)
async def block(request: TeamRequest, ctx: TeamContext) -> TeamRecord:
    """Refuse every key of a team until it is unblocked."""
    return await _set_blocked(request, ctx, blocked=True)


@function("POST", "/team/unblock", access=Access.TEAMS_WRITE)
async def unblock(request: TeamRequest, ctx: TeamContext) -> TeamRecord:
    """Let a blocked team's keys in again."""
    return await _set_blocked(request, ctx, blocked=False)


async def _set_blocked(request: TeamRequest, ctx: TeamContext, *, blocked: bool) -> TeamRecord:
    refuse_undeclared(request)
    await _check_own(request.team_id, ["blocked"], ctx)
    return _there(await ctx.teams.change(request.team_id, {"blocked": blocked}, call=ctx.call))


@function("POST", "/team/delete", access=Access.TEAMS_WRITE)
async def delete(request: TeamDeleteRequest, ctx: TeamContext) -> list[TeamRecord]:
    """Delete teams with their keys and memberships. A record of each team and key is kept."""
    refuse_undeclared(request)
    if not 1 <= len(request.team_ids) <= MAX_LISTED:
        raise InvalidRequest(f"team_ids: expected 1 to {MAX_LISTED}.", param="team_ids")
    for team_id in request.team_ids:
        await _check_own(team_id, ["team_id"], ctx)
    gone = await ctx.teams.remove(texts(request.team_ids, param="team_ids"), call=ctx.call)
    if not gone:
        raise NotFound(NO_SUCH_TEAM, param="team_ids")
    return gone


@function("GET", "/team/info", access=Access.TEAMS_READ)
async def info(request: TeamQuery, ctx: TeamContext) -> TeamInfo:
    """Show a team with its members, and those of its keys that the caller may see."""
    record = _there(await ctx.teams.find(request.team_id, call=ctx.call))
    keys = await ctx.keys.page({"team_id": record.team_id}, call=ctx.call, size=MAX_LISTED)
    return TeamInfo(
        team_id=record.team_id,
        team_info=record,
        keys=keys.records,
        team_memberships=await ctx.teams.members(record.team_id, call=ctx.call),
    )


@function("GET", "/team/list", access=Access.TEAMS_READ)
async def list_teams(request: TeamListQuery, ctx: TeamContext) -> list[TeamRecord]:
    """List the teams within the caller's reach, newest first."""
    page = await ctx.teams.page(await _where(request, ctx), call=ctx.call, size=MAX_LISTED)
    return page.records


@function("GET", "/v2/team/list", access=Access.TEAMS_READ)
async def page_teams(request: TeamListQuery, ctx: TeamContext) -> TeamPage:
    """List teams by page."""
    if not 1 <= request.page_size <= MAX_PAGE or not 1 <= request.page <= 1_000_000:
        raise InvalidRequest(f"page_size: expected 1 to {MAX_PAGE}, page: 1 or more.", param="page_size")
    page = await ctx.teams.page(
        await _where(request, ctx), call=ctx.call, page=request.page, size=request.page_size
    )
    return TeamPage(
        teams=page.records,
        total=page.total,
        page=request.page,
        page_size=request.page_size,
        total_pages=-(-page.total // request.page_size),
    )


@function("POST", "/team/member_add", access=Access.TEAMS_WRITE)
async def member_add(request: MemberAddRequest, ctx: TeamContext) -> TeamMembersAdded:
    """Add one member or several, all or none. Who is not there yet becomes a user."""
    refuse_undeclared(request)
    members = request.member if isinstance(request.member, list) else [request.member]
    return await _add(request.team_id, members, request, ctx)


@function("POST", "/team/bulk_member_add", access=Access.TEAMS_WRITE)
async def bulk_member_add(request: MembersAddRequest, ctx: TeamContext) -> TeamMembersAdded:
    """Add many members, all or none."""
    refuse_undeclared(request)
    return await _add(request.team_id, request.members, request, ctx)


async def _add(
    team_id: str, members: Sequence[Member], request: MemberLimits, ctx: TeamContext
) -> TeamMembersAdded:
    changes, limits = _member_changes(request, ctx)
    added = await ctx.teams.add_members(
        team_id, _members(members), changes=changes, limits=limits, call=ctx.call
    )
    if added is None:
        raise NotFound(NO_SUCH_TEAM, param="team_id")
    record, memberships = added
    return TeamMembersAdded(
        **msgspec.structs.asdict(record),
        updated_users=[each.user_id for each in memberships],
        updated_team_memberships=memberships,
    )


@function("POST", "/team/member_update", access=Access.TEAMS_WRITE)
async def member_update(request: MemberUpdateRequest, ctx: TeamContext) -> TeamMembershipRecord:
    """Change a member's role, models, budget or limits in the team."""
    refuse_undeclared(request)
    changes, limits = _member_changes(request, ctx)
    if request.role is not UNSET:
        changes["role"] = request.role
    member = Member(user_id=request.user_id, user_email=request.user_email)
    record = await ctx.teams.change_member(
        request.team_id, member, changes=changes, limits=limits, call=ctx.call
    )
    if record is None:
        raise NotFound(NO_SUCH_TEAM, param="team_id")
    return record


@function("POST", "/team/member_delete", access=Access.TEAMS_WRITE)
async def member_delete(request: MemberDeleteRequest, ctx: TeamContext) -> TeamRecord:
    """Take a member out of a team, with the keys it has there."""
    refuse_undeclared(request)
    member = Member(user_id=request.user_id, user_email=request.user_email)
    return _there(await ctx.teams.remove_member(request.team_id, member, call=ctx.call))


@function("POST", "/team/{team_id}/member/{user_id}/reset_spend", access=Access.TEAMS_WRITE)
async def member_reset_spend(request: MemberSpendRequest, ctx: TeamContext) -> MemberSpendReset:
    """Set what a member has spent in its window."""
    refuse_undeclared(request)
    spend = dollars(request.reset_to, param="reset_to")
    await _check_own(request.team_id, ["spend"], ctx)
    members = await ctx.teams.members(request.team_id, call=ctx.call)
    before = next((member for member in members if member.user_id == request.user_id), None)
    if before is None:
        raise NotFound("There is no such member in this team.", param="user_id")
    await ctx.teams.change_member(
        request.team_id,
        Member(user_id=request.user_id),
        changes={"spend": spend},
        limits=None,
        call=ctx.call,
    )
    return MemberSpendReset(
        team_id=request.team_id, user_id=request.user_id, spend=spend, previous_spend=before.spend
    )


@function("POST", "/team/model/add", access=Access.TEAMS_WRITE)
async def model_add(request: TeamModelsRequest, ctx: TeamContext) -> TeamRecord:
    """Let a team use more models."""
    refuse_undeclared(request)
    models = texts(request.models, param="models")
    return _there(await ctx.teams.add_models(request.team_id, models, call=ctx.call))


@function("POST", "/team/model/delete", access=Access.TEAMS_WRITE)
async def model_delete(request: TeamModelsRequest, ctx: TeamContext) -> TeamRecord:
    """Take models from a team. Its last one can't go: an empty list would allow all."""
    refuse_undeclared(request)
    record = _there(await ctx.teams.find(request.team_id, call=ctx.call))
    if record.models and not set(record.models) - set(request.models):
        raise InvalidRequest(
            'models: an empty list allows all models; update it to ["no-default-models"] to allow none.',
            param="models",
        )
    return _there(await ctx.teams.remove_models(request.team_id, request.models, call=ctx.call))


@function("GET", "/team/permissions_list", access=Access.TEAMS_READ)
async def permissions_list(request: TeamQuery, ctx: TeamContext) -> TeamPermissions:
    """List what a team's members may do with its keys."""
    record = _there(await ctx.teams.find(request.team_id, call=ctx.call))
    return TeamPermissions(
        team_id=record.team_id,
        team_member_permissions=record.team_member_permissions,
        all_available_permissions=list(PERMISSIONS),
    )


@function("POST", "/team/permissions_update", access=Access.TEAMS_WRITE)
async def permissions_update(request: TeamPermissionsRequest, ctx: TeamContext) -> TeamRecord:
    """Say what a team's members may do with its keys."""
    refuse_undeclared(request)
    changes = {"team_member_permissions": _permissions(request.team_member_permissions)}
    return _there(await ctx.teams.change(request.team_id, changes, call=ctx.call))


def _changes(request: TeamFields, ctx: TeamContext) -> dict[str, object]:
    """The columns a body sets, checked."""
    changes = limit_changes(request, ctx.clock.now(), ctx.policy.zone)
    for name in ("team_alias", "organization_id"):
        value = getattr(request, name)
        if value is not UNSET:
            changes[name] = text(value, param=name) if value else None
    for name in ("models", "access_group_ids"):
        value = getattr(request, name)
        if value is not UNSET:
            changes[name] = texts(value or [], param=name)
    if request.blocked is not UNSET:
        changes["blocked"] = bool(request.blocked)
    if request.team_member_permissions is not UNSET:
        changes["team_member_permissions"] = _permissions(request.team_member_permissions or [])
    metadata = metadata_change(request)
    if metadata is not None:
        changes["metadata"] = metadata
    return changes


def _permissions(paths: list[str]) -> list[str]:
    unknown = [path for path in paths if path not in PERMISSIONS]
    if unknown:
        raise InvalidRequest(
            f"team_member_permissions: {unknown[0][:100]!r} is none of {', '.join(PERMISSIONS)}",
            param="team_member_permissions",
        )
    return paths


def _member_limits(request: TeamFields, ctx: TeamContext) -> dict[str, object] | None:
    """The limits of members without their own, where the body sets any."""
    limits = LimitRequest(
        max_budget=request.team_member_budget,
        budget_duration=request.team_member_budget_duration,
        rpm_limit=request.team_member_rpm_limit,
        tpm_limit=request.team_member_tpm_limit,
    )
    return limit_changes(limits, ctx.clock.now(), ctx.policy.zone) or None


def _member_changes(
    request: MemberLimits, ctx: TeamContext
) -> tuple[dict[str, object], dict[str, object] | None]:
    """What a body sets of a membership, and of its budget."""
    changes: dict[str, object] = {}
    if request.allowed_models is not UNSET:
        changes["allowed_models"] = texts(request.allowed_models or [], param="allowed_models")
    limits = LimitRequest(
        max_budget=request.max_budget_in_team,
        budget_duration=request.budget_duration,
        rpm_limit=request.rpm_limit,
        tpm_limit=request.tpm_limit,
    )
    return changes, limit_changes(limits, ctx.clock.now(), ctx.policy.zone) or None


def _members(members: Sequence[Member]) -> list[Member]:
    if len(members) > MAX_MEMBERS:
        raise InvalidRequest(f"members: at most {MAX_MEMBERS} at once.", param="members")
    for member in members:
        texts([name for name in (member.user_id, member.user_email) if name], param="member")
    return list(members)


async def _check_organization(changes: dict[str, object], ctx: TeamContext) -> None:
    """Is the organization a team is to belong to within the caller's reach?"""
    if "organization_id" not in changes:
        return
    organization_id, scope = changes["organization_id"], ctx.call.scope
    if organization_id is None:
        if not scope.everything:
            raise NotAllowed("organization_id: only a proxy_admin may take it away.", param="organization_id")
        return
    found = await ctx.organizations.find(str(organization_id), call=ctx.call)
    if found is None or not (scope.everything or organization_id in scope.organizations):
        raise NotFound(f"There is no organization {organization_id!r}.", param="organization_id")


async def _check_own(team_id: str, names: Sequence[str], ctx: TeamContext) -> None:
    """A team's own admin may change some of it; who administers its organization, or everything, all."""
    scope = ctx.call.scope
    if scope.everything:
        return
    above = msgspec.structs.replace(
        ctx.call, scope=msgspec.structs.replace(scope, reaches=scope.reaches - {Reach.TEAM})
    )
    if await ctx.teams.find(team_id, call=above) is not None:
        return
    _there(await ctx.teams.find(team_id, call=ctx.call))
    beyond = [name for name in names if name not in OWN_FIELDS]
    if beyond:
        raise NotAllowed(f"{beyond[0]}: a team's admin may not change it.", param=beyond[0])


async def _where(request: TeamListQuery, ctx: TeamContext) -> dict[str, object]:
    where: dict[str, object] = {
        "team_id": request.team_id,
        "team_alias": request.team_alias,
        "organization_id": request.organization_id,
    }
    if request.user_id is not None:
        user = await ctx.users.find(request.user_id, call=_for_all(ctx))
        of_user = [] if user is None else user.teams
        where["team_id"] = [each for each in of_user if request.team_id in (None, each)]
    return where


def _for_all(ctx: TeamContext) -> Call:
    """To look up who is in which team; what is shown of it stays within the caller's reach."""
    return msgspec.structs.replace(
        ctx.call, scope=msgspec.structs.replace(ctx.call.scope, reaches=frozenset({Reach.ALL}))
    )


def _there(record: TeamRecord | None) -> TeamRecord:
    if record is None:
        raise NotFound(NO_SUCH_TEAM, param="team_id")
    return record
