"""Makes a caller of a row of the authority view: role, models, teams, budgets, and whether the key is
refused.

The code is pure. SQL may have written something that can't be read, such as a budget that is not a number.
Then the key is refused: a limit that can't be read must not count as no limit.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import msgspec

from functions.contract.call import Caller
from functions.contract.policy import Policy
from functions.contract.roles import (
    ASSIGNABLE,
    INTERNAL_USER,
    INTERNAL_USER_VIEWER,
    ROUTES_OF_TYPE,
    SERVICE_KEY,
)
from runtime.limits.rules import Increase, Level, Limits, money_rules, rate_rules
from schema.errors import BlockedKey, GatewayError, InvalidRequest, Told
from schema.labels import stored_tags, together
from schema.limits import Meter, Rule
from schema.models import AllowedModels
from schema.overlay import overlaid

DEFAULT_ESTIMATE = 1024
TEAM_MODELS = "all-team-models"


class _RowMetadata(msgspec.Struct, frozen=True, kw_only=True):
    model_rpm_limit: dict[str, int] | None = None
    model_tpm_limit: dict[str, int] | None = None
    temp_budget_increase: Decimal | None = None
    temp_budget_expiry: datetime | None = None
    default_estimated_output_tokens: int | None = None
    store_prompts_in_spend_logs: msgspec.Raw = msgspec.Raw(b"null")
    store_responses: msgspec.Raw = msgspec.Raw(b"null")
    tags: msgspec.Raw = msgspec.Raw(b"[]")


class _KeyMetadata(_RowMetadata, frozen=True, kw_only=True):
    end_user_budget_id: str | None = None


class _TeamMetadata(_RowMetadata, frozen=True, kw_only=True):
    model_aliases: dict[str, str] | None = None


class _Row(Limits, frozen=True, kw_only=True):
    """The fields that all governed rows have."""

    models: list[str] = []
    blocked: bool | None = None
    metadata: _RowMetadata = _RowMetadata()
    budget_id: str | None = None
    access_group_ids: list[str] = []


class _KeyRow(_Row, frozen=True, kw_only=True):
    token: str
    key_id: str
    key_alias: str | None = None
    user_id: str | None = None
    team_id: str | None = None
    organization_id: str | None = None
    aliases: dict[str, str] = {}
    key_type: str | None = None
    allowed_routes: list[str] = []
    metadata: _KeyMetadata = _KeyMetadata()


class _UserRow(_Row, frozen=True, kw_only=True):
    user_id: str
    user_role: str | None = None
    user_email: str | None = None


class _TeamRow(_Row, frozen=True, kw_only=True):
    team_id: str
    team_alias: str | None = None
    organization_id: str | None = None
    member_budget_id: str | None = None
    metadata: _TeamMetadata = _TeamMetadata()


class _MembershipRow(msgspec.Struct, frozen=True, kw_only=True):
    budget_id: str | None = None
    allowed_models: list[str] = []


class _OrganizationRow(_Row, frozen=True, kw_only=True):
    organization_id: str
    organization_alias: str = ""


class _Facts(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the authority view, with its JSON decoded."""

    presented: str
    revoke_at: float | None
    expires: float | None
    key: _KeyRow
    user: _UserRow | None
    team: _TeamRow | None
    member: _MembershipRow | None
    organization: _OrganizationRow | None
    budgets: dict[str, Limits] | None
    teams: dict[str, tuple[str, list[str]]] | None
    organizations: dict[str, str] | None
    access_groups: list[tuple[str, str, list[str]]] | None


class Authority(msgspec.Struct, frozen=True, kw_only=True):
    """What Postgres says of a presented key."""

    caller: Caller | None
    """None where the key is refused."""
    refusal: Told | None = None
    """The error for a key that is refused, such as a blocked one."""
    expires_at: float | None = None
    """When the key ends, in seconds since 1970. For the old hash of a replaced key: when its grace ends, if
    that is earlier. None where the key does not end."""
    topics: frozenset[str] = frozenset()
    """The rows that this was read from, as their changes are announced: `team:platform`."""


_JSON = MappingProxyType(
    {
        field.name: msgspec.json.Decoder(field.type)
        for field in msgspec.structs.fields(_Facts)
        if field.name not in ("presented", "revoke_at", "expires")
    }
)


def authority_of(row: Mapping[str, Any], policy: Policy) -> Authority:
    """The authority in a row of the view, as Piccolo gives the row."""
    topics = {f"key:{row['presented']}"}
    try:
        values = {
            name: _JSON[name].decode(value) if name in _JSON and value is not None else value
            for name, value in row.items()
        }
        facts = _Facts(**values)
        topics |= _topics(facts)
        caller = _caller(facts, policy)
    except (msgspec.ValidationError, InvalidRequest) as exc:
        unreadable = GatewayError(f"What the database says of this API key can't be read: {exc}")
        return Authority(caller=None, refusal=Told.of(unreadable), topics=frozenset(topics))
    ends = [moment for moment in (facts.revoke_at, facts.expires) if moment is not None]
    refusal = _refusal(facts)
    return Authority(
        caller=None if refusal is not None else caller,
        refusal=None if refusal is None else Told.of(refusal),
        expires_at=min(ends, default=None),
        topics=frozenset(topics),
    )


def _refusal(facts: _Facts) -> GatewayError | None:
    """Why the key is refused, whatever the call asks for. None where it is not refused."""
    key, user, team, organization = facts.key, facts.user, facts.team, facts.organization
    if key.blocked:
        return BlockedKey("Authentication Error, this API key is blocked.")
    if key.user_id and user is None:
        return BlockedKey("Authentication Error, the user of this API key no longer exists.")
    if key.team_id and team is None:
        return BlockedKey("Authentication Error, the team of this API key no longer exists.")
    of_team = team.organization_id if team is not None else None
    if (key.organization_id or of_team) and organization is None:
        return BlockedKey("Authentication Error, the organization of this API key no longer exists.")
    if key.organization_id and of_team and key.organization_id != of_team:
        return BlockedKey("Authentication Error, this API key and its team are of different organizations.")
    for noun, row in (("user", user), ("team", team), ("organization", organization)):
        if row is not None and row.blocked:
            return BlockedKey(f"Authentication Error, the {noun} of this API key is blocked.")
    return None


def _caller(facts: _Facts, policy: Policy) -> Caller:
    key, team, teams = facts.key, facts.team, facts.teams or {}
    permissions: dict[str, frozenset[str]] = {}
    for team_id, (_, paths) in teams.items():
        for path in paths:
            permissions[path] = permissions.get(path, frozenset()) | {team_id}
    return Caller(
        role=_role(facts),
        key_hash=key.token,
        key_id=key.key_id,
        key_alias=key.key_alias,
        user_id=key.user_id or "",
        team_id=key.team_id,
        organization_id=key.organization_id or (team.organization_id if team else None),
        models=tuple(_allowed(facts)),
        aliases={**(team.metadata.model_aliases or {}), **key.aliases} if team is not None else key.aliases,
        access_groups=tuple(name for _, name, _ in facts.access_groups or ()),
        allowed_routes=(*key.allowed_routes, *ROUTES_OF_TYPE.get(key.key_type or "", ())),
        teams={team_id: role for team_id, (role, _) in teams.items()},
        organizations=facts.organizations or {},
        permissions=permissions,
        rules=tuple(_rules(facts, policy)),
        customer_budget_id=key.metadata.end_user_budget_id,
        estimated_output_tokens=key.metadata.default_estimated_output_tokens or DEFAULT_ESTIMATE,
        stores_bodies=_says(facts, lambda said: said.store_prompts_in_spend_logs),
        stores_responses=_says(facts, lambda said: said.store_responses),
        tags=together(
            stored_tags(key.metadata.tags), stored_tags(team.metadata.tags) if team is not None else ()
        ),
    )


def _says(facts: _Facts, setting: Callable[[_RowMetadata], msgspec.Raw]) -> bool | None:
    """What a setting in `metadata` says. The first of team, organization, user and key that says something
    decides. A value that is not true counts as false. None where none of them says anything."""
    for row in (facts.team, facts.organization, facts.user, facts.key):
        said = b"null" if row is None else bytes(setting(row.metadata))
        if said != b"null":
            return said == b"true"
    return None


def _role(facts: _Facts) -> str:
    """The role of the key's user. An unknown role counts as the lowest, `internal_user_viewer`. A key without
    a user has a role of its own."""
    if facts.user is None:
        return SERVICE_KEY
    role = facts.user.user_role or INTERNAL_USER
    return role if role in ASSIGNABLE else INTERNAL_USER_VIEWER


def _allowed(facts: _Facts) -> Iterable[AllowedModels]:
    """The lists of models that a model must be on, one for each level: key, team and so on. A level without
    models and without access groups allows everything, so it has no list."""
    key, user, team, member, organization = (
        facts.key,
        facts.user,
        facts.team,
        facts.member,
        facts.organization,
    )
    found = [("key", [] if TEAM_MODELS in key.models else key.models, key.access_group_ids)]
    if team is not None:
        found.append(("team", team.models, team.access_group_ids))
        if member is not None:
            found.append(("team_member", member.allowed_models, []))
    elif user is not None:
        found.append(("user", user.models, []))
    if organization is not None:
        found.append(("org", organization.models, []))
    groups = facts.access_groups or []
    for level, models, group_ids in found:
        names = [*models]
        for group_id, name, of_group in groups:
            if group_id in group_ids or name in models:
                names.extend(of_group)
        if names or group_ids:
            yield AllowedModels(level, tuple(names))


def _rules(facts: _Facts, policy: Policy) -> Iterable[Rule]:
    key, user, team, member, organization = (
        facts.key,
        facts.user,
        facts.team,
        facts.member,
        facts.organization,
    )
    budgets = facts.budgets or {}
    level = Level(
        kind="key",
        who="api_key",
        subject=f"key {key.key_alias or key.token[:12]}",
        id=key.key_id,
        topics=_named(f"key:{key.token}", key.budget_id),
    )
    limits: Limits = overlaid(key, budgets.get(key.budget_id or ""))
    if limits.max_parallel_requests is None and policy.key_parallel is not None:
        limits = msgspec.structs.replace(limits, max_parallel_requests=policy.key_parallel)
    yield from _of(level, limits, key.metadata)
    if user is not None:
        level = Level(
            kind="user",
            who="user",
            subject=f"user {user.user_email or user.user_id}",
            id=user.user_id,
            topics=(f"user:{user.user_id}",),
        )
        personal = team is None or policy.apply_user_budget_to_team_keys
        for rule in _of(level, user, user.metadata):
            if personal or rule.meter is not Meter.MONEY:
                yield rule
    if team is not None:
        name = team.team_alias or team.team_id
        level = Level(
            kind="team", who="team", subject=f"team {name}", id=team.team_id, topics=(f"team:{team.team_id}",)
        )
        yield from _of(level, team, team.metadata)
        if member is not None and user is not None:
            budget_id = member.budget_id or team.member_budget_id
            level = Level(
                kind="member",
                who="team_member",
                subject=f"member {user.user_email or user.user_id} of team {name}",
                id=team.team_id,
                part=user.user_id,
                topics=_named(f"team:{team.team_id}", budget_id, f"user:{user.user_id}"),
            )
            yield from _of(level, budgets.get(budget_id or "") or Limits(), _RowMetadata())
    if organization is not None:
        level = Level(
            kind="organization",
            who="organization",
            subject=f"organization {organization.organization_alias or organization.organization_id}",
            id=organization.organization_id,
            topics=_named(f"organization:{organization.organization_id}", organization.budget_id),
        )
        shared = budgets.get(organization.budget_id or "") or Limits()
        yield from _of(level, shared, organization.metadata)


def _of(level: Level, limits: Limits, metadata: _RowMetadata) -> Iterable[Rule]:
    increase = None
    if metadata.temp_budget_increase is not None and metadata.temp_budget_expiry is not None:
        until_s = metadata.temp_budget_expiry.timestamp()
        increase = Increase(amount=metadata.temp_budget_increase, until_s=until_s)
    yield from money_rules(level, limits, increase)
    yield from rate_rules(level, limits, metadata.model_rpm_limit, metadata.model_tpm_limit)


def _named(topic: str, budget_id: str | None, *more: str) -> tuple[str, ...]:
    return (topic, *more) if budget_id is None else (topic, f"budget:{budget_id}", *more)


def _topics(facts: _Facts) -> set[str]:
    key, team, member = facts.key, facts.team, facts.member
    found = [("key", key.token), ("user", key.user_id), ("team", key.team_id), ("budget", key.budget_id)]
    if team is not None:
        found += [("budget", team.member_budget_id), ("organization", team.organization_id)]
    if member is not None:
        found.append(("budget", member.budget_id))
    if facts.organization is not None:
        organization = facts.organization
        found += [("organization", organization.organization_id), ("budget", organization.budget_id)]
    found.append(("organization", key.organization_id))
    return {f"{kind}:{name}" for kind, name in found if name}
