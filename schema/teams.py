"""Teams and their members: the records and the management wire forms (LiteLLM's field names)."""

from datetime import datetime
from decimal import Decimal
from typing import Literal

import msgspec

from schema.budgets import BudgetRecord
from schema.fields import (
    UNSET,
    Json,
    LimitFields,
    MaybeCount,
    MaybeDollars,
    MaybeFlag,
    MaybeText,
    MaybeTexts,
    MetadataRequest,
)
from schema.keys import KeyRecord
from schema.wire import Wire

TeamRole = Literal["admin", "user"]


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A member, named by id or by e-mail. `role` is `admin` or `user`."""

    role: TeamRole = "user"
    user_id: str | None = None
    user_email: str | None = None


class TeamRecord(LimitFields, frozen=True, kw_only=True):
    """A row of `LiteLLM_TeamTable`. `members_with_roles` follows the memberships."""

    team_id: str
    team_alias: str | None = None
    organization_id: str | None = None
    members_with_roles: list[Member] = []
    metadata: Json = {}
    spend: Decimal = Decimal(0)
    models: list[str] = []
    blocked: bool = False
    team_member_permissions: list[str] = []
    access_group_ids: list[str] = []
    member_budget_id: str | None = None


class TeamMembershipRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `LiteLLM_TeamMembership`. `allowed_models` empty means the team's."""

    user_id: str
    team_id: str
    role: str = "user"
    spend: Decimal = Decimal(0)
    total_spend: Decimal = Decimal(0)
    budget_id: str | None = None
    allowed_models: list[str] = []
    created_at: datetime | None = None


class TeamFields(MetadataRequest, frozen=True, kw_only=True, dict=True):
    """What a team can be given. An absent field stays as it is; null clears it. The `team_member_` limits
    hold for members who have none of their own."""

    team_alias: MaybeText = UNSET
    organization_id: MaybeText = UNSET
    models: MaybeTexts = UNSET
    blocked: MaybeFlag = UNSET
    access_group_ids: MaybeTexts = UNSET
    team_member_permissions: MaybeTexts = UNSET
    team_member_budget: MaybeDollars = UNSET
    team_member_budget_duration: MaybeText = UNSET
    team_member_rpm_limit: MaybeCount = UNSET
    team_member_tpm_limit: MaybeCount = UNSET


class TeamNewRequest(TeamFields, frozen=True, kw_only=True, dict=True):
    """POST /team/new. Without `team_id` the gateway makes an id. The caller's user becomes the team's
    admin."""

    team_id: str | None = None
    members_with_roles: list[Member] = []


class TeamUpdateRequest(TeamFields, frozen=True, kw_only=True, dict=True):
    """POST /team/update and PATCH /team/{team_id}."""

    team_id: str = ""


class MemberLimits(Wire, frozen=True, kw_only=True, dict=True):
    """What one member may spend and use in a team."""

    max_budget_in_team: MaybeDollars = UNSET
    budget_duration: MaybeText = UNSET
    rpm_limit: MaybeCount = UNSET
    tpm_limit: MaybeCount = UNSET
    allowed_models: MaybeTexts = UNSET


class MemberAddRequest(MemberLimits, frozen=True, kw_only=True, dict=True):
    """POST /team/member_add. A member who is no user yet becomes one."""

    team_id: str
    member: Member | list[Member]


class MembersAddRequest(MemberLimits, frozen=True, kw_only=True, dict=True):
    """POST /team/bulk_member_add."""

    team_id: str
    members: list[Member]


class MemberUpdateRequest(MemberLimits, frozen=True, kw_only=True, dict=True):
    """POST /team/member_update."""

    team_id: str
    user_id: str | None = None
    user_email: str | None = None
    role: TeamRole | msgspec.UnsetType = UNSET


class MemberDeleteRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /team/member_delete."""

    team_id: str
    user_id: str | None = None
    user_email: str | None = None


class TeamRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /team/block and /team/unblock."""

    team_id: str


class TeamsDeleted(msgspec.Struct, frozen=True, kw_only=True):
    """The ids of the teams that were deleted."""

    deleted_teams: list[str]


class TeamDeleteRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /team/delete."""

    team_ids: list[str]


class TeamModelsRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /team/model/add and /team/model/delete."""

    team_id: str
    models: list[str]


class TeamPermissionsRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /team/permissions_update: paths that members may call on the team's keys."""

    team_id: str
    team_member_permissions: list[str]


class MemberSpendRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /team/{team_id}/member/{user_id}/reset_spend."""

    team_id: str = ""
    user_id: str = ""
    reset_to: Decimal = Decimal(0)


class TeamQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """GET /team/info and /team/permissions_list."""

    team_id: str


class TeamListQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """GET /team/list."""

    user_id: str | None = None
    organization_id: str | None = None
    team_id: str | None = None
    team_alias: str | None = None


class TeamPageQuery(TeamListQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """GET /v2/team/list. Pages count from 1."""

    page: int = 1
    page_size: int = 25


class TeamFilterQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """GET /team/filter/ui. Each text is a part of what is looked for."""

    team_id: str | None = None
    team_alias: str | None = None
    page: int = 1
    page_size: int = 50


class TeamMembershipShown(TeamMembershipRecord, frozen=True, kw_only=True):
    litellm_budget_table: BudgetRecord | None = None


class TeamInfo(msgspec.Struct, frozen=True, kw_only=True):
    team_id: str
    team_info: TeamRecord
    keys: list[KeyRecord]
    team_memberships: list[TeamMembershipShown]


class TeamUpdated(msgspec.Struct, frozen=True, kw_only=True):
    team_id: str
    data: TeamRecord


class TeamMembersAdded(TeamRecord, frozen=True, kw_only=True):
    """The team's row, and the memberships that were added."""

    updated_users: list[Member]
    updated_team_memberships: list[TeamMembershipRecord]


class TeamPage(msgspec.Struct, frozen=True, kw_only=True):
    teams: list[TeamRecord]
    total: int
    page: int
    page_size: int
    total_pages: int


class TeamPermissions(msgspec.Struct, frozen=True, kw_only=True):
    team_id: str
    team_member_permissions: list[str]
    all_available_permissions: list[str]


class MemberSpendReset(msgspec.Struct, frozen=True, kw_only=True):
    """What a member had spent before and after, in dollars."""

    team_id: str
    user_id: str
    spend: Decimal
    previous_spend: Decimal
