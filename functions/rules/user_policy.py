"""What a user is given: by the body of a request, and by the config where the body says nothing. Pure."""

from datetime import datetime, tzinfo

import msgspec

from functions.contract.policy import Policy
from functions.contract.roles import INTERNAL_USER, INTERNAL_USER_VIEWER
from functions.rules.row_changes import flag_changes, list_changes, metadata_changes, of_new_row, text_changes
from schema.fields import UNSET, filled, limit_changes
from schema.users import UserFields, UserNewRequest, UserRecord, UserTeam

MODEST_ROLES = (INTERNAL_USER, INTERNAL_USER_VIEWER, None)
DEFAULTS = "default_internal_user_params"
NAMES = ("user_alias", "user_email", "sso_user_id")


def user_changes(request: UserFields, now: datetime, zone: tzinfo) -> dict[str, object]:
    """The columns that a body sets, checked. Raises InvalidRequest."""
    changes = {**limit_changes(request, now, zone), **text_changes(request, NAMES)}
    if request.user_role is not UNSET:
        changes["user_role"] = request.user_role or INTERNAL_USER
    return {
        **changes,
        **list_changes(request, ("models",)),
        **flag_changes(request, ("blocked",)),
        **metadata_changes(request),
    }


def user_made(user_id: str, changes: dict[str, object]) -> UserRecord:
    """A new user with these columns."""
    changes.setdefault("user_role", INTERNAL_USER)
    changes.setdefault("role_source", "default")
    return msgspec.structs.replace(UserRecord(user_id=user_id), **of_new_row(changes))


def newcomer(user_id: str, policy: Policy, now: datetime) -> UserRecord:
    """A user that is made because a key or a membership names it. It has the config's limits, models and
    role. Where the config's role is one that only a proxy_admin may give, it is an internal_user. Raises
    InvalidRequest where the config's values don't fit."""
    request = filled(UserNewRequest(user_id=user_id), policy.user_defaults, DEFAULTS)
    record = user_made(user_id, user_changes(request, now, policy.zone))
    if record.user_role not in MODEST_ROLES:
        record = msgspec.structs.replace(record, user_role=INTERNAL_USER)
    return record


def usual_role(policy: Policy) -> str:
    """The role of a user whom nobody gives one. Raises InvalidRequest where the config's values don't fit."""
    request = filled(UserNewRequest(), policy.user_defaults, DEFAULTS)
    return request.user_role if isinstance(request.user_role, str) else INTERNAL_USER


def signed_in_first(user_id: str, policy: Policy, now: datetime) -> tuple[UserRecord, list[UserTeam]]:
    """A user that is made at its first sign-in, and the teams that it joins: with the config's defaults, the
    role among them. Raises InvalidRequest where the config's values don't fit."""
    request = filled(UserNewRequest(user_id=user_id), policy.user_defaults, DEFAULTS)
    teams = [UserTeam(team_id=each) if isinstance(each, str) else each for each in request.teams or []]
    return user_made(user_id, user_changes(request, now, policy.zone)), teams
