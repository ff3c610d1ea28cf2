"""The settings of an operator's config about keys, users and budgets, checked."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from models_registry.config.reader import Config
from models_registry.config.sections import GeneralSettings, UserHeader
from schema.errors.requests import InvalidRequest
from schema.fields import Json, dollars
from schema.window import after, check_duration

LEAST_ORPHAN_S = 60.0
"""The least `orphan_lease_after`. A worker that has lost Postgres may go on for so long."""

MIN_OUTPUT_TOKENS = 256
MIN_REASONED_TOKENS = 2048
"""The least output of a model that reasons: with less it ends before it has answered."""


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """The settings have LiteLLM's names, those of the last group apart, which LiteLLM doesn't have."""

    zone: tzinfo = UTC
    """`litellm_settings.timezone`: the time zone in which budget windows follow the calendar."""
    budget: Decimal | None = None
    """`max_budget`: the budget of all calls together, in dollars."""
    budget_duration: str | None = None
    budget_exceeded_status: int = 422
    apply_user_budget_to_team_keys: bool = False
    key_parallel: int | None = None
    """`max_parallel_requests`: the calls at once of a key that has no limit of its own."""
    parallel: int | None = None
    """`global_max_parallel_requests`: the calls at once of all keys together."""

    key_defaults: Mapping[str, msgspec.Raw] = {}
    """`default_key_generate_params`: values for fields that a request to make a key leaves out."""
    key_upper_bounds: Mapping[str, msgspec.Raw] = {}
    """`upperbound_key_generate_params`: the most that a request to make a key may ask for, by field."""
    key_alias_pattern: str | None = None
    personal_key_roles: tuple[str, ...] = ()
    """`key_generation_settings.personal_key_generation.allowed_user_roles`. Empty: every role
    that may make keys."""
    team_key_roles: tuple[str, ...] = ()
    """`key_generation_settings.team_key_generation.allowed_team_member_roles`"""
    user_defaults: Mapping[str, msgspec.Raw] = {}
    """`default_internal_user_params`, `max_internal_user_budget`, `internal_user_budget_duration`"""
    team_defaults: Mapping[str, msgspec.Raw] = {}
    """`default_team_params`"""
    admins_stay_out: bool = False
    """`disable_auto_add_proxy_admin_to_teams`: an admin does not become a member of the teams it makes."""
    customer_budget: Decimal | None = None
    """`max_end_user_budget`: the budget of a customer that has none of its own, in dollars."""
    customer_budget_id: str | None = None
    """`max_end_user_budget_id`"""
    customer_headers: tuple[str, ...] = ()
    """The headers that name the customer of a call, in lower case: `general_settings.user_header_name`, and
    those of `user_header_mappings` whose role is `customer`."""
    tags_agents: bool = True
    """Whether a call is tagged with the program that made it. It is the opposite of
    `disable_add_user_agent_to_request_tags`."""

    devops_key_duration: str = "24h"
    """The longest life of a test key that the role devops makes (`general_settings.devops_key_duration`)."""
    devops_key_budget: Decimal = Decimal(1)
    """The largest budget of such a test key, in dollars (`general_settings.devops_key_budget`)."""
    orphan_lease_after_s: float | None = None
    """When a worker gave no sign of life for so long, what it holds of budgets is written off as spent
    (`general_settings.orphan_lease_after`). None: never. The worker's journal says what was spent."""
    default_output_tokens: int = 4096
    """The output tokens that a call gets where the model's maximum does not fit a budget."""
    stores_responses: bool = True
    """`general_settings.store_responses`: whether responses are stored where nobody of a caller's says."""
    responses_ttl_s: float = 30 * 86_400.0
    """`general_settings.stored_responses_ttl`: how long a response is stored, in seconds."""
    min_output_tokens: int | None = None
    """The fewest output tokens that a call gets where `default_output_tokens` does not fit either. None:
    MIN_OUTPUT_TOKENS, or MIN_REASONED_TOKENS where the model reasons."""


def policy_of(config: Config) -> tuple[Policy, tuple[str, ...]]:
    """The policy, and the errors of its settings, each with its path in the config."""
    litellm, general = config.litellm_settings, config.general_settings
    errors: list[str] = []

    def dollars_of(value: float | str | None, path: str) -> Decimal | None:
        if value is None:
            return None
        try:
            return dollars(Decimal(str(value)), param=path)
        except (InvalidOperation, InvalidRequest):
            errors.append(f"{path}: expected a sum of dollars, found {value!r}")
            return None

    def duration_of(value: str | None, path: str) -> str | None:
        try:
            return check_duration(value, param=path) if value else None
        except InvalidRequest as exc:
            errors.append(exc.message)
            return None

    def seconds_of(value: str | None, path: str) -> float | None:
        if not duration_of(value, path):
            return None
        epoch = datetime.fromtimestamp(0, UTC)
        seconds = (after(epoch, value or "", param=path) - epoch).total_seconds()
        if seconds < LEAST_ORPHAN_S:
            errors.append(f"{path}: expected at least {LEAST_ORPHAN_S:g} s, found {value}")
        return seconds

    def zone_of(name: str | None) -> tzinfo:
        try:
            return ZoneInfo(name) if name else UTC
        except (ZoneInfoNotFoundError, ValueError):
            errors.append(
                f"litellm_settings.timezone: no time zone {name!r}; expected one like Europe/Berlin"
            )
            return UTC

    keys = litellm.key_generation_settings
    status = litellm.budget_exceeded_status_code or 422
    if not 400 <= status <= 499:
        errors.append(f"litellm_settings.budget_exceeded_status_code: expected 400 to 499, found {status}")
    if litellm.key_alias_pattern is not None and not _compiles(litellm.key_alias_pattern):
        errors.append("litellm_settings.key_alias_pattern: not a regular expression")
    user_defaults = dict(litellm.default_internal_user_params or {})
    if litellm.max_internal_user_budget is not None:
        user_defaults.setdefault("max_budget", litellm.max_internal_user_budget)
    if litellm.internal_user_budget_duration is not None:
        user_defaults.setdefault("budget_duration", litellm.internal_user_budget_duration)
    defaults = Policy()
    devops_budget = dollars_of(general.devops_key_budget, "general_settings.devops_key_budget")
    policy = Policy(
        zone=zone_of(litellm.timezone),
        budget=dollars_of(litellm.max_budget, "litellm_settings.max_budget") or None,
        budget_duration=duration_of(litellm.budget_duration, "litellm_settings.budget_duration"),
        budget_exceeded_status=status,
        apply_user_budget_to_team_keys=bool(general.apply_user_budget_to_team_keys),
        key_parallel=general.max_parallel_requests,
        parallel=general.global_max_parallel_requests,
        key_defaults=_raw(litellm.default_key_generate_params),
        key_upper_bounds=_raw(litellm.upperbound_key_generate_params),
        key_alias_pattern=litellm.key_alias_pattern,
        personal_key_roles=tuple(
            (keys and keys.personal_key_generation and keys.personal_key_generation.allowed_user_roles) or ()
        ),
        team_key_roles=tuple(
            (keys and keys.team_key_generation and keys.team_key_generation.allowed_team_member_roles) or ()
        ),
        user_defaults=_raw(user_defaults),
        team_defaults=_raw(litellm.default_team_params),
        admins_stay_out=bool(
            general.disable_auto_add_proxy_admin_to_teams or litellm.disable_auto_add_proxy_admin_to_teams
        ),
        customer_budget=dollars_of(litellm.max_end_user_budget, "litellm_settings.max_end_user_budget"),
        customer_budget_id=litellm.max_end_user_budget_id,
        customer_headers=_customer_headers(general),
        tags_agents=not litellm.disable_add_user_agent_to_request_tags,
        devops_key_duration=duration_of(general.devops_key_duration, "general_settings.devops_key_duration")
        or defaults.devops_key_duration,
        devops_key_budget=defaults.devops_key_budget if devops_budget is None else devops_budget,
        orphan_lease_after_s=seconds_of(general.orphan_lease_after, "general_settings.orphan_lease_after"),
        default_output_tokens=general.default_output_tokens or defaults.default_output_tokens,
        min_output_tokens=general.min_output_tokens or None,
        stores_responses=general.store_responses is not False,
        responses_ttl_s=seconds_of(general.stored_responses_ttl, "general_settings.stored_responses_ttl")
        or defaults.responses_ttl_s,
    )
    return policy, tuple(errors)


def _customer_headers(general: GeneralSettings) -> tuple[str, ...]:
    names: list[str] = []
    for given in (general.user_header_name, general.user_header_names):
        names += [given] if isinstance(given, str) else given or ()
    mappings = general.user_header_mappings or []
    for each in [mappings] if isinstance(mappings, UserHeader) else mappings:
        names += [each.header_name] if each.litellm_user_role == "customer" else ()
    return tuple(dict.fromkeys(name.strip().lower() for name in names if name.strip()))


def _raw(fields: Mapping[str, object] | None) -> Json:
    return {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in (fields or {}).items()}


def _compiles(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True
