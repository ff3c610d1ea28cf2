"""What somebody who is no proxy_admin may do to users. Pure, but users are looked up."""

import msgspec

from functions.contract.roles import ASSIGNABLE, Reach
from functions.ports.context import GovernanceContext
from functions.rules.user_policy import MODEST_ROLES
from schema.errors.callers import NotAllowed
from schema.errors.requests import InvalidRequest
from schema.metadata import MetadataChange


async def check_user_made(user_ids: list[str], ctx: GovernanceContext) -> None:
    """Check that the caller may block or delete these users. An organization's admin may do so only to users
    that it made itself, that nobody has signed in as at a provider, and that are still no more than team
    members. It may take any other user out of the organization instead, since that user may work elsewhere
    too. Raises NotAllowed."""
    if ctx.call.scope.everything:
        return
    for record in await ctx.users.some(user_ids, call=ctx.call):
        if record.created_by != ctx.call.scope.user_id or record.sso_user_id is not None:
            raise NotAllowed(
                f"user_id: {record.user_id!r} was made by somebody else, or signs in at a provider; take it "
                "out of the organization.",
                param="user_id",
            )
        if record.user_role not in MODEST_ROLES:
            raise NotAllowed(
                f"user_id: {record.user_id!r} is {record.user_role}; only a proxy_admin may do that.",
                param="user_id",
            )


def check_user_role(role: object, ctx: GovernanceContext) -> None:
    """Check a role. Only a proxy_admin may give a role above a team member's. Raises InvalidRequest or
    NotAllowed."""
    if role not in ASSIGNABLE:
        raise InvalidRequest(f"user_role: expected one of {', '.join(ASSIGNABLE)}", param="user_role")
    if not ctx.call.scope.everything and role not in MODEST_ROLES:
        raise NotAllowed(f"user_role: only a proxy_admin may make someone {role}.", param="user_role")


async def check_user_modest(user_id: str, changes: dict[str, object], ctx: GovernanceContext) -> None:
    """Check a change by an organization's admin. It may change a user's alias and `metadata`, and nothing
    that counts outside its organization: e-mail, role, block, budget and limits. Anybody else may change the
    own alias alone. Raises NotAllowed."""
    metadata = changes.get("metadata")
    inside = metadata.limits if isinstance(metadata, MetadataChange) else []
    scope = ctx.call.scope
    above = msgspec.structs.replace(scope, reaches=scope.reaches - {Reach.MINE})
    is_above = await ctx.users.find(user_id, call=msgspec.structs.replace(ctx.call, scope=above)) is not None
    beyond = sorted({*changes, *inside} - ({"user_alias", "metadata"} if is_above else {"user_alias"}))
    if beyond:
        raise NotAllowed(f"{beyond[0]}: only a proxy_admin may change it.", param=beyond[0])
