"""The key that somebody would have who made one for oneself and asked for nothing. Who calls by a session, or
by a token of another issuer, has its limits. Pure."""

from datetime import UTC, datetime

import msgspec

from functions.contract.policy import Policy
from functions.contract.roles import DEVOPS, PROXY_ADMIN
from functions.rules.key_bounds import ceiling_of_config, filled_up
from functions.rules.key_ceiling import check_within
from functions.rules.key_policy import as_test_key
from schema.errors.callers import NotAllowed
from schema.fields import filled, limit_changes, texts
from schema.keys import KeyFields, KeyGenerateRequest, KeyRecord
from schema.metadata import metadata_change

MADE_AT = datetime.fromtimestamp(0, UTC)
"""Any moment: what follows from it, such as when the key would expire, is not used."""
EACH_DAY = "24h"
"""How long a budget lasts that has no window. Somebody with a key makes another one when it is spent."""


def personal_key(role: str, policy: Policy, *, in_team: str | None = None) -> KeyRecord | None:
    """The key, for its limits, models and metadata. `in_team` is the role in the team that the key would be
    for, `""` where one has none in it; None: the key is for no team. The result is None where the config lets
    nobody of this role make one. Raises InvalidRequest where the config's values don't fit."""
    if role == PROXY_ADMIN:
        return KeyRecord(token="")
    allowed, held = policy.personal_key_roles, role
    if in_team is not None:
        allowed, held = policy.team_key_roles if in_team else (), in_team
    if allowed and held not in allowed:
        return None
    request: KeyFields = KeyGenerateRequest()
    if role == DEVOPS:
        request = as_test_key(request, policy, MADE_AT, new=True)
    else:
        request = filled(request, policy.key_defaults, "default_key_generate_params")
    metadata = metadata_change(request)
    record = KeyRecord(
        token="",
        created_at=MADE_AT,
        models=texts(request.models or [], param="models"),
        metadata={} if metadata is None else metadata.applied({}),
        **limit_changes(request, MADE_AT, policy.zone),  # type: ignore[arg-type]  # the columns of limits
    )
    try:
        record = _bounded(record, policy)
    except NotAllowed:
        return None
    if record.max_budget is None or record.budget_duration is not None:
        return record
    lives = request.duration if isinstance(request.duration, str) else None
    return msgspec.structs.replace(record, budget_duration=lives or EACH_DAY)


def _bounded(record: KeyRecord, policy: Policy) -> KeyRecord:
    if not policy.key_upper_bounds:
        return record
    ceiling = ceiling_of_config(policy, MADE_AT)
    record = filled_up(record, ceiling, for_ever=False)
    check_within(record, ceiling)
    return record
