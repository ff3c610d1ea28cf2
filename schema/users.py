"""Users: the record and the management wire forms (LiteLLM's field names)."""

from datetime import datetime
from decimal import Decimal
from typing import Literal

import msgspec

from schema.fields import UNSET, Json, LimitFields, MaybeFlag, MaybeText, MaybeTexts
from schema.keys import KeyRecord
from schema.metadata import MetadataRequest
from schema.teams import TeamRecord
from schema.wire import Wire


class UserRecord(LimitFields, frozen=True, kw_only=True):
    """A row of `LiteLLM_UserTable`. `teams` follows the memberships."""

    user_id: str
    user_alias: str | None = None
    sso_user_id: str | None = None
    user_role: str | None = None
    user_email: str | None = None
    teams: list[str] = []
    spend: Decimal = Decimal(0)
    metadata: Json = {}
    models: list[str] = []
    blocked: bool = False
    role_source: str | None = None
    """Who gave the role: `sql`, `api`, `scim`, `claim` or `default`."""
    claimed_role: str | None = None
    """The role that the last sign-in claimed, where it is another one and the user's stays."""
    pending: bool = False
    deactivated: bool = False
    external_id: str | None = None


class UserFields(MetadataRequest, frozen=True, kw_only=True, dict=True):
    """What a user can be given. An absent field stays as it is; null clears it."""

    user_alias: MaybeText = UNSET
    user_email: MaybeText = UNSET
    user_role: MaybeText = UNSET
    sso_user_id: MaybeText = UNSET
    models: MaybeTexts = UNSET
    blocked: MaybeFlag = UNSET
    allowed_cache_controls: MaybeTexts = UNSET
    """What the requests of the user's keys may say in `cache`, such as `no-cache`. Empty: everything."""


class UserTeam(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A team that a new user joins: with which role, and with how much to spend in it, in dollars."""

    team_id: str
    max_budget_in_team: Decimal | None = None
    user_role: Literal["admin", "user"] = "user"


class UserNewRequest(UserFields, frozen=True, kw_only=True, dict=True):
    """POST /user/new. Without `user_id` the gateway makes an id. `teams` has ids or objects. Where
    `auto_create_key` is absent, a key is made if the caller is an admin."""

    user_id: str | None = None
    teams: list[str | UserTeam] | msgspec.UnsetType = UNSET
    organizations: list[str] | msgspec.UnsetType = UNSET
    auto_create_key: bool | msgspec.UnsetType = UNSET
    key_alias: str | None = None
    duration: str | None = None
    team_id: str | None = None
    """A team that the user joins, and that the first key is of."""
    aliases: dict[str, str] | msgspec.UnsetType = UNSET
    """Names of the first key's own for models. They have no effect where no key is made."""


class UserUpdateRequest(UserFields, frozen=True, kw_only=True, dict=True):
    """POST /user/update: by `user_id`, or by `user_email` where that is absent."""

    user_id: str | None = None
    follow_directory: bool | None = None
    """Switchgear's own: true hands the role back to the directory, whose claims set it from then on."""


class UserBulkUpdateRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /user/bulk_update. Each entry is a body of /user/update. In place of `users`, `all_users` changes
    every user by `user_updates`."""

    users: list[UserUpdateRequest] = []
    all_users: bool = False
    user_updates: UserUpdateRequest | None = None


class UserDeleteRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /user/delete."""

    user_ids: list[str]
    organization_id: str | None = None
    """An organization that all of the users have to be in."""


class UserBlockRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /user/block and /user/unblock."""

    user_id: str


class UserInfoQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """GET /user/info. Without `user_id` the caller's own user is shown."""

    user_id: str | None = None


class UserListQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """GET /user/list. `user_ids`, `sso_user_ids` and `organization_ids` are lists separated by commas.
    `user_email` is a part of the address."""

    page: int = 1
    page_size: int = 25
    role: str | None = None
    user_ids: str | None = None
    sso_user_ids: str | None = None
    user_email: str | None = None
    team: str | None = None
    organization_ids: str | None = None
    sort_by: Literal["created_at", "user_id", "user_email", "user_alias", "user_role", "spend"] = "created_at"
    sort_order: Literal["asc", "desc"] = "desc"


class UserFilterQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """GET /user/filter/ui. Each text is a part of what is looked for."""

    user_id: str | None = None
    user_email: str | None = None
    page: int = 1
    page_size: int = 50


class UserFound(msgspec.Struct, frozen=True, kw_only=True):
    user_id: str
    user_email: str | None


class RolesQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """GET /user/available_roles takes nothing."""


class UserMade(UserRecord, frozen=True, kw_only=True):
    """A new user, and its first key where one was made: shown here and never again."""

    key: str | None = None
    token: str | None = None
    expires: datetime | None = None

    def __repr__(self) -> str:
        return "UserMade(...)"


class UserInfo(msgspec.Struct, frozen=True, kw_only=True):
    user_id: str | None
    """None where all keys and teams are shown."""
    user_info: UserRecord | None
    keys: list[KeyRecord]
    teams: list[TeamRecord]


class UserUpdated(msgspec.Struct, frozen=True, kw_only=True):
    user_id: str
    data: UserRecord


class UserListed(UserRecord, frozen=True, kw_only=True):
    key_count: int


class UserList(msgspec.Struct, frozen=True, kw_only=True):
    users: list[UserListed]
    total: int
    page: int
    page_size: int
    total_pages: int


class UserChanged(msgspec.Struct, frozen=True, kw_only=True):
    """One user of a bulk update: changed, or not, with the reason."""

    user_id: str
    user_email: str | None
    success: bool
    error: str | None = None
    updated_user: UserRecord | None = None


class UsersChanged(msgspec.Struct, frozen=True, kw_only=True):
    results: list[UserChanged]
    total_requested: int
    successful_updates: int
    failed_updates: int


class RoleLabel(msgspec.Struct, frozen=True, kw_only=True):
    description: str
    ui_label: str
