"""What a caller may give a key: an owner, a lifetime, a budget. Pure, but teams, organizations and keys are
looked up."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

import msgspec

from functions.contract.policy import Policy
from functions.contract.roles import DEVOPS, Access, Reach
from functions.ports.context import GovernanceContext
from functions.rules.guardrail_names import GUARDRAILS, check_guardrails
from functions.rules.row_changes import list_changes, metadata_changes
from schema.errors.callers import NotAllowed
from schema.errors.requests import InvalidRequest
from schema.errors.rows import NotFound
from schema.fields import UNSET, dollars, limit_changes, replaced, text, texts
from schema.keys import KeyFields, KeyRecord
from schema.metadata import MetadataChange
from schema.secret import MAX_KEY_CHARS, MIN_KEY_CHARS
from schema.window import after

CUSTOMER_BUDGET = "end_user_budget_id"
NEVER = (None, "-1", "")
OWNERS = ("user_id", "team_id", "organization_id")
NAMES = ("key_alias", "budget_id", "key_type", "project_id", *OWNERS)
LISTS = ("models", "allowed_routes", "access_group_ids")
LOCAL_ONLY = "local_only"
OWN_FIELDS = ("key_alias", "metadata", "blocked", "aliases", "token", "key_name", "last_rotation_at")
"""The fields that an owner may change of a key that somebody else made."""


def check_chosen(key: str, param: str = "key") -> str:
    """A key that the caller has chosen, checked. Raises InvalidRequest."""
    fits = key.startswith("sk-") and key.isascii() and MIN_KEY_CHARS <= len(key) <= MAX_KEY_CHARS
    if not fits or not key.isprintable() or " " in key:
        raise InvalidRequest(
            f"{param}: expected `sk-` and at least {MIN_KEY_CHARS} printable ASCII characters in all.",
            param=param,
        )
    return key


def key_name(key: str) -> str:
    return f"sk-...{key[-4:]}"


def key_changes(request: KeyFields, ctx: GovernanceContext) -> dict[str, object]:
    """The columns that a body sets, checked. Raises InvalidRequest."""
    now = ctx.call.received_at
    changes = limit_changes(request, now, ctx.policy.zone)
    if request.project_id == "":
        raise InvalidRequest(
            "project_id: expected the id of a project, or null to take the key out of its project.",
            param="project_id",
        )
    for name in NAMES:
        value = getattr(request, name)
        if value is not UNSET and not (value == "" and name in OWNERS):
            changes[name] = None if value in (None, "") else text(value, param=name)
    changes |= list_changes(request, LISTS)
    if request.aliases is not UNSET:
        texts([*(request.aliases or {}), *(request.aliases or {}).values()], param="aliases")
        changes["aliases"] = request.aliases or {}
    if request.spend is not UNSET:
        changes["spend"] = dollars(request.spend or Decimal(0), param="spend")
    if request.blocked is not UNSET:
        changes["blocked"] = request.blocked
    if request.duration is not UNSET:
        changes["expires"] = expiry(request.duration, now)
    changes |= metadata_changes(request)
    check_alias(changes.get("key_alias"), ctx.policy)
    check_guardrails(changes, ctx.guardrails)
    return changes


def expiry(duration: str | None, now: datetime) -> datetime | None:
    if duration in NEVER:
        return None
    assert duration is not None
    return now if duration == "0s" else after(now, duration, param="duration")


def as_test_key(request: KeyFields, policy: Policy, now: datetime, *, new: bool) -> KeyFields:
    """The request for a test key, which is all that devops may make: it does not live long and can spend
    little. A `new` key without a lifetime or a budget gets the longest and the largest that are allowed.
    Raises NotAllowed."""
    caps: dict[str, object] = {
        "duration": policy.devops_key_duration,
        "max_budget": policy.devops_key_budget,
    }
    given: dict[str, object] = {}
    for name, cap in caps.items():
        value = getattr(request, name)
        if value is UNSET and not new:
            continue
        if value is UNSET:
            given[name] = cap
        elif value in NEVER or _size(name, value, now) > _size(name, cap, now):
            raise NotAllowed(f"{name}: a test key may have at most {cap}.", param=name)
    for name in ("budget_duration", "budget_id", "budget_limits", "temp_budget_increase", "spend"):
        if getattr(request, name) not in (UNSET, None):
            raise NotAllowed(f"{name}: not for a test key.", param=name)
    return replaced(request, given)


async def check_owner(
    changes: dict[str, object],
    ctx: GovernanceContext,
    before: KeyRecord | None = None,
    *,
    service: bool = False,
) -> None:
    """Check that the key's user, team and organization are within the caller's scope. A new key without a
    user becomes the caller's own, unless the caller is an admin or administers the key's team. The key of a
    `service` account has no user. Raises NotAllowed, or NotFound for a team or organization that is not
    there."""
    call, scope = ctx.call, ctx.call.scope
    user_id, team_id, organization_id = (changes.get(name) for name in OWNERS)
    await _check_project(changes, ctx, before)
    if scope.everything:
        await _check_customer_budget(changes.get("metadata"), ctx)
        if isinstance(team_id, str) and await ctx.teams.find(team_id, call=call) is None:
            raise NotFound(f"There is no team {team_id!r}.", param="team_id")
        organizations = ctx.organizations
        if isinstance(organization_id, str) and not await organizations.find(organization_id, call=call):
            raise NotFound(f"There is no organization {organization_id!r}.", param="organization_id")
        return
    metadata = changes.get("metadata")
    if isinstance(metadata, MetadataChange) and CUSTOMER_BUDGET in {*metadata.put, *metadata.drop}:
        raise NotAllowed(f"{CUSTOMER_BUDGET}: only an admin may set it.", param=CUSTOMER_BUDGET)
    if changes.get("spend") is not None and not await _may_reset(before, ctx):
        raise NotAllowed(
            "spend: only an admin, or who administers the key's team, may set what another key has spent.",
            param="spend",
        )
    if "budget_id" in changes and (before is not None or changes["budget_id"] is not None):
        raise NotAllowed(
            "budget_id: only an admin may put a key under a budget or take it out.", param="budget_id"
        )
    for name in ("team_id", "organization_id", "project_id"):
        if before is not None and name in changes and changes[name] is None and getattr(before, name):
            raise NotAllowed(f"{name}: only an admin may take a key out of it.", param=name)
    narrow = msgspec.structs.replace(
        call, scope=msgspec.structs.replace(scope, reaches=scope.reaches - {Reach.MINE, Reach.CREATED})
    )
    if organization_id is not None and organization_id not in scope.organizations:
        raise NotFound(f"There is no organization {organization_id!r}.", param="organization_id")
    if isinstance(team_id, str):
        if await ctx.teams.find(team_id, call=narrow) is None:
            raise NotFound(f"There is no team {team_id!r} whose keys you may manage.", param="team_id")
        _check_role_in_team(team_id, ctx)
        nobodys = user_id is None and (before is None or before.user_id is None)
        if nobodys and not await _manages(team_id, ctx):
            if service or before is not None:
                await check_unlimited(team_id, ctx)
            else:
                changes["user_id"] = user_id = scope.user_id
    elif before is None and user_id is None:
        changes["user_id"] = user_id = scope.user_id
    if user_id not in (None, scope.user_id):
        raise NotAllowed(
            "user_id: a key acts as its user, so only a proxy_admin makes one for somebody else.",
            param="user_id",
        )
    if before is None and not isinstance(team_id, str):
        _check_personal(ctx)
    if before is not None and "user_id" in changes and before.user_id != user_id:
        raise NotAllowed("user_id: only a proxy_admin gives a key to somebody else.", param="user_id")


async def _check_project(
    changes: dict[str, object], ctx: GovernanceContext, before: KeyRecord | None
) -> None:
    """Check that the key's project is one of the key's team. Only an admin moves a key from one project to
    another, since the budget of the first one would not hold any more. Raises InvalidRequest or
    NotAllowed."""
    project_id = changes.get("project_id", None if before is None else before.project_id)
    if project_id is None or not {"project_id", "team_id"} & changes.keys():
        return
    assert isinstance(project_id, str)
    team_id = changes.get("team_id", None if before is None else before.team_id)
    own = await ctx.keys.team_of_project(project_id)
    if own is None or own != team_id:
        raise InvalidRequest("project_id: the key's team has no such project.", param="project_id")
    moved = before is not None and before.project_id not in (None, project_id)
    if moved and not ctx.call.scope.everything:
        raise NotAllowed("project_id: only an admin may move a key to another project.", param="project_id")


async def _check_customer_budget(metadata: object, ctx: GovernanceContext) -> None:
    """Check that the budget for a key's customers is there. Raises InvalidRequest."""
    if isinstance(metadata, MetadataChange) and CUSTOMER_BUDGET in metadata.put:
        budget_id = msgspec.json.decode(metadata.put[CUSTOMER_BUDGET], type=str)
        if await ctx.keys.budget(budget_id) is None:
            raise InvalidRequest(f"{CUSTOMER_BUDGET}: there is no such budget.", param=CUSTOMER_BUDGET)


async def check_unlimited(team_id: str, ctx: GovernanceContext) -> None:
    """Check that a plain member of a team has no limits of its own there, since they do not hold for a team's
    key without a user. Raises NotAllowed."""
    found = await ctx.teams.members(team_id, call=ctx.call, user_id=ctx.call.scope.user_id)
    team = await ctx.teams.find(team_id, call=ctx.call)
    of_all = team is not None and team.member_budget_id is not None
    if of_all or not found or any(each.budget_id or each.allowed_models for each in found):
        raise NotAllowed(
            "user_id: you have limits of your own in this team, which don't hold for a key without a user; "
            "the team's admin can make it.",
            param="user_id",
        )


async def _manages(team_id: str, ctx: GovernanceContext) -> bool:
    """Whether the caller administers the team or its organization. A path that the team opened to its members
    does not count."""
    own = ctx.call.caller.scope(Access.KEYS_WRITE)
    scope = msgspec.structs.replace(own, reaches=own.reaches - {Reach.MINE, Reach.CREATED})
    call = msgspec.structs.replace(ctx.call, scope=scope)
    return await ctx.teams.find(team_id, call=call) is not None


async def _may_reset(before: KeyRecord | None, ctx: GovernanceContext) -> bool:
    """Whether the caller, who is no admin, may set what a key has spent. Who administers the key's team may,
    since it may raise the key's budget too: not of an own key, and not of a key under a budget that an admin
    named."""
    if before is None or before.team_id is None or before.budget_id is not None:
        return False
    return before.user_id != ctx.call.scope.user_id and await _manages(before.team_id, ctx)


async def check_secret(ctx: GovernanceContext, before: KeyRecord) -> None:
    """Check that the caller may see a new key in place of this one, since whoever is shown a key can act as
    its user. A team's key without a user is judged like a key that is made in the team. `check_owner` judges
    the team that the key moves into. Raises NotAllowed where the user is somebody else."""
    scope = ctx.call.scope
    team_id = before.team_id if before.user_id is None and not scope.everything else None
    if team_id is not None:
        _check_role_in_team(team_id, ctx)
        if not await _manages(team_id, ctx):
            await check_unlimited(team_id, ctx)
    if not scope.everything and before.user_id not in (None, scope.user_id):
        raise NotAllowed(
            "key: it acts as its user, so only that user or a proxy_admin regenerates it.", param="key"
        )


async def check_service_keys(records: Sequence[KeyRecord], ctx: GovernanceContext) -> None:
    """Check that nobody deletes a team's key without a user who does not administer the team. That the team
    opened the path to its members is not enough. Raises NotAllowed."""
    if ctx.call.scope.everything:
        return
    for team_id in sorted({each.team_id for each in records if each.team_id and not each.user_id}):
        if not await _manages(team_id, ctx):
            raise NotAllowed(
                "keys: a team's key without a user is deleted by the team's admin alone.", param="keys"
            )


async def check_modest(changes: dict[str, object], ctx: GovernanceContext, before: KeyRecord) -> None:
    """Check a change by a caller whose only right to the key is that it owns it. Such a caller may not loosen
    what somebody else has set: budgets, limits, models, paths, the lifetime, a block. Raises NotAllowed."""
    call, scope = ctx.call, ctx.call.scope
    if scope.everything:
        return
    metadata = changes.get("metadata")
    inside = metadata.limits if isinstance(metadata, MetadataChange) else []
    kept = bytes(before.metadata.get(LOCAL_ONLY, b"null")) not in (b"null", b"false")
    if kept and LOCAL_ONLY in inside:  # nobody can tell any more who set it
        raise NotAllowed("local_only: a proxy_admin alone lets this key's calls leave.", param=LOCAL_ONLY)
    put = metadata.put if isinstance(metadata, MetadataChange) else {}
    if GUARDRAILS in inside and _names(before.metadata) - _names(put):
        raise NotAllowed("guardrails: a proxy_admin alone takes one away from a key.", param=GUARDRAILS)
    above = msgspec.structs.replace(scope, reaches=scope.reaches - {Reach.MINE, Reach.CREATED})
    if await ctx.keys.find(before.token, call=msgspec.structs.replace(call, scope=above)) is not None:
        return
    if before.blocked and before.updated_by != scope.user_id:  # any change would make the block its own
        raise NotAllowed("key: somebody else blocked this key, and has to unblock it.", param="key")
    if before.created_by == scope.user_id:
        return
    beyond = [name for name in (*changes, *inside) if name not in OWN_FIELDS]
    if beyond:
        raise NotAllowed(f"{beyond[0]}: you did not make this key, and can't change it.", param=beyond[0])


def _names(metadata: Mapping[str, msgspec.Raw]) -> set[str]:
    """The guardrails that a key's metadata name. SQL may have written something else there: it stays."""
    raw = metadata.get(GUARDRAILS, msgspec.Raw(b"null"))
    try:
        return set(msgspec.json.decode(raw, type=list[str] | None) or ())
    except msgspec.DecodeError:
        return {bytes(raw).decode("utf-8", "replace")}


def check_test_key(changes: dict[str, object], ctx: GovernanceContext, before: KeyRecord | None) -> None:
    """Check that a test key gets no limits through `metadata`, and that no change makes it end later than a
    test key may, counted from when it was made. Raises NotAllowed."""
    ends, policy = changes.get("expires"), ctx.policy
    if before is not None and before.created_at is not None and isinstance(ends, datetime):
        latest = after(before.created_at, policy.devops_key_duration, param="duration")
        if ends > latest:
            raise NotAllowed(f"duration: a test key ends by {latest:%Y-%m-%d %H:%M} UTC.", param="duration")
    metadata = changes.get("metadata")
    if isinstance(metadata, MetadataChange) and metadata.limits:
        raise NotAllowed(f"{metadata.limits[0]}: not for a test key.", param=metadata.limits[0])


def is_test_maker(ctx: GovernanceContext) -> bool:
    return DEVOPS in ctx.call.caller.roles and not ctx.call.scope.everything


def _check_personal(ctx: GovernanceContext) -> None:
    allowed = ctx.policy.personal_key_roles
    if allowed and ctx.call.caller.role not in allowed:
        raise NotAllowed("The config lets only these roles make keys of their own: " + ", ".join(allowed))


def _check_role_in_team(team_id: str, ctx: GovernanceContext) -> None:
    allowed = ctx.policy.team_key_roles
    role = ctx.call.caller.teams.get(team_id)
    if allowed and role is not None and role not in allowed:
        raise NotAllowed("The config lets only these members make keys of a team: " + ", ".join(allowed))


def check_alias(alias: object, policy: Policy) -> None:
    """Check an alias against the pattern of the config. Raises InvalidRequest."""
    pattern = policy.key_alias_pattern
    if isinstance(alias, str) and pattern is not None and re.fullmatch(pattern, alias) is None:
        raise InvalidRequest(f"key_alias: expected a name that fits {pattern}", param="key_alias")


def _size(name: str, value: object, now: datetime) -> Decimal:
    """A value as a number that can be compared: dollars, or the seconds of a duration."""
    if isinstance(value, Decimal):
        return dollars(value, param=name)
    if isinstance(value, str):
        ends = expiry(value, now) if name == "duration" else after(now, value, param=name)
        return Decimal("Infinity") if ends is None else Decimal((ends - now).total_seconds())
    return Decimal(str(value))
