"""Signing in on the gateway's own pages, and signing out."""

import msgspec

from schema.wire import Wire


class LoginQuery(msgspec.Struct, frozen=True, kw_only=True):
    """GET /login."""

    return_to: str = ""
    signed_out: str = ""
    """Anything here: the page says that the browser has signed out."""


class LoginRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /login, from the page or as JSON. `username` is an address or an id; `admin`, or nothing, with the
    master key as password signs in with the master key, as in LiteLLM."""

    username: str = ""
    password: str = ""
    return_to: str = ""


class LogoutRequest(Wire, frozen=True, kw_only=True, dict=True):
    """POST /logout. A form sends the session's token as `csrf`, a program as the header `x-csrf-token`."""

    csrf: str = ""


class ProviderChoice(msgspec.Struct, frozen=True, kw_only=True):
    """A button of the sign-in page."""

    label: str
    address: str


class SignInFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the sign-in page shows."""

    providers: list[ProviderChoice]
    passwords: bool
    master_key: bool
    return_to: str
    flaws: list[str] = []
    """What an admin has to do before people can sign in."""
    failure: str = ""
    username: str = ""
    signed_out: bool = False


class HomeQuery(msgspec.Struct, frozen=True, kw_only=True):
    """GET /ui, and the pages below it. The page's own parameters are its filters."""

    place: str = ""
    """Which page, such as `keys`. The browser shows it."""


class HomeFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What `/ui` shows where the admin UI is not built."""

    name: str
    role: str
    csrf: str

    def __repr__(self) -> str:
        return "HomeFacts(...)"


class MessageFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A page with a message."""

    title: str
    message: str
    details: list[str] = []


class SignedOutFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Signed out here; the provider's own end is at `redirect_url`."""

    redirect_url: str
