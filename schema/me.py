"""Who the caller is, and what it may do."""

from datetime import datetime
from decimal import Decimal
from typing import Literal

import msgspec

from schema.users import UserRecord


class MeQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """GET /v1/me takes nothing."""


class AllowedModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model that the caller may use, and what lets it: the lists of models over the caller."""

    id: str
    because: str


class BudgetOver(msgspec.Struct, frozen=True, kw_only=True):
    """A budget over the caller, in dollars."""

    level: str
    """What has the budget: `user`, `team`, `organization`, `key` ..."""
    of: str
    max_budget: Decimal
    duration: str | None
    model: str | None = None


class LimitOver(msgspec.Struct, frozen=True, kw_only=True):
    """A limit of rate over the caller."""

    level: str
    of: str
    meter: str
    limit: int
    model: str | None = None


class MySession(msgspec.Struct, frozen=True, kw_only=True):
    """The session of the call."""

    csrf_token: str
    """What changes by this session send in `x-csrf-token`."""

    def __repr__(self) -> str:
        return "MySession(...)"


class Me(msgspec.Struct, frozen=True, kw_only=True):
    user_id: str | None
    user: UserRecord | None
    authenticated_by: Literal["master_key", "key", "session", "token"]
    key_alias: str | None
    role: str
    roles: list[str]
    """The user's own role, and those that teams and organizations give."""
    may: dict[str, list[str]]
    """What the roles may do, each with how far it reaches: `{"keys_write": ["mine"]}`."""
    teams: dict[str, str]
    organizations: dict[str, str]
    models: list[AllowedModel]
    budgets: list[BudgetOver]
    limits: list[LimitOver]
    session: MySession | None = None
    expires_at: datetime | None = None
