"""Invitations to set a password (LiteLLM's field names), and passwords."""

from datetime import datetime

import msgspec

from schema.wire import Wire


class InvitationRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `LiteLLM_InvitationLink`, without what the link holds."""

    id: str
    user_id: str
    is_accepted: bool
    accepted_at: datetime | None = None
    expires_at: datetime
    created_at: datetime
    created_by: str | None = None
    updated_at: datetime
    updated_by: str | None = None


class InvitationNewRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /invitation/new."""

    user_id: str


class InvitationMade(InvitationRecord, frozen=True, kw_only=True):
    """A new invitation. `url` is its link: it is shown here and never again."""

    url: str

    def __repr__(self) -> str:
        return "InvitationMade(...)"


class InvitationQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """GET /invitation/info."""

    invitation_id: str


class InvitationUpdateRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /invitation/update. `is_accepted` true closes the invitation; false gives it seven more days."""

    invitation_id: str
    is_accepted: bool = False


class InvitationDeleteRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /invitation/delete."""

    invitation_id: str


class InvitationPageQuery(msgspec.Struct, frozen=True, kw_only=True):
    """GET /invitation/accept, the page of an invitation's link."""

    token: str = ""


class InvitationAcceptRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /invitation/accept, from the page or as JSON."""

    token: str = ""
    password: str = ""
    again: str | None = None
    """The password once more, where somebody typed it."""


class PasswordChangeRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /user/password/change: one's own password."""

    current_password: str
    new_password: str


class PasswordResetRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /user/password/reset: takes a user's password away, ends the sessions, and makes an invitation."""

    user_id: str


class PasswordChanged(msgspec.Struct, frozen=True, kw_only=True):
    user_id: str
    sessions_ended: int


class InvitationFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the page of an invitation shows."""

    token: str
    name: str
    action: str = "/invitation/accept"
    min_chars: int = 12
    flaw: str = ""

    def __repr__(self) -> str:
        return "InvitationFacts(...)"
