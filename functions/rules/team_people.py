"""Who becomes a member of a team, and in which teams somebody is."""

import msgspec

from functions.contract.call import MASTER_USER_ID, Call
from functions.contract.roles import Reach
from functions.ports.context import GovernanceContext
from functions.rules.team_policy import MAX_MEMBERS, check_members, there
from schema.errors.callers import NotAllowed
from schema.teams import Member, MembersAddRequest, TeamNewRequest


async def first_members(request: TeamNewRequest, ctx: GovernanceContext) -> list[Member]:
    """The members of a new team, and its maker as its admin. The master key's user gets a row where it has
    none. Where the config says so, an admin is not added."""
    older = [Member(role="admin", user_id=each) for each in request.admins]
    older += [Member(user_id=each) for each in request.members if each not in request.admins]
    members = check_members([*request.members_with_roles, *older])
    own = ctx.call.caller.user_id
    if not own or own in [member.user_id for member in members]:
        return members
    if ctx.call.caller.is_admin and ctx.policy.admins_stay_out:
        return members
    if own == MASTER_USER_ID or await ctx.users.find(own, call=_seeing_all(ctx)) is not None:
        members = [Member(role="admin", user_id=own), *members]
    return members


async def everybody_else(request: MembersAddRequest, ctx: GovernanceContext) -> list[Member]:
    """Every user that is not in the team yet. Raises NotAllowed, or InvalidRequest for too many."""
    if not ctx.call.scope.everything:
        raise NotAllowed("all_users: only a proxy_admin may add everybody.", param="all_users")
    team = there(await ctx.teams.find(request.team_id, call=ctx.call))
    inside = {member.user_id for member in team.members_with_roles}
    page = await ctx.users.page({}, call=ctx.call, size=MAX_MEMBERS + len(inside) + 1)
    return [Member(user_id=each.user_id) for each in page.records if each.user_id not in inside]


async def teams_of(user_id: str, ctx: GovernanceContext) -> list[str]:
    """The ids of the teams of a user, who may be beyond the caller's reach."""
    user = await ctx.users.find(user_id, call=_seeing_all(ctx))
    return [] if user is None else user.teams


def _seeing_all(ctx: GovernanceContext) -> Call:
    """The call with all rows in its scope, to look up who is in which team. What is shown of it stays within
    the caller's own scope."""
    return msgspec.structs.replace(
        ctx.call, scope=msgspec.structs.replace(ctx.call.scope, reaches=frozenset({Reach.ALL}))
    )
