"""Virtual keys: the record and the management wire forms (LiteLLM's field names)."""

from datetime import datetime
from decimal import Decimal
from typing import Literal

import msgspec

from schema.budgets import BudgetRecord
from schema.fields import UNSET, Json, LimitFields, MaybeDollars, MaybeFlag, MaybeText, MaybeTexts
from schema.metadata import MetadataRequest
from schema.wire import Wire


class KeyRecord(LimitFields, frozen=True, kw_only=True):
    """A row of `LiteLLM_VerificationToken`. Times are UTC and aware."""

    token: str
    """Lower-case hex SHA-256 of the key; the key itself is nowhere."""
    key_id: str = ""
    """An id that stays when the key is replaced."""
    key_name: str | None = None
    """`sk-...` and the last four characters."""
    key_alias: str | None = None
    spend: Decimal = Decimal(0)
    expires: datetime | None = None
    models: list[str] = []
    """The models that the key may use. An empty list allows all."""
    aliases: dict[str, str] = {}
    user_id: str | None = None
    team_id: str | None = None
    organization_id: str | None = None
    project_id: str | None = None
    budget_id: str | None = None
    metadata: Json = {}
    blocked: bool | None = None
    key_type: str | None = None
    allowed_routes: list[str] = []
    access_group_ids: list[str] = []
    rotation_count: int = 0
    last_rotation_at: datetime | None = None


class DeprecatedKeyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `LiteLLM_DeprecatedVerificationToken`: a replaced key in its grace."""

    token: str
    active_token_id: str
    revoke_at: datetime
    created_at: datetime | None = None


class KeyFields(MetadataRequest, frozen=True, kw_only=True, dict=True):
    """What a key can be given. An absent field stays as it is; null clears it."""

    key_alias: MaybeText = UNSET
    key_type: Literal["default", "llm_api", "management", "read_only"] | msgspec.UnsetType | None = UNSET
    duration: MaybeText = UNSET
    """How long the key is good for: `30s`, `15m`, `12h`, `30d`, `2w` or `1mo`. With `0s` it expires now; with
    null or `-1` it never does."""
    models: MaybeTexts = UNSET
    aliases: dict[str, str] | msgspec.UnsetType | None = UNSET
    user_id: MaybeText = UNSET
    team_id: MaybeText = UNSET
    organization_id: MaybeText = UNSET
    project_id: MaybeText = UNSET
    budget_id: MaybeText = UNSET
    spend: MaybeDollars = UNSET
    blocked: MaybeFlag = UNSET
    allowed_routes: MaybeTexts = UNSET
    access_group_ids: MaybeTexts = UNSET
    end_user_budget_id: MaybeText = UNSET
    """The budget of customers that calls of this key name and that have none of their own."""
    allowed_cache_controls: MaybeTexts = UNSET
    """What requests may say in `cache`, such as `no-cache`. Empty: everything."""


class KeyGenerateRequest(KeyFields, frozen=True, kw_only=True, dict=True):
    """POST /key/generate and /key/service-account/generate."""

    key: str | None = None
    """A key of the caller's own choice. It starts with `sk-` and has at least 16 characters."""


class KeyUpdateRequest(KeyFields, frozen=True, kw_only=True, dict=True):
    """POST /key/update. `key` is a key or its hash; without it `key_alias` says which."""

    key: str | None = None


class KeyRegenerateRequest(KeyFields, frozen=True, kw_only=True, dict=True):
    """POST /key/regenerate and /key/{key}/regenerate. The old key stays good for `grace_period`."""

    key: str | None = None
    new_key: str | None = None
    grace_period: str | None = None


class KeyResetSpendRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /key/{key}/reset_spend."""

    key: str = ""
    reset_to: Decimal = Decimal(0)


class KeyBlockRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /key/block and /key/unblock: `key` is a key or its hash."""

    key: str


class KeyDeleteRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /key/delete: `keys` are keys or hashes."""

    keys: list[str] = []
    key_aliases: list[str] = []


class KeyBulkUpdateRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /key/bulk_update. Each entry is a body of /key/update."""

    keys: list[KeyUpdateRequest]


class KeysInfoRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /v2/key/info: keys or hashes."""

    keys: list[str]


class KeyInfoQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """GET /key/info. `key` is a key or its hash. Where it is absent, the caller's own key is shown."""

    key: str | None = None

    def __repr__(self) -> str:
        return "KeyInfoQuery(...)"  # it may hold a key


class KeyListQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """GET /key/list. Pages count from 1. `search` and, with `substring_matching`, `key_alias` and
    `user_id` match parts of a text, and so does `user_email`. `expires` is a day or a time, by which the keys
    end. `expand` is a list separated by commas: with `user`, whole objects have their user."""

    page: int = 1
    size: int = 10
    user_id: str | None = None
    team_id: str | None = None
    organization_id: str | None = None
    project_id: str | None = None
    access_group_id: str | None = None
    key_alias: str | None = None
    key_hash: str | None = None
    search: str | None = None
    substring_matching: bool = False
    return_full_object: bool = False
    include_team_keys: bool = False
    include_created_by_keys: bool = False
    status: Literal["active", "expired", "blocked", "deleted"] | None = None
    expires: str | None = None
    user_email: str | None = None
    expand: str | None = None
    sort_by: Literal["created_at", "updated_at", "spend", "max_budget", "key_alias", "expires"] = "created_at"
    sort_order: Literal["asc", "desc"] = "desc"

    def __repr__(self) -> str:
        return "KeyListQuery(...)"  # `key_hash` may be a key


class KeyAliasesQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """GET /key/aliases."""

    page: int = 1
    size: int = 50
    search: str | None = None


class KeyGenerated(KeyRecord, frozen=True, kw_only=True):
    """A new key. This answer is the only one that shows `key` itself. `token` and `token_id` are its hash."""

    key: str
    token_id: str
    litellm_budget_table: BudgetRecord | None = None

    def __repr__(self) -> str:
        return "KeyGenerated(...)"


class KeyOwner(msgspec.Struct, frozen=True, kw_only=True):
    """The user of a key, as lists of keys show it."""

    user_id: str
    user_email: str | None
    user_alias: str | None
    user_role: str | None


class KeyFacts(KeyRecord, frozen=True, kw_only=True):
    """A key as listings show it. `status` is active, expired or blocked; `/key/info` also knows
    deleted."""

    status: str
    litellm_budget_table: BudgetRecord | None = None
    user: KeyOwner | msgspec.UnsetType | None = UNSET
    """The key's user, where it was asked for."""


class KeyUpdated(KeyFacts, frozen=True, kw_only=True):
    """A key as it is after a change. `key` is its hash."""

    key: str


class KeyInfo(msgspec.Struct, frozen=True, kw_only=True):
    """`key` is what was asked for: the key or its hash."""

    key: str
    info: KeyFacts

    def __repr__(self) -> str:
        return "KeyInfo(...)"  # it may hold a key


class KeysInfo(msgspec.Struct, frozen=True, kw_only=True):
    """Each of `key` is what was asked for: a key or its hash."""

    key: list[str]
    info: list[KeyFacts]

    def __repr__(self) -> str:
        return "KeysInfo(...)"  # it may hold keys


class KeyList(msgspec.Struct, frozen=True, kw_only=True):
    """`keys` are hashes, or whole objects where `return_full_object` was asked for."""

    keys: list[str | KeyFacts]
    total_count: int
    current_page: int
    total_pages: int


class KeyAliases(msgspec.Struct, frozen=True, kw_only=True):
    aliases: list[str]
    total_count: int
    current_page: int
    total_pages: int


class KeysDeleted(msgspec.Struct, frozen=True, kw_only=True):
    """Each key as it was asked for: by itself, its hash or its alias."""

    deleted_keys: list[str]

    def __repr__(self) -> str:
        return "KeysDeleted(...)"  # it may hold keys


class KeySpendReset(msgspec.Struct, frozen=True, kw_only=True):
    """What a key had spent before and after, in dollars."""

    key_hash: str
    spend: Decimal
    previous_spend: Decimal


class KeyChanged(msgspec.Struct, frozen=True, kw_only=True):
    """A key that a bulk update changed."""

    key: str
    key_info: KeyFacts


class KeyNotChanged(msgspec.Struct, frozen=True, kw_only=True):
    """A key that a bulk update could not change. `key` is its hash or alias."""

    key: str
    failed_reason: str


class KeysChanged(msgspec.Struct, frozen=True, kw_only=True):
    total_requested: int
    successful_updates: list[KeyChanged]
    failed_updates: list[KeyNotChanged]


class KeyHealthRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /key/health takes nothing."""


class KeyHealth(msgspec.Struct, frozen=True, kw_only=True):
    """The calling key works. LiteLLM tells of the key's logging callbacks too; this version has none."""

    key: str = "healthy"
    logging_callbacks: None = None
