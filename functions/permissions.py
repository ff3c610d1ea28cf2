"""What users and keys may do now, with the reason for each."""

import msgspec

from functions.contract.call import Caller
from functions.contract.function import function
from functions.contract.roles import INTERNAL_USER_VIEWER, Access
from functions.ports.context import PermissionContext
from functions.ports.governance import InForceNow
from functions.rules.effective import because, budgets, denied, held_accesses, held_roles, limits
from schema.errors.requests import InvalidRequest
from schema.errors.rows import NotFound
from schema.me import AllowedModel
from schema.permissions import (
    KeyPermissionsQuery,
    ModelsOfTeam,
    Permissions,
    UserPermissionsQuery,
)
from schema.secret import hash_of

MAX_TEAMS = 50
HASH_CHARS = 64


@function("GET", "/user/permissions", access=Access.USERS_READ)
async def user(request: UserPermissionsQuery, ctx: PermissionContext) -> Permissions:
    """Tell what a user may do, and the models with a key of no team and of each of its teams, with the reason
    for each. A key can narrow it further."""
    user_id = request.user_id or ctx.call.caller.user_id
    record = await ctx.users.find(user_id, call=ctx.call) if user_id else None
    if record is None:
        raise NotFound("There is no such user.", param="user_id")
    alone = await ctx.authorities.of_user(record.user_id, None)
    teams = sorted(record.teams)[:MAX_TEAMS]
    found = [(None, alone)] + [(team, await ctx.authorities.of_user(record.user_id, team)) for team in teams]
    return _permissions(
        alone.caller or Caller(role=INTERNAL_USER_VIEWER, key_hash="", user_id=record.user_id),
        [_models(ctx, team, in_force) for team, in_force in found],
        is_known=alone.caller is not None,
    )


@function("GET", "/key/permissions", access=Access.KEYS_READ)
async def key(request: KeyPermissionsQuery, ctx: PermissionContext) -> Permissions:
    """Tell what a key may do, with the reason for each."""
    caller = ctx.call.caller
    if request.key is None and len(caller.key_hash) != HASH_CHARS:
        raise InvalidRequest("key: who calls has no virtual key; name one.", param="key")
    record = await ctx.keys.find(
        caller.key_hash if request.key is None else hash_of(request.key), call=ctx.call
    )
    if record is None:
        raise NotFound("There is no such key.", param="key")
    in_force = await ctx.authorities.of_key(record.token)
    found = _permissions(
        in_force.caller or Caller(role=INTERNAL_USER_VIEWER, key_hash=record.token),
        [_models(ctx, record.team_id, in_force)],
        is_known=in_force.caller is not None,
    )
    return msgspec.structs.replace(found, key=record.token)


def _permissions(caller: Caller, models: list[ModelsOfTeam], *, is_known: bool) -> Permissions:
    """`is_known`: calls are let in. Who is refused has no role and no access."""
    return Permissions(
        user_id=caller.user_id or None,
        roles=held_roles(caller) if is_known else [],
        may=held_accesses(caller) if is_known else [],
        routes=list(caller.allowed_routes),
        opened={path: sorted(teams) for path, teams in sorted(caller.permissions.items())},
        models=models,
    )


def _models(ctx: PermissionContext, team_id: str | None, in_force: InForceNow) -> ModelsOfTeam:
    caller = in_force.caller
    if caller is None:
        return ModelsOfTeam(team_id=team_id, refusal=in_force.refusal)
    now_s, seen = ctx.call.received_at.timestamp(), ctx.models.of_team(caller.team_id)
    return ModelsOfTeam(
        team_id=team_id,
        models=[
            AllowedModel(id=card.id, because=because(caller.models, card.id))
            for card in seen.cards(allowed=caller.models)
        ],
        denied=denied(caller, seen),
        budgets=[*budgets(caller, now_s)],
        limits=[*limits(caller, now_s)],
    )
