"""Users: make, change, show, list, block, delete."""

import msgspec

from functions.contract.call import IGNORED_HEADER, MASTER_USER_ID
from functions.contract.function import function
from functions.contract.roles import ROLE_LABELS, Access
from functions.ports.context import GovernanceContext
from functions.rules.guardrail_names import check_guardrails
from functions.rules.key_bounds import KeyBounds
from functions.rules.key_policy import check_alias, key_name
from functions.rules.pages import check_page, pages_of
from functions.rules.user_bounds import check_user_made, check_user_modest, check_user_role
from functions.rules.user_policy import DEFAULTS, user_changes, user_made
from schema.errors.base import GatewayError
from schema.errors.callers import NotAllowed
from schema.errors.requests import InvalidRequest
from schema.errors.rows import NotFound
from schema.fields import UNSET, dollars, filled, replaced, text, texts
from schema.keys import KeyRecord
from schema.metadata import metadata_change
from schema.secret import hash_of
from schema.undeclared import refuse_undeclared, with_parts
from schema.users import (
    RoleLabel,
    RolesQuery,
    UserBlockRequest,
    UserBulkUpdateRequest,
    UserChanged,
    UserDeleteRequest,
    UserFields,
    UserFilterQuery,
    UserFound,
    UserInfo,
    UserInfoQuery,
    UserList,
    UserListQuery,
    UserMade,
    UserNewRequest,
    UserRecord,
    UsersChanged,
    UserTeam,
    UserUpdated,
    UserUpdateRequest,
)
from schema.window import after

MAX_PAGE = 100
MAX_AT_ONCE = 500
MAX_SHOWN = 1_000
NO_SUCH_USER = "There is no such user."

_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])


@function("POST", "/user/new", access=Access.USERS_WRITE, echoes=True)
async def new(request: UserNewRequest, ctx: GovernanceContext) -> UserMade:
    """Make a user, in the teams and organizations named. An admin's request also makes a first key, unless
    `auto_create_key` is false."""
    refuse_undeclared(request)
    await _check_sent(request, ctx)
    source = "default" if request.user_role is UNSET else "api"
    request = filled(request, ctx.policy.user_defaults, DEFAULTS)
    user_id = ctx.entropy.id() if request.user_id is None else text(request.user_id, param="user_id")
    record = user_made(user_id, {**_changes(request, ctx), "role_source": source})
    check_user_role(record.user_role, ctx)
    key = ctx.entropy.key() if _wants_key(request, ctx) else None
    first = None if key is None else await _first_key(key, user_id, request, ctx)
    made = await ctx.users.add_with(
        record, teams=_teams(request), organizations=_organizations(request), key=first, call=ctx.call
    )
    return UserMade(
        **msgspec.structs.asdict(made),
        key=key,
        token=None if first is None else first.token,
        expires=None if first is None else first.expires,
    )


def _wants_key(request: UserNewRequest, ctx: GovernanceContext) -> bool:
    """Whether a first key is made. Only for an admin: whoever is shown a key can act as its user, also when
    that user is later given more rights. Raises InvalidRequest for a field that is for a key where none is
    made."""
    if ctx.call.scope.everything and request.auto_create_key is not False:
        return True
    for name in ("key_alias", "duration"):
        if getattr(request, name) is not None:
            raise InvalidRequest(f"{name}: no key is made here that could have it.", param=name)
    if request.aliases:
        ctx.call.reply_headers[IGNORED_HEADER] = "aliases"
    return False


async def _first_key(key: str, user_id: str, request: UserNewRequest, ctx: GovernanceContext) -> KeyRecord:
    token, duration, now = hash_of(key), request.duration, ctx.call.received_at
    check_alias(request.key_alias, ctx.policy)
    record = KeyRecord(
        token=token,
        key_id=token,
        created_at=now,
        key_name=key_name(key),
        key_alias=None if request.key_alias is None else text(request.key_alias, param="key_alias"),
        user_id=user_id,
        team_id=request.team_id or None,
        aliases=_aliases(request),
        expires=None if duration is None else after(now, duration, param="duration"),
    )
    return await KeyBounds(ctx.call, ctx.keys, ctx.policy, ctx.accesses).made(record)


def _aliases(request: UserNewRequest) -> dict[str, str]:
    aliases = request.aliases or {}
    texts([*aliases, *aliases.values()], param="aliases")
    return aliases


def _teams(request: UserNewRequest) -> list[UserTeam]:
    """The teams that a request names, checked. Raises InvalidRequest where one is named twice."""
    teams = [UserTeam(team_id=each) if isinstance(each, str) else each for each in request.teams or []]
    if request.team_id and request.team_id not in [each.team_id for each in teams]:
        teams.append(UserTeam(team_id=request.team_id))
    _once(texts([each.team_id for each in teams], param="teams"), param="teams")
    return [
        each
        if each.max_budget_in_team is None
        else msgspec.structs.replace(
            each, max_budget_in_team=dollars(each.max_budget_in_team, param="max_budget_in_team")
        )
        for each in teams
    ]


def _organizations(request: UserNewRequest) -> list[str]:
    return _once(texts(request.organizations or [], param="organizations"), param="organizations")


def _once(names: list[str], *, param: str) -> list[str]:
    if len(set(names)) != len(names):
        raise InvalidRequest(f"{param}: one is named twice.", param=param)
    return names


@function("POST", "/user/update", access=Access.USER_UPDATE, echoes=True)
async def update(request: UserUpdateRequest, ctx: GovernanceContext) -> UserUpdated:
    """Change a user, named by id or by e-mail. A field that is absent stays as it is, and null clears it.
    Everybody may give oneself another alias."""
    return await _update(request, ctx)


@function("POST", "/user/bulk_update", access=Access.USERS_WRITE)
async def bulk_update(request: UserBulkUpdateRequest, ctx: GovernanceContext) -> UsersChanged:
    """Change up to 500 users, each on its own. A user that can't be changed is told with the reason. With
    `all_users`, every user gets `user_updates`."""
    refuse_undeclared(request)
    bodies = await _everybody(request, ctx) if request.all_users else request.users
    if not 1 <= len(bodies) <= MAX_AT_ONCE:
        raise InvalidRequest(f"users: expected 1 to {MAX_AT_ONCE}.", param="users")
    if not request.all_users:
        with_parts(request, "users", request.users)
    results: list[UserChanged] = []
    for each in bodies:
        user_id, email = each.user_id or "", each.user_email or None
        try:
            row = (await _update(each, ctx)).data
        except GatewayError as error:
            results.append(UserChanged(user_id=user_id, user_email=email, success=False, error=error.message))
            continue
        results.append(
            UserChanged(user_id=row.user_id, user_email=row.user_email, success=True, updated_user=row)
        )
    done = sum(each.success for each in results)
    return UsersChanged(
        results=results,
        total_requested=len(results),
        successful_updates=done,
        failed_updates=len(results) - done,
    )


async def _everybody(request: UserBulkUpdateRequest, ctx: GovernanceContext) -> list[UserUpdateRequest]:
    """A body for every user, with the fields of `user_updates`. Raises NotAllowed or InvalidRequest."""
    if not ctx.call.scope.everything:
        raise NotAllowed("all_users: only a proxy_admin may change everybody.", param="all_users")
    updates = request.user_updates
    if updates is None or request.users:
        raise InvalidRequest(
            "user_updates: all_users needs the fields to change, and no users.", param="user_updates"
        )
    if "user_updates" in request.raw:
        updates.with_raw(_FIELDS.decode(request.raw["user_updates"]))
    for name in ("user_id", "user_email"):
        if getattr(updates, name):
            raise InvalidRequest(f"user_updates.{name}: it can't be everybody's.", param="user_updates")
    page = await ctx.users.page({}, call=ctx.call, size=MAX_AT_ONCE + 1)
    return [replaced(updates, {"user_id": each.user_id}) for each in page.records]


async def _update(request: UserUpdateRequest, ctx: GovernanceContext) -> UserUpdated:
    own = await ctx.users.find(request.user_id, call=ctx.call) if request.user_id else None
    refuse_undeclared(request, own)
    changes = _changes(request, ctx)
    if "user_role" in changes:
        check_user_role(changes["user_role"], ctx)
    if request.follow_directory:
        if "user_role" in changes:
            raise InvalidRequest(
                "follow_directory: the directory gives the role, so send no user_role.",
                param="follow_directory",
            )
        changes["role_source"] = "claim"
    user_id = request.user_id
    if user_id is None:
        if not request.user_email:
            raise InvalidRequest("user_id: name the user by user_id or user_email.", param="user_id")
        user_id = await _by_email(str(request.user_email), ctx)
        del changes["user_email"]
    if not ctx.call.scope.everything:
        await check_user_modest(user_id, changes, ctx)
    record = await ctx.users.change(user_id, changes, call=ctx.call)
    if record is None:
        raise NotFound(NO_SUCH_USER, param="user_id")
    return UserUpdated(user_id=user_id, data=record)


@function("POST", "/user/block", access=Access.USERS_WRITE)
async def block(request: UserBlockRequest, ctx: GovernanceContext) -> UserRecord:
    """Refuse every key of a user until it is unblocked."""
    return await _set_blocked(request, ctx, blocked=True)


@function("POST", "/user/unblock", access=Access.USERS_WRITE)
async def unblock(request: UserBlockRequest, ctx: GovernanceContext) -> UserRecord:
    """Let a blocked user's keys in again."""
    return await _set_blocked(request, ctx, blocked=False)


async def _set_blocked(request: UserBlockRequest, ctx: GovernanceContext, *, blocked: bool) -> UserRecord:
    refuse_undeclared(request)
    await check_user_made([request.user_id], ctx)
    record = await ctx.users.change(request.user_id, {"blocked": blocked}, call=ctx.call)
    if record is None:
        raise NotFound(NO_SUCH_USER, param="user_id")
    return record


@function("POST", "/user/delete", access=Access.USERS_WRITE)
async def delete(request: UserDeleteRequest, ctx: GovernanceContext) -> int:
    """Delete users with their keys and memberships. The answer is the number of users. A record of each key
    is kept. Where an organization is named, all of the users have to be in it."""
    refuse_undeclared(request)
    if not 1 <= len(request.user_ids) <= MAX_AT_ONCE:
        raise InvalidRequest(f"user_ids: expected 1 to {MAX_AT_ONCE}.", param="user_ids")
    user_ids = texts(request.user_ids, param="user_ids")
    if request.organization_id is not None:
        inside = await ctx.users.inside(request.organization_id, user_ids, call=ctx.call)
        if outside := sorted(set(user_ids) - set(inside)):
            raise NotFound(f"{outside[0]!r} is not in this organization.", param="user_ids")
    await check_user_made(user_ids, ctx)
    gone = await ctx.users.remove(user_ids, call=ctx.call)
    if not gone:
        raise NotFound(NO_SUCH_USER, param="user_ids")
    return len(gone)


@function("GET", "/user/info", access=Access.USERS_READ)
async def info(request: UserInfoQuery, ctx: GovernanceContext) -> UserInfo:
    """Show a user with its keys and teams. Without `user_id`, show the caller's own user; a proxy_admin
    without a user is shown all keys and teams, 1,000 of each at most."""
    if request.user_id is None and ctx.call.caller.is_admin and not await _has_row(ctx):
        return UserInfo(
            user_id=None,
            user_info=None,
            keys=(await ctx.keys.page({}, call=ctx.call, size=MAX_SHOWN)).records,
            teams=(await ctx.teams.page({}, call=ctx.call, size=MAX_SHOWN)).records,
        )
    record = await _found(request, ctx)
    owned = {"user_id": record.user_id}
    return UserInfo(
        user_id=record.user_id,
        user_info=record,
        keys=(await ctx.keys.page(owned, call=ctx.call, size=MAX_SHOWN)).records,
        teams=(await ctx.teams.page({"team_id": record.teams}, call=ctx.call, size=MAX_SHOWN)).records,
    )


@function("GET", "/v2/user/info", access=Access.USERS_READ)
async def info_alone(request: UserInfoQuery, ctx: GovernanceContext) -> UserRecord:
    """Show a user without its keys and teams. Without `user_id`, show the caller's own user."""
    return await _found(request, ctx)


@function("GET", "/user/list", access=Access.USERS_READ)
async def list_users(request: UserListQuery, ctx: GovernanceContext) -> UserList:
    """List the users within the caller's reach, by page."""
    request = msgspec.structs.replace(request, page_size=min(request.page_size, MAX_PAGE))
    check_page(request.page, request.page_size, most=MAX_PAGE)
    page = await ctx.users.search(request, call=ctx.call)
    return UserList(
        users=page.records,
        total=page.total,
        page=request.page,
        page_size=request.page_size,
        total_pages=pages_of(page.total, request.page_size),
    )


@function("GET", "/user/filter/ui", access=Access.USERS_READ)
async def filter_users(request: UserFilterQuery, ctx: GovernanceContext) -> list[UserFound]:
    """Find users within the caller's reach by a part of their id or mail address."""
    check_page(request.page, request.page_size, most=MAX_PAGE)
    page = await ctx.users.filtered(request, call=ctx.call)
    return [UserFound(user_id=each.user_id, user_email=each.user_email) for each in page.records]


@function("GET", "/user/available_roles", access=Access.ROLES_READ)
async def available_roles(request: RolesQuery, ctx: GovernanceContext) -> dict[str, RoleLabel]:
    """List the roles that a user can have, with what each may do."""
    return {
        role: RoleLabel(description=description, ui_label=label)
        for role, (label, description) in ROLE_LABELS.items()
    }


def _changes(request: UserFields, ctx: GovernanceContext) -> dict[str, object]:
    changes = user_changes(request, ctx.call.received_at, ctx.policy.zone)
    check_guardrails(changes, ctx.guardrails)
    return changes


async def _check_sent(request: UserNewRequest, ctx: GovernanceContext) -> None:
    """Check what an organization's admin sends for a new user. The user has to be in the admin's own
    organizations and in teams within its scope. It gets no key, and none of the fields that the config sets
    for new users. Raises NotAllowed, or NotFound for a team."""
    scope = ctx.call.scope
    if scope.everything:
        return
    organizations = _organizations(request)
    if not organizations or not set(organizations) <= scope.organizations:
        raise NotAllowed("organizations: name those that you administer.", param="organizations")
    if request.auto_create_key is True:
        raise NotAllowed(
            "auto_create_key: a key acts as its user, so only a proxy_admin makes one for somebody else.",
            param="auto_create_key",
        )
    change = metadata_change(request)
    sent = {name for name in request.__struct_fields__ if getattr(request, name) is not UNSET}
    sent.update(change.limits if change is not None else [])
    tied = {"sso_user_id", "temp_budget_increase", *ctx.policy.user_defaults} - {"teams", "auto_create_key"}
    beyond = sorted(sent & tied)
    if beyond:
        raise NotAllowed(f"{beyond[0]}: only a proxy_admin may say it of a new user.", param=beyond[0])
    teams = _teams(request)
    found = {
        record.team_id for record in await ctx.teams.some([each.team_id for each in teams], call=ctx.call)
    }
    for each in teams:
        if each.team_id not in found:
            raise NotFound(f"There is no team {each.team_id!r}.", param="teams")


async def _has_row(ctx: GovernanceContext) -> bool:
    """Whether the caller is a user with a row. The master key's user never counts as one."""
    own = ctx.call.caller.user_id
    return own not in ("", MASTER_USER_ID) and await ctx.users.find(own, call=ctx.call) is not None


async def _found(request: UserInfoQuery, ctx: GovernanceContext) -> UserRecord:
    user_id = request.user_id or ctx.call.caller.user_id
    record = await ctx.users.find(user_id, call=ctx.call) if user_id else None
    if record is None and not request.user_id:
        raise InvalidRequest("user_id: your key has no user; name one.", param="user_id")
    if record is None:
        raise NotFound(NO_SUCH_USER, param="user_id")
    return record


async def _by_email(email: str, ctx: GovernanceContext) -> str:
    found = (await ctx.users.page({"user_email": email}, call=ctx.call, size=2)).records
    if len(found) != 1:
        raise NotFound(
            f"{len(found)} users have that e-mail address; name one by user_id.", param="user_email"
        )
    return found[0].user_id
