"""Organizations and their members: the records and the management wire forms (LiteLLM's field names)."""

from datetime import datetime
from decimal import Decimal
from typing import Literal

import msgspec

from schema.budgets import BudgetRecord
from schema.fields import UNSET, Json, MaybeFlag, MaybeText, MaybeTexts, StampFields
from schema.metadata import MetadataRequest
from schema.teams import TeamRecord
from schema.wire import Wire

OrganizationRole = Literal["org_admin", "internal_user", "internal_user_viewer"]


class OrganizationRecord(StampFields, frozen=True, kw_only=True):
    """A row of `LiteLLM_OrganizationTable`. Its limits are those of its budget."""

    organization_id: str
    organization_alias: str
    budget_id: str
    metadata: Json = {}
    models: list[str] = []
    spend: Decimal = Decimal(0)
    blocked: bool = False


class OrganizationMembershipRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `LiteLLM_OrganizationMembership`."""

    user_id: str
    organization_id: str
    user_role: str | None = None
    spend: Decimal = Decimal(0)
    budget_id: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


class OrganizationFields(MetadataRequest, frozen=True, kw_only=True, dict=True):
    """What an organization can be given. An absent field stays as it is; null clears it. The limits are
    written to the organization's budget."""

    organization_alias: MaybeText = UNSET
    budget_id: MaybeText = UNSET
    models: MaybeTexts = UNSET
    blocked: MaybeFlag = UNSET


class OrganizationNewRequest(OrganizationFields, frozen=True, kw_only=True, dict=True):
    """POST /organization/new. Without `organization_id` the gateway makes an id."""

    organization_id: str | None = None


class OrganizationUpdateRequest(OrganizationFields, frozen=True, kw_only=True, dict=True):
    """PATCH /organization/update."""

    organization_id: str


class OrganizationDeleteRequest(Wire, frozen=True, kw_only=True, dict=True):
    """DELETE /organization/delete."""

    organization_ids: list[str]


class OrganizationRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /organization/block and /organization/unblock."""

    organization_id: str


class OrganizationMember(msgspec.Struct, frozen=True, kw_only=True):
    """A member, named by id or by e-mail."""

    role: OrganizationRole = "internal_user"
    user_id: str | None = None
    user_email: str | None = None


class OrganizationMemberAddRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /organization/member_add. A member who is no user yet becomes one."""

    organization_id: str
    member: OrganizationMember | list[OrganizationMember]


class OrganizationMemberUpdateRequest(Wire, frozen=True, kw_only=True, dict=True):
    """PATCH /organization/member_update."""

    organization_id: str
    user_id: str | None = None
    user_email: str | None = None
    role: OrganizationRole


class OrganizationMemberDeleteRequest(Wire, frozen=True, kw_only=True, dict=True):
    """DELETE /organization/member_delete."""

    organization_id: str
    user_id: str | None = None
    user_email: str | None = None


class OrganizationQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """GET /organization/info."""

    organization_id: str


class OrganizationsRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /organization/info."""

    organizations: list[str]


class OrganizationListQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """GET /organization/list."""

    org_id: str | None = None
    org_alias: str | None = None


class OrganizationInfo(OrganizationRecord, frozen=True, kw_only=True):
    litellm_budget_table: BudgetRecord | None = None
    members: list[OrganizationMembershipRecord] = []
    teams: list[TeamRecord] = []


class OrganizationMembersAdded(msgspec.Struct, frozen=True, kw_only=True):
    organization_id: str
    updated_users: list[str]
    updated_organization_memberships: list[OrganizationMembershipRecord]
