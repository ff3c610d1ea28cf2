"""The settings of signing in, as they are shown and changed by API (LiteLLM's field names)."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from schema.identity import DirectoryGroup
from schema.wire import Wire

MaybeSetting = str | msgspec.UnsetType | None
UNSET = msgspec.UNSET


class RoleMappingFields(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Groups of the directory by role."""

    provider: str | None = None
    group_claim: str | None = None
    default_role: str | None = None
    roles: dict[str, list[str]] = {}


class TeamMappingFields(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Groups of the directory, each with the id of a team."""

    team_ids_jwt_field: str | None = None
    groups: dict[str, str] = {}
    create_teams: bool = False


class SsoSettingsRequest(Wire, frozen=True, kw_only=True, dict=True):
    """PATCH /update/sso_settings. An absent field stays as it is; with null the environment and the config
    count again."""

    microsoft_client_id: MaybeSetting = UNSET
    microsoft_client_secret: MaybeSetting = UNSET
    microsoft_tenant: MaybeSetting = UNSET
    google_client_id: MaybeSetting = UNSET
    google_client_secret: MaybeSetting = UNSET
    generic_client_id: MaybeSetting = UNSET
    generic_client_secret: MaybeSetting = UNSET
    generic_issuer: MaybeSetting = UNSET
    generic_authorization_endpoint: MaybeSetting = UNSET
    generic_token_endpoint: MaybeSetting = UNSET
    generic_userinfo_endpoint: MaybeSetting = UNSET
    generic_scope: MaybeSetting = UNSET
    allowed_email_domains: list[str] | msgspec.UnsetType | None = UNSET
    trust_emails: bool | msgspec.UnsetType | None = UNSET
    role_claim: MaybeSetting = UNSET
    role_mappings: RoleMappingFields | msgspec.UnsetType | None = UNSET
    team_mappings: TeamMappingFields | msgspec.UnsetType | None = UNSET
    scim_provider: Literal["microsoft", "google", "generic"] | msgspec.UnsetType | None = UNSET
    new_users: Literal["active", "pending"] | msgspec.UnsetType | None = UNSET
    auto_redirect: bool | msgspec.UnsetType | None = UNSET
    password_login: bool | msgspec.UnsetType | None = UNSET
    session_idle: MaybeSetting = UNSET
    session_max: MaybeSetting = UNSET


class SsoSettingsQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """GET /get/sso_settings takes nothing."""


class SsoSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What is in force. `sources` says of each setting where it comes from: `api` or `environment`. Secrets
    are stars."""

    values: Mapping[str, Any]  # settings have values of several types
    sources: Mapping[str, str]
    providers: list[str]
    redirect_uri: str
    """What the app registration at the provider needs."""
    flaws: list[str] = []


class SsoReadinessQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """GET /sso/readiness takes nothing."""


class SsoReadiness(msgspec.Struct, frozen=True, kw_only=True):
    """Whether people can sign in at a provider."""

    sso_configured: bool
    status: Literal["healthy", "not_configured", "unhealthy"]
    providers: list[str]
    missing: list[str] = []
    """What an admin has to do."""


class SsoDebugQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """GET /sso/debug/login. `provider` is needed where several are set up."""

    provider: str | None = None


class SsoPreviewRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /sso/preview: the claims of a person, as an id token has them. In their place `user_id`: that
    user, with `roles` and `groups` as given."""

    claims: dict[str, Any] = {}  # any JSON
    user_id: str | None = None
    roles: list[str] | None = None
    groups: list[str] | None = None
    provider: str | None = None


class SsoPreview(msgspec.Struct, frozen=True, kw_only=True):
    """What a sign-in would do. `new_role` null: the role stays."""

    user_id: str | None
    linked_by: str
    role: str | None
    role_source: str | None
    claimed_role: str | None
    new_role: str | None
    joins: list[str]
    leaves: list[str]
    may_sign_in: bool = True


class ClaimsShown(msgspec.Struct, frozen=True, kw_only=True):
    """GET /sso/debug/callback: the claims of a sign-in of one's own, and what they would do."""

    claims: Mapping[str, Any]  # any JSON
    groups: list[DirectoryGroup] | None
    preview: SsoPreview
