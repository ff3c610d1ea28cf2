"""Sessions of people: the record, and how they are listed and ended."""

from datetime import datetime
from typing import Literal

import msgspec

from schema.wire import Wire

SessionMethod = Literal["sso", "password", "master_key"]


class SessionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A session, without what its cookie holds."""

    session_id: str
    user_id: str
    method: SessionMethod
    provider: str = ""
    address: str | None = None
    user_agent: str | None = None
    created_at: datetime
    seen_at: datetime
    expires_at: datetime


class SessionsQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """GET /sessions. Without `user_id` an admin is shown everybody's."""

    user_id: str | None = None
    page: int = 1
    page_size: int = 50


class SessionShown(SessionRecord, frozen=True, kw_only=True):
    is_current: bool
    """Whether it is the session of this very call."""


class SessionsShown(msgspec.Struct, frozen=True, kw_only=True):
    sessions: list[SessionShown]
    total: int
    page: int
    page_size: int
    total_pages: int


class PgadminQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """GET /sessions/pgadmin."""


class PgadminShown(msgspec.Struct, frozen=True, kw_only=True):
    """Who may open pgAdmin."""

    user_id: str


class SessionsEndRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /sessions/revoke, and DELETE /sessions. One of the fields; none of them ends the caller's own
    sessions."""

    session_id: str | None = None
    user_id: str | None = None
    """All sessions of this user."""
    everybody: bool = False
    """All sessions of all users: for admins."""


class SessionsEnded(msgspec.Struct, frozen=True, kw_only=True):
    ended: int
