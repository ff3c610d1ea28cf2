"""Teams: make, change, show, list, block, delete; their members, models and permissions."""

from collections.abc import Sequence
from functools import partial

import msgspec

from functions.contract.function import function
from functions.contract.roles import Access
from functions.ports.context import GovernanceContext
from functions.rules.pages import check_page, pages_of
from functions.rules.row_changes import of_new_row
from functions.rules.team_people import everybody_else, first_members, teams_of
from functions.rules.team_policy import (
    MAX_MEMBERS,
    NO_SUCH_TEAM,
    PERMISSIONS,
    TEAM_DEFAULTS,
    TeamCheck,
    check_members,
    check_narrower,
    check_organization,
    check_own,
    check_permissions,
    check_some_left,
    member_changes,
    member_limits,
    team_changes,
    there,
    unchecked,
)
from schema.errors.base import GatewayError
from schema.errors.callers import NotAllowed
from schema.errors.requests import InvalidRequest
from schema.errors.rows import NotFound
from schema.fields import UNSET, dollars, filled, text, texts
from schema.metadata import MetadataChange
from schema.teams import (
    Member,
    MemberAdded,
    MemberAddRequest,
    MemberDeleteRequest,
    MemberLimits,
    MembersAdded,
    MembersAddRequest,
    MemberSpendRequest,
    MemberSpendReset,
    MemberUpdateRequest,
    TeamDeleteRequest,
    TeamFilterQuery,
    TeamInfo,
    TeamListQuery,
    TeamMembersAdded,
    TeamMembershipRecord,
    TeamModelsRequest,
    TeamNewRequest,
    TeamPage,
    TeamPageQuery,
    TeamPermissions,
    TeamPermissionsRequest,
    TeamQuery,
    TeamRecord,
    TeamRequest,
    TeamsDeleted,
    TeamUpdated,
    TeamUpdateRequest,
)
from schema.undeclared import refuse_undeclared

MAX_PAGE = 100
MAX_LISTED = 1_000


@function("POST", "/team/new", access=Access.TEAMS_CREATE, echoes=True)
async def new(request: TeamNewRequest, ctx: GovernanceContext) -> TeamRecord:
    """Make a team. The caller's own user becomes its admin."""
    refuse_undeclared(request)
    request = filled(request, ctx.policy.team_defaults, TEAM_DEFAULTS)
    team_id = ctx.entropy.id() if request.team_id is None else text(request.team_id, param="team_id")
    changes = team_changes(request, ctx)
    await check_organization(changes, ctx)
    scope = ctx.call.scope
    if not scope.everything and changes.get("organization_id") is None:
        raise NotAllowed("organization_id: name one that you administer.", param="organization_id")
    changes = of_new_row(changes)
    members = await first_members(request, ctx)
    record = msgspec.structs.replace(TeamRecord(team_id=team_id), **changes)
    return await ctx.teams.add_with(
        record, members=members, member_limits=member_limits(request, ctx), call=ctx.call
    )


@function("POST", "/team/update", access=Access.TEAMS_WRITE, echoes=True)
async def update(request: TeamUpdateRequest, ctx: GovernanceContext) -> TeamUpdated:
    """Change a team. A field that is absent stays as it is, and null clears it."""
    return await _update(request, ctx)


@function("PATCH", "/team/{team_id}", access=Access.TEAMS_WRITE, echoes=True)
async def patch(request: TeamUpdateRequest, ctx: GovernanceContext) -> TeamUpdated:
    """Change a team, named in the path. A field that is absent stays as it is, and null clears it."""
    return await _update(request, ctx)


async def _update(request: TeamUpdateRequest, ctx: GovernanceContext) -> TeamUpdated:
    team_id = text(request.team_id, param="team_id")
    refuse_undeclared(request, await ctx.teams.find(team_id, call=ctx.call))
    changes, limits = team_changes(request, ctx), member_limits(request, ctx)
    await check_organization(changes, ctx)
    metadata = changes.get("metadata")
    inside = metadata.limits if isinstance(metadata, MetadataChange) else []
    above = await check_own(team_id, [*changes, *inside, *(["team_member_budget"] if limits else [])], ctx)
    models = request.models or []
    check: TeamCheck = unchecked if above or request.models is UNSET else partial(check_narrower, models)
    record = await ctx.teams.change_with(team_id, changes, member_limits=limits, check=check, call=ctx.call)
    return TeamUpdated(team_id=team_id, data=there(record))


@function("POST", "/team/block", access=Access.TEAMS_WRITE)
async def block(request: TeamRequest, ctx: GovernanceContext) -> TeamRecord:
    """Refuse every key of a team until it is unblocked."""
    return await _set_blocked(request, ctx, blocked=True)


@function("POST", "/team/unblock", access=Access.TEAMS_WRITE)
async def unblock(request: TeamRequest, ctx: GovernanceContext) -> TeamRecord:
    """Let a blocked team's keys in again."""
    return await _set_blocked(request, ctx, blocked=False)


async def _set_blocked(request: TeamRequest, ctx: GovernanceContext, *, blocked: bool) -> TeamRecord:
    refuse_undeclared(request)
    await check_own(request.team_id, ["blocked"], ctx)
    return there(await ctx.teams.change(request.team_id, {"blocked": blocked}, call=ctx.call))


@function("POST", "/team/delete", access=Access.TEAMS_WRITE)
async def delete(request: TeamDeleteRequest, ctx: GovernanceContext) -> TeamsDeleted:
    """Delete teams with their keys and memberships. A record of each team and key is kept."""
    refuse_undeclared(request)
    if not 1 <= len(request.team_ids) <= MAX_LISTED:
        raise InvalidRequest(f"team_ids: expected 1 to {MAX_LISTED}.", param="team_ids")
    team_ids = texts(request.team_ids, param="team_ids")
    found = {record.team_id for record in await ctx.teams.some(team_ids, call=ctx.call)}
    if unknown := sorted(set(team_ids) - found):
        raise NotFound(f"There is no team {unknown[0]!r}.", param="team_ids")
    for team_id in sorted(found):
        await check_own(team_id, ["team_id"], ctx)
    gone = await ctx.teams.remove(team_ids, call=ctx.call)
    return TeamsDeleted(deleted_teams=[record.team_id for record in gone])


@function("GET", "/team/info", access=Access.TEAMS_READ)
async def info(request: TeamQuery, ctx: GovernanceContext) -> TeamInfo:
    """Show a team with its members, and with those of its keys that the caller may see."""
    record = there(await ctx.teams.find(request.team_id, call=ctx.call))
    keys = await ctx.keys.page({"team_id": record.team_id}, call=ctx.call, size=MAX_LISTED)
    return TeamInfo(
        team_id=record.team_id,
        team_info=record,
        keys=keys.records,
        team_memberships=await ctx.teams.members(record.team_id, call=ctx.call),
    )


@function("GET", "/team/list", access=Access.TEAMS_READ)
async def list_teams(request: TeamListQuery, ctx: GovernanceContext) -> list[TeamRecord]:
    """List the teams within the caller's reach, newest first."""
    page = await ctx.teams.page(await _where(request, ctx), call=ctx.call, size=MAX_LISTED)
    return page.records


@function("GET", "/v2/team/list", access=Access.TEAMS_READ)
async def page_teams(request: TeamPageQuery, ctx: GovernanceContext) -> TeamPage:
    """List the teams within the caller's reach, by page. A page has 100 teams at most."""
    request = msgspec.structs.replace(request, page_size=min(request.page_size, MAX_PAGE))
    check_page(request.page, request.page_size, most=MAX_PAGE)
    page = await ctx.teams.search(await _where(request, ctx), request, call=ctx.call)
    return TeamPage(
        teams=page.records,
        total=page.total,
        page=request.page,
        page_size=request.page_size,
        total_pages=pages_of(page.total, request.page_size),
    )


@function("GET", "/team/filter/ui", access=Access.TEAMS_READ)
async def filter_teams(request: TeamFilterQuery, ctx: GovernanceContext) -> list[TeamRecord]:
    """Find teams within the caller's reach by a part of their id or alias."""
    check_page(request.page, request.page_size, most=MAX_PAGE)
    return (await ctx.teams.filtered(request, call=ctx.call)).records


@function("POST", "/team/member_add", access=Access.TEAMS_WRITE, echoes=True)
async def member_add(request: MemberAddRequest, ctx: GovernanceContext) -> TeamMembersAdded:
    """Add one member or several, all of them or none. Whoever is not a user yet becomes one."""
    refuse_undeclared(request)
    members = request.member if isinstance(request.member, list) else [request.member]
    return await _add(request.team_id, members, request, ctx)


@function("POST", "/team/bulk_member_add", access=Access.TEAMS_WRITE)
async def bulk_member_add(request: MembersAddRequest, ctx: GovernanceContext) -> MembersAdded:
    """Add up to 500 members, each on its own. A member that can't be added is told with the reason. Whoever
    is not a user yet becomes one. With `all_users` an admin adds every user."""
    refuse_undeclared(request)
    results: list[MemberAdded] = []
    members = await everybody_else(request, ctx) if request.all_users else request.members
    if not 1 <= len(members) <= MAX_MEMBERS:
        raise InvalidRequest(f"members: expected 1 to {MAX_MEMBERS}.", param="members")
    there(await ctx.teams.find(request.team_id, call=ctx.call))
    for member in members:
        try:
            added = await _add(request.team_id, [member], request, ctx)
        except GatewayError as error:
            results.append(
                MemberAdded(
                    user_id=member.user_id, user_email=member.user_email, success=False, error=error.message
                )
            )
            continue
        (user,) = added.updated_users
        results.append(
            MemberAdded(
                user_id=user.user_id,
                user_email=user.user_email,
                success=True,
                updated_user=user,
                updated_team_membership=added.updated_team_memberships[0],
            )
        )
    done = sum(each.success for each in results)
    return MembersAdded(
        team_id=request.team_id,
        results=results,
        total_requested=len(results),
        successful_additions=done,
        failed_additions=len(results) - done,
        updated_team=there(await ctx.teams.find(request.team_id, call=ctx.call)),
    )


async def _add(
    team_id: str, members: Sequence[Member], request: MemberLimits, ctx: GovernanceContext
) -> TeamMembersAdded:
    changes, limits = member_changes(request, ctx)
    added = await ctx.teams.add_members(
        team_id, check_members(members), changes=changes, limits=limits, call=ctx.call
    )
    if added is None:
        raise NotFound(NO_SUCH_TEAM, param="team_id")
    record, memberships = added
    new = {each.user_id for each in memberships}
    return TeamMembersAdded(
        **msgspec.structs.asdict(record),
        updated_users=[each for each in record.members_with_roles if each.user_id in new],
        updated_team_memberships=memberships,
    )


@function("POST", "/team/member_update", access=Access.TEAMS_WRITE, echoes=True)
async def member_update(request: MemberUpdateRequest, ctx: GovernanceContext) -> TeamMembershipRecord:
    """Change a member's role, models, budget or limits in the team."""
    refuse_undeclared(request)
    changes, limits = member_changes(request, ctx)
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
async def member_delete(request: MemberDeleteRequest, ctx: GovernanceContext) -> TeamRecord:
    """Take a member out of a team, and delete the keys that the member has there."""
    refuse_undeclared(request)
    member = Member(user_id=request.user_id, user_email=request.user_email)
    return there(await ctx.teams.remove_member(request.team_id, member, call=ctx.call))


@function("POST", "/team/{team_id}/member/{user_id}/reset_spend", access=Access.TEAMS_WRITE)
async def member_reset_spend(request: MemberSpendRequest, ctx: GovernanceContext) -> MemberSpendReset:
    """Set what a member of a team has spent in its budget window, in dollars. The team's admin may, who may
    raise the member's budget too."""
    refuse_undeclared(request)
    spend = dollars(request.reset_to, param="reset_to")
    await check_own(request.team_id, [], ctx)
    found = await ctx.teams.members(request.team_id, user_id=request.user_id, call=ctx.call)
    if not found:
        raise NotFound("There is no such member in this team.", param="user_id")
    await ctx.teams.change_member(
        request.team_id,
        Member(user_id=request.user_id),
        changes={"spend": spend},
        limits=None,
        call=ctx.call,
    )
    return MemberSpendReset(
        team_id=request.team_id, user_id=request.user_id, spend=spend, previous_spend=found[0].spend
    )


@function("POST", "/team/model/add", access=Access.TEAMS_WRITE)
async def model_add(request: TeamModelsRequest, ctx: GovernanceContext) -> TeamRecord:
    """Let a team use more models."""
    refuse_undeclared(request)
    models = texts(request.models, param="models")
    check: TeamCheck = unchecked
    if not await check_own(request.team_id, ["models"], ctx):
        check = partial(check_narrower, models)
    record = await ctx.teams.change_models(
        request.team_id,
        lambda own: [*own, *(model for model in dict.fromkeys(models) if model not in own)],
        check=check,
        call=ctx.call,
    )
    return there(record)


@function("POST", "/team/model/delete", access=Access.TEAMS_WRITE)
async def model_delete(request: TeamModelsRequest, ctx: GovernanceContext) -> TeamRecord:
    """Take models from a team. The last model can't be taken, since an empty list allows all models."""
    refuse_undeclared(request)
    models = texts(request.models, param="models")
    record = await ctx.teams.change_models(
        request.team_id,
        lambda own: [model for model in own if model not in models],
        check=partial(check_some_left, models),
        call=ctx.call,
    )
    return there(record)


@function("GET", "/team/permissions_list", access=Access.TEAMS_READ)
async def permissions_list(request: TeamQuery, ctx: GovernanceContext) -> TeamPermissions:
    """List the paths that a team's members may call for its keys."""
    record = there(await ctx.teams.find(request.team_id, call=ctx.call))
    return TeamPermissions(
        team_id=record.team_id,
        team_member_permissions=record.team_member_permissions,
        all_available_permissions=list(PERMISSIONS),
    )


@function("POST", "/team/permissions_update", access=Access.TEAMS_WRITE)
async def permissions_update(request: TeamPermissionsRequest, ctx: GovernanceContext) -> TeamRecord:
    """Set the paths that a team's members may call for its keys."""
    refuse_undeclared(request)
    changes = {"team_member_permissions": check_permissions(request.team_member_permissions)}
    return there(await ctx.teams.change(request.team_id, changes, call=ctx.call))


async def _where(request: TeamListQuery, ctx: GovernanceContext) -> dict[str, object]:
    where: dict[str, object] = {
        "team_id": request.team_id,
        "team_alias": request.team_alias,
        "organization_id": request.organization_id,
    }
    if request.user_id is not None:
        of_user = await teams_of(request.user_id, ctx)
        where["team_id"] = [each for each in of_user if request.team_id in (None, each)]
    return where
