"""Who the caller is, what it may do, and what is over it."""

from functions.contract.call import MASTER_KEY_HASH, Caller
from functions.contract.function import function
from functions.contract.roles import Access, reaches_of
from functions.contract.visit import SESSION, cookie_of
from functions.ports.context import PeopleContext
from functions.rules.effective import because, budgets, limits
from schema.me import AllowedModel, Me, MeQuery, MySession

PREFIXES = (("session", "session:"), ("token", "token:"))


@function("GET", "/v1/me", aliases=("/users/me",), access=Access.SELF_READ)
async def me(request: MeQuery, ctx: PeopleContext) -> Me:
    """Say who the caller is: the user and its roles, what they may do, the models with the reason for each,
    the budgets and limits over the caller. By a session, the token that changes need is told too."""
    caller, now_s = ctx.call.caller, ctx.call.received_at.timestamp()
    user = await ctx.users.find(caller.user_id, call=ctx.call) if caller.user_id else None
    how = _how(caller)
    return Me(
        user_id=caller.user_id or None,
        user=user,
        authenticated_by=how,  # type: ignore[arg-type]  # one of its literals
        key_alias=caller.key_alias,
        role=caller.role,
        roles=sorted(caller.roles),
        may={
            access.value: sorted(reach.value for reach in reaches)
            for access in Access
            if access is not Access.OPEN and (reaches := reaches_of(caller.roles, access))
        },
        teams=dict(caller.teams),
        organizations=dict(caller.organizations),
        models=[
            AllowedModel(id=card.id, because=because(caller.models, card.id))
            for card in ctx.models.of_team(caller.team_id).cards(allowed=caller.models)
        ],
        budgets=[*budgets(caller, now_s)],
        limits=[*limits(caller, now_s)],
        session=_session(ctx) if how == "session" else None,
    )


def _how(caller: Caller) -> str:
    if caller.key_hash == MASTER_KEY_HASH:
        return "master_key"
    return next((word for word, prefix in PREFIXES if caller.key_hash.startswith(prefix)), "key")


def _session(ctx: PeopleContext) -> MySession:
    return MySession(csrf_token=ctx.sessions.csrf(cookie_of(ctx.visit, SESSION)))
