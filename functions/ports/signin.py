"""Ports of signing in. Their implementations are in `runtime/signin`."""

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from functions.contract.call import Call, Caller
from functions.contract.visit import Visit
from schema.fields import Page
from schema.identity import Identity, SignInRules
from schema.invitations import InvitationRecord
from schema.sessions import SessionMethod, SessionRecord
from schema.sso_settings import SsoPreview
from schema.users import UserRecord


class ProviderShown(msgspec.Struct, frozen=True, kw_only=True):
    """A provider, as pages show it."""

    kind: str
    label: str


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """What is in force of signing in."""

    rules: SignInRules
    providers: tuple[ProviderShown, ...] = ()
    flaws: tuple[str, ...] = ()
    """What an admin has to do before people can sign in at a provider. There is no secret in them."""


class SentOff(msgspec.Struct, frozen=True, kw_only=True):
    """A sign-in that was begun: where the browser goes, and what its cookie holds."""

    address: str
    browser: str
    kept_s: int


class Returned(msgspec.Struct, frozen=True, kw_only=True):
    """A person whom the provider sent back."""

    identity: Identity
    provider: str
    purpose: str
    return_to: str
    rules: SignInRules


class SignIn(Protocol):
    """Providers, and the people who come from them."""

    async def situation(self) -> Situation:
        """What is in force now."""
        ...

    async def send_off(
        self, visit: Visit, *, provider: str | None, return_to: str, purpose: str
    ) -> SentOff | None:
        """Begin a sign-in. None where no such provider is set up. Raises ProviderUnavailable or
        RateLimited."""
        ...

    async def take_back(self, visit: Visit, *, state: str, code: str, error: str, described: str) -> Returned:
        """End a sign-in, with what the provider sent. Raises SignInFailed or ProviderUnavailable."""
        ...

    async def admit(self, returned: Returned, visit: Visit) -> UserRecord:
        """The user of a person, brought up to date; made where there is none. Raises SignInFailed."""
        ...

    async def preview(self, identity: Identity, rules: SignInRules) -> SsoPreview:
        """What `admit` would do."""
        ...

    async def identity_of(self, provider: str | None, claims: Mapping[str, Any]) -> Identity:
        """The identity in claims that nobody signed, for a preview. Raises InvalidRequest."""
        ...

    async def end_address(self, provider: str, visit: Visit) -> str | None:
        """Where a browser signs out of the provider."""
        ...

    async def password_user(self, name: str, password: str, visit: Visit) -> str:
        """The user with this address or id and this password. Raises SignInFailed, whatever is wrong, and
        RateLimited."""
        ...

    async def check_master_key(self, key: str, visit: Visit) -> None:
        """Raises SignInFailed for another text than the master key, and RateLimited."""
        ...

    async def failed(self, visit: Visit, reason: str) -> None:
        """Note in the audit log that a sign-in at a provider failed."""
        ...


class Sessions(Protocol):
    """The sessions of people."""

    async def begin(
        self, user_id: str, method: SessionMethod, visit: Visit, rules: SignInRules, *, provider: str = ""
    ) -> str:
        """Begin a session in place of the browser's former one. Gives what the cookie holds."""
        ...

    async def end(self, secret: str, visit: Visit) -> SessionRecord | None:
        """End the session of a cookie. None where there is none."""
        ...

    async def caller(self, secret: str) -> Caller | None:
        """Whose session it is. None where it is over, or its user may not come in."""
        ...

    def csrf(self, secret: str) -> str:
        """The token that changes by a session need."""
        ...

    async def page(self, user_id: str | None, *, page: int, size: int) -> Page[SessionRecord]:
        """One page of the sessions of one user or of everybody, newest first."""
        ...

    async def revoke(
        self, user_id: str | None, session_id: str | None, *, call: Call, spares: str = ""
    ) -> int:
        """End sessions, of one user or of everybody, all of them or one. `spares` is the id of one that goes
        on. Gives how many were ended."""
        ...

    async def note_pgadmin(self, *, call: Call) -> None:
        """Write into the audit log that the calling session opens pgAdmin, the first time that it does."""
        ...


class Passwords(Protocol):
    """The passwords of users, and the invitations to set one."""

    async def invite(self, user_id: str, *, call: Call) -> tuple[InvitationRecord, str]:
        """Make an invitation, in place of the user's open ones. Gives it, and what its link holds. Raises
        NotFound for a user that is not there."""
        ...

    async def invitation(self, id: str) -> InvitationRecord | None: ...

    async def invited(self, secret: str) -> UserRecord | None:
        """Whom the invitation with this link is for. None where it counts no more."""
        ...

    async def extend(self, id: str, *, accepted: bool, call: Call) -> InvitationRecord | None:
        """Close an invitation by hand (`accepted`), or give it seven more days."""
        ...

    async def withdraw(self, id: str, *, call: Call) -> InvitationRecord | None: ...

    async def accept(self, secret: str, password: str, visit: Visit) -> UserRecord:
        """Set the password of an invited user, once. Raises SignInFailed where the invitation counts no more,
        and InvalidRequest for a password that is too easy."""
        ...

    async def change(self, user_id: str, before: str, after: str, visit: Visit) -> None:
        """Change one's own password. Raises SignInFailed where the one before is wrong, and RateLimited."""
        ...

    async def remove(self, user_id: str, *, call: Call) -> bool:
        """Take a user's password away. False where there was none."""
        ...


class SsoStore(Protocol):
    """The settings that are made by API."""

    async def shown(self) -> Mapping[str, Any]:
        """The settings in force by name, each as (value, source). Secrets are stars."""
        ...

    async def change(self, changes: Mapping[str, Any], *, call: Call) -> None:
        """Set settings; None removes one. Raises InvalidRequest for settings that can't be used."""
        ...
