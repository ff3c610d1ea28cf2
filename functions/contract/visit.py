"""The visit of a browser, and what it is sent: pages, redirects, cookies. For functions that people come to
before anybody knows who they are."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

import msgspec


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """One request of a browser."""

    request_id: str
    received_at: datetime
    base_url: str = "http://127.0.0.1:4000"
    """The address under which the browser sees the gateway, with the root path and without a slash at its
    end."""
    cookies: Mapping[str, str] = {}
    address: str | None = None
    """The address of the browser, where a trusted proxy is in front the one that the proxy tells."""
    user_agent: str | None = None
    csrf: str = ""
    """The header `x-csrf-token`."""
    is_same_origin: bool = True
    """False where the request says that a page of another site made it."""
    if_match: str = ""
    if_none_match: str = ""
    """The versions that the caller has (RFC 9110, section 13)."""
    query: Mapping[str, str] = {}
    """The parameters of the address, those in its path too."""
    ui_title: str = ""
    """What the admin UI is called here. Empty: by the gateway's own name."""
    ui_accent: str = ""
    """The admin UI's own colour, such as `#0d7a70`."""
    wants_page: bool = True
    """Whether a page is answered. False: JSON."""

    @property
    def is_secure(self) -> bool:
        return self.base_url.startswith("https://")


class Cookie(msgspec.Struct, frozen=True, kw_only=True):
    """A cookie for the whole site that no script can read. `max_age_s` 0 deletes the cookie."""

    name: str
    value: str = ""
    max_age_s: int
    is_secure: bool

    @property
    def header(self) -> str:
        secure = "; Secure" if self.is_secure else ""
        return f"{self.name}={self.value}; Path=/; Max-Age={self.max_age_s}; HttpOnly; SameSite=Lax{secure}"


PageName = Literal["sign_in", "error", "pending", "invitation", "signed_out", "home", "claims"]
"""The pages. Each has a template of its name in `runtime/signin/templates/`."""


class WebPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page that the gateway renders. Where the visit wants no page, `facts` is answered as JSON."""

    name: PageName
    facts: msgspec.Struct
    """What the page shows."""
    status: int = 200
    cookies: tuple[Cookie, ...] = ()
    retry_after_s: int | None = None
    then: str = ""
    """Where the browser goes by itself after it has shown the page. A form can't lead it to another site."""


class Redirect(msgspec.Struct, frozen=True, kw_only=True):
    """The browser is sent on. `to` is a path of the gateway without its root path, or the address of a
    provider."""

    to: str
    cookies: tuple[Cookie, ...] = ()
    status: int = 303


def cookie_name(word: str, *, is_secure: bool) -> str:
    """The name of a cookie: `__Host-` keeps other hosts and plain http from setting it (RFC 6265bis, section
    4.1.3.2)."""
    return f"__Host-switchgear_{word}" if is_secure else f"switchgear_{word}"


SESSION = "session"
"""The word of the cookie that holds a session."""
SIGN_IN = "signin"
"""The word of the cookie that binds sign-ins under way to the browser."""


def cookie_of(visit: Visit, word: str) -> str:
    """The value of one of our cookies. Empty where the browser sent none."""
    return visit.cookies.get(cookie_name(word, is_secure=visit.is_secure), "")


def cookie_for(visit: Visit, word: str, value: str, max_age_s: int) -> Cookie:
    """A cookie for the browser of a visit."""
    name = cookie_name(word, is_secure=visit.is_secure)
    return Cookie(name=name, value=value, max_age_s=max_age_s, is_secure=visit.is_secure)
