"""Makes a caller of a row of the authority view: role, models, teams, budgets, and whether the key is
refused.

The code is pure. SQL may have written something that can't be read, such as a budget that is not a number.
Then the key is refused: a limit that can't be read must not count as no limit.
"""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from functions.contract.call import MASTER_USER_ID, Caller
from functions.contract.policy import Policy
from functions.contract.roles import (
    ASSIGNABLE,
    INTERNAL_USER,
    INTERNAL_USER_VIEWER,
    ROUTES_OF_TYPE,
    SERVICE_KEY,
)
from functions.rules.personal_key import personal_key
from runtime.identity.authority_rows import API_KEY, Facts, KeyMetadata, KeyRow, RowMetadata
from runtime.limits.rules import Increase, Level, Limits, money_rules, rate_rules
from schema.cache_options import NO_CACHE_CONTROLS
from schema.errors.base import GatewayError, Told
from schema.errors.callers import BlockedKey
from schema.errors.requests import InvalidRequest
from schema.labels import stored_tags, together
from schema.limits import Meter, Rule
from schema.models import AllowedModels
from schema.overlay import overlaid

DEFAULT_ESTIMATE = 1024
TEAM_MODELS = "all-team-models"


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


def ending(found: Authority, ends_at: float) -> Authority:
    """The same authority, which ends at that time, if not sooner."""
    ends = ends_at if found.expires_at is None else min(found.expires_at, ends_at)
    return msgspec.structs.replace(found, expires_at=ends)


_JSON = MappingProxyType(
    {
        field.name: msgspec.json.Decoder(field.type)
        for field in msgspec.structs.fields(Facts)
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
        facts = _as_personal(Facts(**values), policy)
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


def _as_personal(facts: Facts, policy: Policy) -> Facts:
    """Somebody who calls without a key has the limits of a key that one could make for oneself."""
    if facts.key.noun == API_KEY or facts.user is None:
        return facts
    team_id, teams = facts.key.team_id, facts.teams or {}
    in_team = None if team_id is None else teams.get(team_id, ("", []))[0]
    made = personal_key(_role(facts), policy, in_team=in_team)
    if made is None:
        return msgspec.structs.replace(facts, key=msgspec.structs.replace(facts.key, bars_models=True))
    limits = {field.name: getattr(made, field.name) for field in msgspec.structs.fields(Limits)}
    metadata = msgspec.json.decode(msgspec.json.encode(made.metadata), type=KeyMetadata)
    key = msgspec.structs.replace(facts.key, models=made.models, metadata=metadata, **limits)
    return msgspec.structs.replace(facts, key=key)


def _refusal(facts: Facts) -> GatewayError | None:
    """Why the key is refused, whatever the call asks for. None where it is not refused."""
    key, user, team, organization = facts.key, facts.user, facts.team, facts.organization
    if key.blocked:
        return BlockedKey(f"Authentication Error, this {key.noun} is blocked.")
    if key.user_id and user is None:
        return BlockedKey(f"Authentication Error, the user of this {key.noun} no longer exists.")
    if key.team_id and team is None:
        return BlockedKey(f"Authentication Error, the team of this {key.noun} no longer exists.")
    of_team = team.organization_id if team is not None else None
    if (key.organization_id or of_team) and organization is None:
        return BlockedKey(f"Authentication Error, the organization of this {key.noun} no longer exists.")
    if key.organization_id and of_team and key.organization_id != of_team:
        return BlockedKey(
            f"Authentication Error, this {key.noun} and its team are of different organizations."
        )
    project = key.project
    for noun, row in (("user", user), ("project", project), ("team", team), ("organization", organization)):
        if row is not None and row.blocked:
            return BlockedKey(f"Authentication Error, the {noun} of this {key.noun} is blocked.")
    if user is not None and user.deactivated:
        return BlockedKey(f"Authentication Error, the user of this {key.noun} has left.")
    if user is not None and user.pending:
        return BlockedKey(f"Authentication Error, the user of this {key.noun} waits for an admin's approval.")
    return None


def _caller(facts: Facts, policy: Policy) -> Caller:
    key, team = facts.key, facts.team
    # a key can have the master key's user id, and is no member of what the master key made for that
    teams, organizations = (
        ({}, {}) if key.user_id == MASTER_USER_ID else (facts.teams or {}, facts.organizations or {})
    )
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
        project_id=key.project_id,
        models=tuple(_allowed(facts)),
        aliases={**(team.metadata.model_aliases or {}), **key.aliases} if team is not None else key.aliases,
        access_groups=tuple(name for _, name, _ in facts.access_groups or ()),
        allowed_routes=(*key.allowed_routes, *ROUTES_OF_TYPE.get(key.key_type or "", ())),
        teams={team_id: role for team_id, (role, _) in teams.items()},
        organizations=organizations,
        permissions=permissions,
        rules=tuple(_rules(facts, policy)),
        customer_budget_id=key.metadata.end_user_budget_id,
        estimated_output_tokens=key.metadata.default_estimated_output_tokens or DEFAULT_ESTIMATE,
        stores_bodies=_says(facts, lambda said: said.store_prompts_in_spend_logs),
        stores_responses=_says(facts, lambda said: said.store_responses),
        caches_prompts=_says(facts, lambda said: said.enable_prompt_caching) or False,
        local_only=_local_only(facts),
        guardrails=_guardrails(facts),
        cache_controls=_cache_controls(facts),
        keeps_local_bodies=team is not None and bytes(team.metadata.store_local_bodies) == b"true",
        tags=together(
            stored_tags(key.metadata.tags), stored_tags(team.metadata.tags) if team is not None else ()
        ),
    )


def _says(facts: Facts, setting: Callable[[RowMetadata], msgspec.Raw]) -> bool | None:
    """What a setting in `metadata` says. The first of team, organization, user and key that says something
    decides. A value that is not true counts as false. None where none of them says anything."""
    for row in (facts.team, facts.organization, facts.user, facts.key):
        said = b"null" if row is None else bytes(setting(row.metadata))
        if said != b"null":
            return said == b"true"
    return None


def _local_only(facts: Facts) -> str:
    """The first of team, organization, project, user and key whose calls stay local. A value that is not
    false counts as true: what can't be read lets nothing out."""
    for level, row in (
        ("team", facts.team),
        ("organization", facts.organization),
        ("project", facts.key.project),
        ("user", facts.user),
        ("key", facts.key),
    ):
        if row is not None and bytes(row.metadata.local_only) not in (b"null", b"false"):
            return level
    return ""


def _cache_controls(facts: Facts) -> tuple[str, ...]:
    """What requests may say of the response cache: what the key and its user both allow."""
    own = _controls(facts.key.metadata.allowed_cache_controls)
    users = () if facts.user is None else _controls(facts.user.metadata.allowed_cache_controls)
    if own and users:
        return tuple(each for each in own if each in users) or NO_CACHE_CONTROLS
    return own or users


def _controls(stored: msgspec.Raw) -> tuple[str, ...]:
    """The names in stored metadata. What is no list of texts allows nothing: somebody meant to limit."""
    try:
        return tuple(msgspec.json.decode(stored, type=list[str] | None) or ())
    except msgspec.ValidationError:
        return NO_CACHE_CONTROLS


def _guardrails(facts: Facts) -> tuple[str, ...]:
    """The guardrails that any level names, each once. None of them takes away another's."""
    rows = (facts.organization, facts.team, facts.key.project, facts.user, facts.key)
    return tuple(
        dict.fromkeys(name for row in rows if row is not None for name in row.metadata.guardrails or ())
    )


def _role(facts: Facts) -> str:
    """The role of the key's user. An unknown role counts as the lowest, `internal_user_viewer`. A key without
    a user has a role of its own."""
    if facts.user is None:
        return SERVICE_KEY
    role = facts.user.user_role or INTERNAL_USER
    return role if role in ASSIGNABLE else INTERNAL_USER_VIEWER


def _allowed(facts: Facts) -> Iterable[AllowedModels]:
    """The lists of models that a model must be on, one for each level: key, team and so on. A level without
    models and without access groups allows everything, so it has no list."""
    key, user, team = facts.key, facts.user, facts.team
    member, organization = facts.member, facts.organization
    found = [("key", [] if TEAM_MODELS in key.models else key.models, key.access_group_ids)]
    if team is not None:
        found.append(("team", team.models, team.access_group_ids))
        if member is not None:
            found.append(("team_member", member.allowed_models, []))
        if key.project is not None:
            found.append(("project", key.project.models, []))
    elif user is not None:
        found.append(("user", user.models, []))
    if organization is not None:
        found.append(("org", organization.models, []))
    groups = facts.access_groups or []
    if key.bars_models:
        yield AllowedModels(key.noun, ())
    for level, models, group_ids in found:
        names = [*models]
        for group_id, name, of_group in groups:
            if group_id in group_ids or name in models:
                names.extend(of_group)
        if names or group_ids:
            yield AllowedModels(level, tuple(names))


def _rules(facts: Facts, policy: Policy) -> Iterable[Rule]:
    key, user, team = facts.key, facts.user, facts.team
    member, organization = facts.member, facts.organization
    budgets = facts.budgets or {}
    level = Level(
        kind="key",
        who="api_key",
        subject=_subject(key),
        id=key.key_id,
        topics=_named(f"key:{key.token}", key.budget_id),
        own=key.noun != API_KEY,
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
            yield from _of(level, budgets.get(budget_id or "") or Limits(), RowMetadata())
    if key.project is not None:
        project = key.project
        level = Level(
            kind="project",
            who="project",
            subject=f"project {project.project_alias or project.project_id}",
            id=project.project_id,
            topics=_named(f"project:{project.project_id}", project.budget_id),
        )
        yield from _of(level, budgets.get(project.budget_id or "") or Limits(), project.metadata)
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


def _subject(key: KeyRow) -> str:
    if key.noun == API_KEY:
        return f"key {key.key_alias or key.token[:12]}"
    return f"{key.noun}s of {key.user_id or key.team_id}"


def _of(level: Level, limits: Limits, metadata: RowMetadata) -> Iterable[Rule]:
    increase = None
    if metadata.temp_budget_increase is not None and metadata.temp_budget_expiry is not None:
        until_s = metadata.temp_budget_expiry.timestamp()
        increase = Increase(amount=metadata.temp_budget_increase, until_s=until_s)
    yield from money_rules(level, limits, increase)
    yield from rate_rules(level, limits, metadata.model_rpm_limit, metadata.model_tpm_limit)


def _named(topic: str, budget_id: str | None, *more: str) -> tuple[str, ...]:
    return (topic, *more) if budget_id is None else (topic, f"budget:{budget_id}", *more)


def _topics(facts: Facts) -> set[str]:
    key, team, member = facts.key, facts.team, facts.member
    found = [("key", key.token), ("user", key.user_id), ("team", key.team_id), ("budget", key.budget_id)]
    if team is not None:
        found += [("budget", team.member_budget_id), ("organization", team.organization_id)]
    if member is not None:
        found.append(("budget", member.budget_id))
    if key.project is not None:
        found += [("project", key.project.project_id), ("budget", key.project.budget_id)]
    if facts.organization is not None:
        organization = facts.organization
        found += [("organization", organization.organization_id), ("budget", organization.budget_id)]
    found.append(("organization", key.organization_id))
    return {f"{kind}:{name}" for kind, name in found if name}
