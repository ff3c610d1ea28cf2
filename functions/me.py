"""Who the caller is, what it may do, and what is over it."""

from collections.abc import Iterator
from decimal import Decimal
from fnmatch import fnmatchcase

from functions.contract.call import MASTER_KEY_HASH, Caller
from functions.contract.function import function
from functions.contract.roles import Access, reaches_of
from functions.contract.visit import SESSION, cookie_of
from functions.ports.context import PeopleContext
from schema.limits import Meter
from schema.me import AllowedModel, BudgetOver, LimitOver, Me, MeQuery, MySession

NANO = Decimal(1_000_000_000)
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
            AllowedModel(id=card.id, because=_because(caller, card.id))
            for card in ctx.models.of_team(caller.team_id).cards(allowed=caller.models)
        ],
        budgets=[*_budgets(caller, now_s)],
        limits=[*_limits(caller, now_s)],
        session=_session(ctx) if how == "session" else None,
    )


def _how(caller: Caller) -> str:
    if caller.key_hash == MASTER_KEY_HASH:
        return "master_key"
    return next((word for word, prefix in PREFIXES if caller.key_hash.startswith(prefix)), "key")


def _session(ctx: PeopleContext) -> MySession:
    return MySession(csrf_token=ctx.sessions.csrf(cookie_of(ctx.visit, SESSION)))


def _because(caller: Caller, name: str) -> str:
    """What lets the caller use a model: the entry of each list over it, such as `team: openai/*`."""
    found = []
    for each in caller.models:
        entry = next((word for word in each.names if word == name), None)
        entry = entry or next((word for word in each.names if "*" in word and fnmatchcase(name, word)), None)
        found.append(f"{each.level}: {entry or 'an access group'}")
    return "; ".join(found) or "no list over you restricts models"


def _budgets(caller: Caller, now_s: float) -> Iterator[BudgetOver]:
    for rule in caller.rules:
        if rule.meter is Meter.MONEY:
            yield BudgetOver(
                level=rule.who,
                of=rule.subject,
                max_budget=Decimal(rule.limit_at(now_s)) / NANO,
                duration=rule.duration,
                model=rule.model,
            )


def _limits(caller: Caller, now_s: float) -> Iterator[LimitOver]:
    for rule in caller.rules:
        if rule.meter is not Meter.MONEY:
            yield LimitOver(
                level=rule.who,
                of=rule.subject,
                meter=rule.meter.name.lower(),
                limit=rule.limit_at(now_s),
                model=rule.model,
            )
