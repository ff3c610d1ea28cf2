"""What a team and its members may be given, and by whom. Pure, but the team and its organization are looked
up."""

from collections.abc import Callable, Sequence
from datetime import datetime, tzinfo

import msgspec

from functions.contract.policy import Policy
from functions.contract.roles import Reach
from functions.ports.context import GovernanceContext
from functions.rules.guardrail_names import check_guardrails
from functions.rules.row_changes import flag_changes, list_changes, metadata_changes, of_new_row, text_changes
from models_registry.model_names import permits
from schema.errors.callers import NotAllowed
from schema.errors.requests import InvalidRequest
from schema.errors.rows import NotFound
from schema.fields import UNSET, LimitRequest, filled, limit_changes, texts
from schema.teams import Member, MemberLimits, TeamFields, TeamNewRequest, TeamRecord

MAX_MEMBERS = 500
TEAM_DEFAULTS = "default_team_params"
TeamCheck = Callable[[TeamRecord], None]
"""A rule that is checked on a team's row while the row is locked. It raises where a change is refused."""
NO_SUCH_TEAM = "There is no such team."
OWN_FIELDS = ("team_alias", "models", "model_aliases", "metadata", "team_member_permissions")
"""The fields of a team that its own admin may change. Money, limits and the organization are not among them,
and models may only become fewer."""
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
    "/key/health",
)
"""Paths that a team may open to its members, for the team's keys."""


def team_changes(request: TeamFields, ctx: GovernanceContext) -> dict[str, object]:
    """The columns that a body sets, checked. Raises InvalidRequest."""
    changes = _changes(request, ctx.call.received_at, ctx.policy.zone)
    check_guardrails(changes, ctx.guardrails)
    return changes


def team_of_group(
    team_id: str, *, name: str | None, external_id: str | None, policy: Policy, now: datetime
) -> tuple[TeamRecord, dict[str, object] | None]:
    """A team that is made for a group of the directory, with the config's defaults, and the limits of its
    members. Raises InvalidRequest where the config's values don't fit."""
    request = filled(TeamNewRequest(team_id=team_id), policy.team_defaults, TEAM_DEFAULTS)
    changes = _changes(request, now, policy.zone)
    changes = of_new_row(changes)
    changes |= {"team_alias": name, "external_id": external_id}
    record = msgspec.structs.replace(TeamRecord(team_id=team_id), **changes)
    return record, _member_limits(request, now, policy.zone)


def _changes(request: TeamFields, now: datetime, zone: tzinfo) -> dict[str, object]:
    changes = {
        **limit_changes(request, now, zone),
        **text_changes(request, ("team_alias", "organization_id")),
        **list_changes(request, ("models", "access_group_ids")),
        **flag_changes(request, ("blocked",)),
    }
    if request.team_member_permissions is not UNSET:
        changes["team_member_permissions"] = check_permissions(request.team_member_permissions or [])
    return {**changes, **metadata_changes(request)}


def check_permissions(paths: list[str]) -> list[str]:
    unknown = [path for path in paths if path not in PERMISSIONS]
    if unknown:
        raise InvalidRequest(
            f"team_member_permissions: {unknown[0][:100]!r} is none of {', '.join(PERMISSIONS)}",
            param="team_member_permissions",
        )
    return paths


def member_limits(request: TeamFields, ctx: GovernanceContext) -> dict[str, object] | None:
    """The limits for members who have none of their own. None: the body sets no such limit."""
    return _member_limits(request, ctx.call.received_at, ctx.policy.zone)


def _member_limits(request: TeamFields, now: datetime, zone: tzinfo) -> dict[str, object] | None:
    limits = LimitRequest(
        max_budget=request.team_member_budget,
        budget_duration=request.team_member_budget_duration,
        rpm_limit=request.team_member_rpm_limit,
        tpm_limit=request.team_member_tpm_limit,
    )
    return limit_changes(limits, now, zone) or None


def member_changes(
    request: MemberLimits, ctx: GovernanceContext
) -> tuple[dict[str, object], dict[str, object] | None]:
    """The columns that a body sets of a membership, and those of its budget. None: it sets none of the
    budget."""
    changes: dict[str, object] = {}
    if request.allowed_models is not UNSET:
        changes["allowed_models"] = texts(request.allowed_models or [], param="allowed_models")
    limits = LimitRequest(
        max_budget=request.max_budget_in_team,
        budget_duration=request.budget_duration,
        rpm_limit=request.rpm_limit,
        tpm_limit=request.tpm_limit,
        model_max_budget=request.model_max_budget,
    )
    return changes, limit_changes(limits, ctx.call.received_at, ctx.policy.zone) or None


def check_members(members: Sequence[Member]) -> list[Member]:
    if len(members) > MAX_MEMBERS:
        raise InvalidRequest(f"members: at most {MAX_MEMBERS} at once.", param="members")
    for member in members:
        texts([name for name in (member.user_id, member.user_email) if name], param="member")
    return list(members)


async def check_organization(changes: dict[str, object], ctx: GovernanceContext) -> None:
    """Check that the caller may put a team into the organization, or take it out. Raises NotAllowed or
    NotFound."""
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


async def check_own(team_id: str, names: Sequence[str], ctx: GovernanceContext) -> bool:
    """Whether the caller may change everything of a team, since it is an admin or administers the team's
    organization. False: it is the team's own admin, who may change only OWN_FIELDS. Raises NotAllowed for
    another field, and NotFound where the team is not within the caller's scope."""
    scope = ctx.call.scope
    if scope.everything:
        return True
    above = msgspec.structs.replace(
        ctx.call, scope=msgspec.structs.replace(scope, reaches=scope.reaches - {Reach.TEAM})
    )
    if await ctx.teams.find(team_id, call=above) is not None:
        return True
    there(await ctx.teams.find(team_id, call=ctx.call))
    beyond = [name for name in names if name not in OWN_FIELDS]
    if beyond:
        raise NotAllowed(f"{beyond[0]}: a team's admin may not change it.", param=beyond[0])
    return False


def unchecked(record: TeamRecord) -> None:
    pass


def check_narrower(models: Sequence[str], record: TeamRecord) -> None:
    """Check that a team's own admin adds no model to those that the team may use. Raises NotAllowed."""
    if not record.models and not record.access_group_ids:
        return
    beyond = [model for model in models if not permits(record.models, model)]
    if beyond or not (models or record.access_group_ids):
        named = repr(beyond[0]) if beyond else "all models"
        raise NotAllowed(f"models: {named} is beyond what the team may use.", param="models")


def check_some_left(models: Sequence[str], record: TeamRecord) -> None:
    if record.models and not set(record.models) - set(models):
        raise InvalidRequest(
            'models: an empty list allows all models; update it to ["no-default-models"] to allow none.',
            param="models",
        )


def there(record: TeamRecord | None) -> TeamRecord:
    if record is None:
        raise NotFound(NO_SUCH_TEAM, param="team_id")
    return record
