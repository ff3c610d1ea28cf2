"""The rules of signing in: from the config, the environment, and what the API has set. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from functions.contract.roles import ASSIGNABLE
from models_registry.config.reader import Config
from models_registry.config.sections import GeneralSettings
from models_registry.config.sign_in import SsoSection
from runtime.signin.throttle_rules import ThrottleRules
from schema.errors.requests import InvalidRequest
from schema.identity import RoleRules, SignInRules, TeamRules
from schema.window import after

MAX_SESSION_S = 30 * 86_400.0
MIN_SESSION_S = 60.0
MAX_BLOCK_S = 86_400


class SignInConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What the config and the environment say of signing in."""

    section: SsoSection = SsoSection()
    master_key: bool = True
    """Whether somebody may sign in with the master key."""
    keeps_passwords: bool = True
    """False: no passwords where a provider is set up, whatever else is said
    (`disable_password_login_when_sso_enabled`)."""
    throttle: ThrottleRules = ThrottleRules()


def config_of(config: Config) -> tuple[SignInConfig, tuple[str, ...]]:
    """The settings, and the errors in them, each with its path."""
    general, env = config.general_settings, config.environment
    section = general.sso or SsoSection()
    errors: list[str] = []
    redirects = env.get("AUTO_REDIRECT_UI_LOGIN_TO_SSO")
    if section.auto_redirect is None and redirects:
        section = msgspec.structs.replace(section, auto_redirect=redirects.strip().lower() not in FALSE)
    domains = env.get("ALLOWED_EMAIL_DOMAINS")
    if section.allowed_email_domains is None and domains:
        found = [each.strip() for each in domains.split(",") if each.strip()]
        section = msgspec.structs.replace(section, allowed_email_domains=found)
    try:
        rules_of(section, has_provider=True, path="general_settings.sso.")
    except InvalidRequest as exc:
        errors.append(exc.message)
    made = SignInConfig(
        section=section,
        master_key=not general.disable_env_credential_login,
        keeps_passwords=not general.disable_password_login_when_sso_enabled,
        throttle=_throttle(general, errors),
    )
    return made, tuple(errors)


FALSE = frozenset({"false", "0", "no", "off"})


def with_stored(section: SsoSection, stored: Mapping[str, Any]) -> SsoSection:
    """The section with what the API has set over it. Raises InvalidRequest."""
    names = set(section.__struct_fields__) & stored.keys()
    try:
        found = msgspec.convert({name: stored[name] for name in names}, SsoSection)
    except msgspec.ValidationError as exc:
        raise InvalidRequest(f"sso_settings: {exc}") from exc
    return msgspec.structs.replace(section, **{name: getattr(found, name) for name in names})


def rules_of(section: SsoSection, *, has_provider: bool, path: str = "") -> SignInRules:
    """The rules of a section. Raises InvalidRequest for a value that can't be used; the message begins with
    its path."""
    idle_s = _seconds(section.session_idle, 3600.0, f"{path}session_idle")
    max_s = _seconds(section.session_max, 12 * 3600.0, f"{path}session_max")
    mapped = section.role_mappings
    teams = section.team_mappings
    for role in [*(mapped.roles if mapped else ()), *([mapped.default_role] if mapped else ())]:
        if role is not None and role not in ASSIGNABLE:
            raise InvalidRequest(
                f"{path}role_mappings: expected one of {', '.join(ASSIGNABLE)}; found {role[:50]!r}",
                param="role_mappings",
            )
    domains = tuple(domain.lower().removeprefix("@") for domain in section.allowed_email_domains or ())
    if any(not domain or "@" in domain or " " in domain for domain in domains):
        raise InvalidRequest(
            f"{path}allowed_email_domains: expected domains such as example.com",
            param="allowed_email_domains",
        )
    group_claim = (mapped and mapped.group_claim) or (teams and teams.team_ids_jwt_field) or "groups"
    return SignInRules(
        auto_redirect=section.auto_redirect is not False,
        allowed_domains=domains,
        trusts_addresses=section.trust_emails is True,
        role_claim=section.role_claim or "roles",
        group_claim=group_claim,
        roles=RoleRules(
            group_roles={role: tuple(groups) for role, groups in mapped.roles.items()} if mapped else {},
            default_role=mapped.default_role if mapped else None,
        ),
        teams=TeamRules(groups=teams.groups, creates=teams.create_teams) if teams else TeamRules(),
        directory=section.scim_provider,
        new_users_wait=section.new_users == "pending",
        idle_s=min(idle_s, max_s),
        max_s=max_s,
        passwords=section.password_login if section.password_login is not None else not has_provider,
    )


def _seconds(duration: str | None, default_s: float, path: str) -> float:
    if duration is None:
        return default_s
    epoch = datetime.fromtimestamp(0, UTC)
    seconds = (after(epoch, duration, param=path) - epoch).total_seconds()
    if not MIN_SESSION_S <= seconds <= MAX_SESSION_S:
        raise InvalidRequest(f"{path}: expected from 1m to 30d, found {duration[:50]!r}", param=path)
    return seconds


def _throttle(general: GeneralSettings, errors: list[str]) -> ThrottleRules:
    defaults = ThrottleRules()
    found = {
        "failures": general.max_failed_login_attempts_per_source,
        "window_s": general.failed_login_window_seconds,
        "block_s": general.failed_login_block_seconds,
    }
    for name, value in found.items():
        if value is not None and not 1 <= value <= MAX_BLOCK_S:
            errors.append(f"general_settings: {name} of failed logins: expected 1 to {MAX_BLOCK_S}")
            return defaults
    return msgspec.structs.replace(
        defaults, **{name: value for name, value in found.items() if value is not None}
    )
