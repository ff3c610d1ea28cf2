"""What the claims of a caller's token mean (`general_settings.litellm_jwtauth`). Pure."""

from typing import Any

import msgspec

from functions.contract.call import MASTER_USER_ID, SCIM_USER_ID
from functions.contract.roles import ASSIGNABLE, INTERNAL_USER, PROXY_ADMIN
from models_registry.config.reader import Config
from models_registry.config.sign_in import JwtSection
from runtime.signin.proofs import EmailAddress, address_of, claim_at, kind_of, subject_of, tenant_of
from runtime.signin.providers import is_safe
from schema.errors.callers import NotAllowed, SignInFailed
from schema.identity import Claims

MAX_CHARS = 256
MAX_TEAMS = 100
OWN_IDS = frozenset({MASTER_USER_ID, SCIM_USER_ID})
"""The user ids by which the gateway names itself in the audit log."""
UNSUPPORTED = ("org_id_jwt_field", "end_user_id_jwt_field", "enforce_scope_based_access", "scope_mappings")
"""LiteLLM's fields that this version refuses by name: passed over, they would let in more than was meant."""
IDENTIFYING = ("sub", "oid")
"""The claims that an issuer gives one person alone."""
OPENAI_ROUTES = "openai_routes"
"""LiteLLM's word for what is `llm_api_routes` in a key."""
TEAM_ROUTES = ("llm_api_routes", "info_routes")


class TokenRules(msgspec.Struct, frozen=True, kw_only=True):
    """Which tokens count, and what their claims mean."""

    keys_at: str
    issuer: str
    audience: str
    section: JwtSection
    usual_role: str = INTERNAL_USER
    """The role of a user whom nobody gives one."""
    keys_kept_s: float = 600.0
    leeway_s: float = 60.0


class Bearer(msgspec.Struct, frozen=True, kw_only=True):
    """Who a token is for."""

    user_id: str = ""
    identities: tuple[str, ...] = ()
    """What the person signs in as, as it stands in `sso_user_id`; behind it what LiteLLM wrote there. Empty:
    the token is about nobody, or about a team."""
    email: str | None = None
    has_own_email: bool = False
    """Whether the claims prove that the address is the person's own."""
    issued_at: float = 0.0
    """In seconds since 1970. 0: the token does not say it."""
    team_ids: tuple[str, ...] = ()
    """The teams of the token, the first one that exists counts."""
    role: str | None = None
    """The role that the claims give. None: the user's own."""
    is_admin: bool = False
    """Whether the token has the scope of an admin."""
    allowed_routes: tuple[str, ...] = ()


def token_rules_of(config: Config) -> tuple[TokenRules | None, tuple[str, ...]]:
    """The rules of a config, and the errors in it. None: tokens don't count."""
    general, env = config.general_settings, config.environment
    if not general.enable_jwt_auth:
        return None, ()
    section = general.litellm_jwtauth or JwtSection()
    path, errors = "general_settings.litellm_jwtauth", list[str]()
    for name in UNSUPPORTED:
        if getattr(section, name):
            errors.append(f"{path}.{name}: not supported by this version")
    for role in (mapping.internal_role for mapping in section.role_mappings):
        if role not in ASSIGNABLE:
            errors.append(
                f"{path}.role_mappings: expected one of {', '.join(ASSIGNABLE)}; found {role[:50]!r}"
            )
    found = {name: env.get(name, "").strip() for name in ("JWT_PUBLIC_KEY_URL", "JWT_ISSUER", "JWT_AUDIENCE")}
    for name, value in found.items():
        if not value:
            errors.append(
                f"general_settings.enable_jwt_auth: {name} is not set; without it tokens that were made for "
                "others would count"
            )
    if found["JWT_PUBLIC_KEY_URL"] and not is_safe(found["JWT_PUBLIC_KEY_URL"]):
        errors.append("JWT_PUBLIC_KEY_URL: expected an address that begins with https://")
    times = {"public_key_ttl": section.public_key_ttl, "leeway": section.leeway}
    seconds = {name: _seconds(value) for name, value in times.items()}
    errors += [f"{path}.{name}: expected seconds from 0 to 86400" for name in times if seconds[name] is None]
    rules = TokenRules(
        keys_at=found["JWT_PUBLIC_KEY_URL"],
        issuer=found["JWT_ISSUER"],
        audience=found["JWT_AUDIENCE"],
        section=section,
        keys_kept_s=seconds["public_key_ttl"] or 0.0,
        leeway_s=seconds["leeway"] or 0.0,
    )
    return (None, tuple(errors)) if errors else (rules, ())


def bearer_of(claims: Claims, section: JwtSection) -> Bearer:
    """Who the claims are about. Raises SignInFailed for claims that name nobody, NotAllowed for somebody who
    may not call."""
    scopes = _words(claims.get("scope")) + _words(claims.get("scp"))
    if section.admin_jwt_scope and section.admin_jwt_scope in scopes:
        routes = _routes(section.admin_allowed_routes or ())
        return _person(claims, section, is_admin=True, role=PROXY_ADMIN, allowed_routes=routes)
    _check_domain(_address(claims, section), section)
    _check_roles(claims, section)
    teams = _words(claim_at(claims, section.team_id_jwt_field)) if section.team_id_jwt_field else []
    if section.team_ids_jwt_field:
        teams += _words(claim_at(claims, section.team_ids_jwt_field))
    if not teams and section.team_id_default:
        teams = [section.team_id_default]
    if section.enforce_team_based_model_access and not teams:
        raise NotAllowed("The token names no team, and this gateway lets only teams call.")
    about_team = section.team_id_jwt_field is not None and section.user_id_jwt_field is None
    if about_team and teams:
        routes = _routes(section.team_allowed_routes) if section.team_allowed_routes else TEAM_ROUTES
        return Bearer(team_ids=tuple(teams[:MAX_TEAMS]), allowed_routes=routes)
    return _person(claims, section, team_ids=tuple(teams[:MAX_TEAMS]), role=_mapped_role(claims, section))


def _person(claims: Claims, section: JwtSection, **more: Any) -> Bearer:  # the other fields of a Bearer
    """The person of a token. Raises SignInFailed for claims that name nobody."""
    name = section.user_id_jwt_field or "sub"
    user_id, address = _text(claim_at(claims, name)), _address(claims, section)
    if user_id is None or user_id in OWN_IDS:
        raise SignInFailed(f"The token names nobody ({name}).")
    if name not in IDENTIFYING and user_id == address.text and not address.is_proven:
        raise SignInFailed(f"The token names its person by an address that nobody verified ({name}).")
    issued_at = claims.get("iat")
    return Bearer(
        user_id=user_id,
        identities=_identities(claims),
        email=address.text,
        has_own_email=address.is_proven,
        issued_at=float(issued_at) if isinstance(issued_at, int | float) else 0.0,
        **more,
    )


def _identities(claims: Claims) -> tuple[str, ...]:
    issuer = str(claims.get("iss"))
    try:
        found = subject_of(kind_of(issuer), claims, issuer, tenant_of(issuer))
    except SignInFailed:
        return ()  # the claim that the config names says who it is
    return tuple(key for key in (found.key, found.former_key) if key)


def _address(claims: Claims, section: JwtSection) -> EmailAddress:
    name, issuer = section.user_email_jwt_field or "email", str(claims.get("iss"))
    whole = {**claims, name: claim_at(claims, name)}
    return address_of(kind_of(issuer), whole, issuer, name=name, is_trusted=section.trust_emails)


def _check_domain(address: EmailAddress, section: JwtSection) -> None:
    domain = section.user_allowed_email_domain
    if not domain:
        return
    if not address.is_proven or (address.text or "").lower().rpartition("@")[2] != domain.lower():
        raise NotAllowed("Accounts of certain domains alone may call here, by an address that is verified.")


def _check_roles(claims: Claims, section: JwtSection) -> None:
    if section.user_allowed_roles is None or section.user_roles_jwt_field is None:
        return
    held = _words(claim_at(claims, section.user_roles_jwt_field))
    if set(held).isdisjoint(section.user_allowed_roles):
        raise NotAllowed("None of the token's roles may call here.")


def _mapped_role(claims: Claims, section: JwtSection) -> str | None:
    if not section.roles_jwt_field:
        return None
    held = set(_words(claim_at(claims, section.roles_jwt_field)))
    found = {mapping.internal_role for mapping in section.role_mappings if mapping.role in held}
    return next((role for role in ASSIGNABLE if role in found), None)


def _routes(words: Any) -> tuple[str, ...]:  # a list of the config
    return tuple("llm_api_routes" if word == OPENAI_ROUTES else word for word in words)


def _text(value: object) -> str | None:
    is_one = isinstance(value, str) and 0 < len(value) <= MAX_CHARS and value.isprintable()
    return value if is_one and isinstance(value, str) else None


def _words(value: object) -> list[str]:
    found = value if isinstance(value, list) else value.split() if isinstance(value, str) else []
    return [text for each in found[:1_000] if (text := _text(each)) is not None]


def _seconds(value: float | int | str) -> float | None:
    try:
        seconds = float(value)
    except ValueError:
        return None
    return seconds if 0 <= seconds <= 86_400 else None
