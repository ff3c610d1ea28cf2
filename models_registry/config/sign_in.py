"""The parts of `general_settings` that say how people sign in, and which tokens of other issuers count."""

from typing import Any, Literal

import msgspec

from models_registry.numbers import Number


class RoleMappings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which groups of the directory give which role, in LiteLLM's words. A person in several of them has the
    role that may most."""

    provider: str | None = None
    group_claim: str | None = None
    """The claim with the groups. Absent: `groups`."""
    default_role: str | None = None
    """The role of a person in none of the groups. Absent: the claims say no role of such a person."""
    roles: dict[str, list[str]] = {}
    """Roles, each with names or ids of groups: `{"devops": ["Platform"]}`."""


class TeamMappings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which groups of the directory are which teams."""

    team_ids_jwt_field: str | None = None
    """LiteLLM's word for the claim with the groups. Absent: `groups`."""
    groups: dict[str, str] = {}
    """Names or ids of groups, each with the id of a team."""
    create_teams: bool = False
    """Whether a group that has no team gets one."""


class SsoSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`general_settings.sso`. The variables of a provider (`MICROSOFT_CLIENT_ID` ...) stand in the
    environment."""

    auto_redirect: bool | None = None
    """Whether `/ui` goes to the provider at once. `AUTO_REDIRECT_UI_LOGIN_TO_SSO` says it too. Absent: it
    does."""
    allowed_email_domains: list[str] | None = None
    """Who may sign in, by the domain of the address. `ALLOWED_EMAIL_DOMAINS` says it too. Absent: everybody
    whom the provider lets in."""
    trust_emails: bool | None = None
    """Whether the addresses of a generic provider count as verified that sends no `email_verified` at all.
    Absent: they don't."""
    role_claim: str | None = None
    """The claim with a role's name. Absent: `roles`."""
    role_mappings: RoleMappings | None = None
    team_mappings: TeamMappings | None = None
    scim_provider: Literal["microsoft", "google", "generic"] | None = None
    """The provider whose people the directory tells by SCIM: its ids are the directory's `externalId`.
    Absent: the only provider; where several are set up, none."""
    new_users: Literal["active", "pending"] | None = None
    """What a person is after the first sign-in: `pending` waits for an admin. Absent: `active`."""
    session_idle: str | None = None
    """How long a session lasts that nobody uses, such as `1h`."""
    session_max: str | None = None
    """How long a session lasts at most, such as `12h`."""
    password_login: bool | None = None
    """Whether people sign in with passwords. Absent: where no provider is set up."""


class RoleMapping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A role of the issuer, and the role here."""

    role: str
    internal_role: str


class JwtSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`general_settings.litellm_jwtauth`, in LiteLLM's words. A field names a claim, with dots for claims
    inside of others: `resource_access.gateway.roles`."""

    user_id_jwt_field: str | None = None
    user_email_jwt_field: str | None = None
    user_allowed_email_domain: str | None = None
    user_id_upsert: bool = False
    """Whether a user that has no row gets one."""
    team_id_jwt_field: str | None = None
    team_ids_jwt_field: str | None = None
    team_id_default: str | None = None
    enforce_team_based_model_access: bool = False
    """Whether a token without a team is refused."""
    org_id_jwt_field: str | None = None
    end_user_id_jwt_field: str | None = None
    user_roles_jwt_field: str | None = None
    user_allowed_roles: list[str] | None = None
    """The roles of the issuer that may call. Absent: every token may."""
    roles_jwt_field: str | None = None
    role_mappings: list[RoleMapping] = []
    admin_jwt_scope: str | None = None
    """The scope that makes its bearer an admin. Absent: none does."""
    admin_allowed_routes: list[str] | None = None
    team_allowed_routes: list[str] | None = None
    public_allowed_routes: list[str] | None = None
    scope_mappings: list[dict[str, Any]] = []  # refused by name where it is used
    enforce_scope_based_access: bool = False
    trust_emails: bool = False
    """Switchgear's own: whether addresses of an issuer count as verified that sends no `email_verified`."""
    public_key_ttl: Number = 600
    """How long the issuer's keys are kept, in seconds."""
    leeway: Number = 60
    """Switchgear's own: how far the issuer's clock may be off, in seconds."""
