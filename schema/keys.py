"""Virtual keys: the record and the management wire forms (LiteLLM's field names)."""

from datetime import datetime

import msgspec

from schema.wire import Wire


class KeyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `LiteLLM_VerificationToken`. Times are UTC and aware."""

    token: str
    """Lower-case hex SHA-256 of the key; the key itself is nowhere."""
    key_name: str
    """`sk-...` and the last four characters."""
    key_alias: str | None = None
    user_id: str | None = None
    team_id: str | None = None
    models: list[str] = []
    """Empty: all."""
    metadata: dict[str, msgspec.Raw] = {}
    expires: datetime | None = None
    blocked: bool = False
    spend_nano: int = 0
    created_at: datetime
    created_by: str


class KeyGenerateRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /key/generate. Fields of LiteLLM that this version can't enforce are refused by name."""

    key: str | None = None
    """The caller's own choice: starts with `sk-`, at least 16 characters."""
    key_alias: str | None = None
    duration: str | None = None
    """`30s`, `15m`, `12h`, `30d`, `2w`, `1mo`; absent: never expires."""
    models: list[str] = []
    user_id: str | None = None
    team_id: str | None = None
    metadata: dict[str, msgspec.Raw] = {}


class KeyGenerated(msgspec.Struct, frozen=True, kw_only=True):
    """The only time `key` is shown. `token` and `token_id` are its hash."""

    key: str
    key_name: str
    key_alias: str | None
    token: str
    token_id: str
    expires: datetime | None
    models: list[str]
    user_id: str | None
    team_id: str | None
    metadata: dict[str, msgspec.Raw]
    spend: float
    created_at: datetime
    created_by: str


class KeyInfoQuery(msgspec.Struct, frozen=True, kw_only=True):
    """GET /key/info. `key` is a key or its hash; absent: the caller's own."""

    key: str | None = None


class KeyFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A key as listings show it. `spend` is dollars; `status` is active, expired or blocked."""

    token: str
    key_name: str
    key_alias: str | None
    user_id: str | None
    team_id: str | None
    models: list[str]
    metadata: dict[str, msgspec.Raw]
    spend: float
    expires: datetime | None
    blocked: bool
    status: str
    created_at: datetime
    created_by: str


class KeyInfo(msgspec.Struct, frozen=True, kw_only=True):
    key: str
    info: KeyFacts


class KeyListQuery(msgspec.Struct, frozen=True, kw_only=True):
    """GET /key/list. Pages count from 1."""

    page: int = 1
    size: int = 10
    user_id: str | None = None
    team_id: str | None = None
    key_alias: str | None = None
    key_hash: str | None = None
    return_full_object: bool = False


class KeyPage(msgspec.Struct, frozen=True, kw_only=True):
    """What the store gives: the page's records and how many there are in all."""

    records: list[KeyRecord]
    total: int


class KeyList(msgspec.Struct, frozen=True, kw_only=True):
    """`keys` are hashes, or whole objects where `return_full_object` was asked for."""

    keys: list[str | KeyFacts]
    total_count: int
    current_page: int
    total_pages: int


class KeyDeleteRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /key/delete: `keys` are keys or hashes."""

    keys: list[str] = []
    key_aliases: list[str] = []


class KeysDeleted(msgspec.Struct, frozen=True, kw_only=True):
    deleted_keys: list[str]
