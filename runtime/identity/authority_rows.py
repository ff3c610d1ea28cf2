"""The rows of which an authority is made, as the authority view gives them, with their JSON decoded."""

from datetime import datetime
from decimal import Decimal

import msgspec

from runtime.limits.rules import Limits

API_KEY = "API key"
"""The word in messages for what somebody calls with that has a key."""


class RowMetadata(msgspec.Struct, frozen=True, kw_only=True):
    model_rpm_limit: dict[str, int] | None = None
    model_tpm_limit: dict[str, int] | None = None
    temp_budget_increase: Decimal | None = None
    temp_budget_expiry: datetime | None = None
    default_estimated_output_tokens: int | None = None
    store_prompts_in_spend_logs: msgspec.Raw = msgspec.Raw(b"null")
    store_responses: msgspec.Raw = msgspec.Raw(b"null")
    local_only: msgspec.Raw = msgspec.Raw(b"null")
    enable_prompt_caching: msgspec.Raw = msgspec.Raw(b"null")
    tags: msgspec.Raw = msgspec.Raw(b"[]")
    guardrails: list[str] | None = None


class KeyMetadata(RowMetadata, frozen=True, kw_only=True):
    end_user_budget_id: str | None = None
    allowed_cache_controls: msgspec.Raw = msgspec.Raw(b"null")


class UserMetadata(RowMetadata, frozen=True, kw_only=True):
    allowed_cache_controls: msgspec.Raw = msgspec.Raw(b"null")


class TeamMetadata(RowMetadata, frozen=True, kw_only=True):
    store_local_bodies: msgspec.Raw = msgspec.Raw(b"null")
    model_aliases: dict[str, str] | None = None


class Row(Limits, frozen=True, kw_only=True):
    """The fields that all governed rows have."""

    models: list[str] = []
    blocked: bool | None = None
    metadata: RowMetadata = RowMetadata()
    budget_id: str | None = None
    access_group_ids: list[str] = []


class ProjectRow(Row, frozen=True, kw_only=True):
    project_id: str
    project_alias: str | None = None


class KeyRow(Row, frozen=True, kw_only=True):
    token: str
    key_id: str
    key_alias: str | None = None
    user_id: str | None = None
    team_id: str | None = None
    organization_id: str | None = None
    project_id: str | None = None
    project: ProjectRow | None = None
    noun: str = API_KEY
    """The word for it in messages: `session` where it is no key."""
    bars_models: bool = False
    """Whether no model may be called at all: somebody who calls without a key may make none."""
    aliases: dict[str, str] = {}
    key_type: str | None = None
    allowed_routes: list[str] = []
    metadata: KeyMetadata = KeyMetadata()


class UserRow(Row, frozen=True, kw_only=True):
    user_id: str
    user_role: str | None = None
    user_email: str | None = None
    metadata: UserMetadata = UserMetadata()
    pending: bool = False
    deactivated: bool = False


class TeamRow(Row, frozen=True, kw_only=True):
    team_id: str
    team_alias: str | None = None
    organization_id: str | None = None
    member_budget_id: str | None = None
    metadata: TeamMetadata = TeamMetadata()


class MembershipRow(msgspec.Struct, frozen=True, kw_only=True):
    budget_id: str | None = None
    allowed_models: list[str] = []


class OrganizationRow(Row, frozen=True, kw_only=True):
    organization_id: str
    organization_alias: str = ""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the authority view, with its JSON decoded."""

    presented: str
    revoke_at: float | None
    expires: float | None
    key: KeyRow
    user: UserRow | None
    team: TeamRow | None
    member: MembershipRow | None
    organization: OrganizationRow | None
    budgets: dict[str, Limits] | None
    teams: dict[str, tuple[str, list[str]]] | None
    organizations: dict[str, str] | None
    access_groups: list[tuple[str, str, list[str]]] | None
