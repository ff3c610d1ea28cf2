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
    ModelBudget,
)
from schema.keys import KeyRecord
from schema.metadata import MetadataRequest
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
    external_id: str | None = None
    """The directory's id of the group that the team is."""


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
    source: str | None = None
    """What keeps the membership: `claim` or `scim`. None: somebody made it by hand."""


class TeamFields(MetadataRequest, frozen=True, kw_only=True, dict=True):
    """What a team can be given. An absent field stays as it is; null clears it. The `team_member_` limits
    hold for members who have none of their own."""

    store_local_bodies: MaybeFlag = UNSET
    """Switchgear's own: whether bodies of calls that stay local may be stored at all."""
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
    model_aliases: dict[str, str] | msgspec.UnsetType | None = UNSET
    """The team's own names for models, for all of its keys. A key's own alias counts first."""


class TeamNewRequest(TeamFields, frozen=True, kw_only=True, dict=True):
    """POST /team/new. Without `team_id` the gateway makes an id. The caller's user becomes the team's
    admin. `admins` and `members` are lists of user ids, LiteLLM's older way to name members."""

    team_id: str | None = None
    members_with_roles: list[Member] = []
    admins: list[str] = []
    members: list[str] = []


class TeamUpdateRequest(TeamFields, frozen=True, kw_only=True, dict=True):
    """POST /team/update and PATCH /team/{team_id}."""

    team_id: str = ""


class MemberLimits(Wire, frozen=True, kw_only=True, dict=True):
    """What one member may spend and use in a team."""

    max_budget_in_team: MaybeDollars = UNSET
    budget_duration: MaybeText = UNSET
    rpm_limit: MaybeCount = UNSET
    tpm_limit: MaybeCount = UNSET
    model_max_budget: dict[str, ModelBudget] | msgspec.UnsetType | None = UNSET
    allowed_models: MaybeTexts = UNSET


class MemberAddRequest(MemberLimits, frozen=True, kw_only=True, dict=True):
    """POST /team/member_add. A member who is no user yet becomes one."""

    team_id: str
    member: Member | list[Member]


class MembersAddRequest(MemberLimits, frozen=True, kw_only=True, dict=True):
    """POST /team/bulk_member_add. `members` names who is added; with `all_users` it is every user."""

    team_id: str
    members: list[Member] = []
    all_users: bool = False


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
    """GET /v2/team/list. Pages count from 1. `search` is a part of the id or the alias."""

    page: int = 1
    page_size: int = 25
    search: str | None = None
    sort_by: Literal["created_at", "updated_at", "team_id", "team_alias", "spend", "max_budget"] = (
        "created_at"
    )
    sort_order: Literal["asc", "desc"] = "desc"


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


class MemberAdded(msgspec.Struct, frozen=True, kw_only=True):
    """One member of a bulk request: added, or not, with the reason."""

    user_id: str | None
    user_email: str | None
    success: bool
    error: str | None = None
    updated_user: Member | None = None
    updated_team_membership: TeamMembershipRecord | None = None


class MembersAdded(msgspec.Struct, frozen=True, kw_only=True):
    """What a bulk request did, member by member. `updated_team` is the team's row afterwards."""

    team_id: str
    results: list[MemberAdded]
    total_requested: int
    successful_additions: int
    failed_additions: int
    updated_team: TeamRecord


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
