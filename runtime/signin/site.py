"""The gateway as browsers see it: its address, and the visit of a browser in a request's headers."""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from urllib.parse import urlsplit

import msgspec

from functions.contract.visit import Visit
from models_registry.config.reader import Config
from schema.errors.callers import SignInFailed

HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?")
BASE_URL = re.compile(r"https?://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*")
MAX_COOKIES = 100
MAX_COOKIE_CHARS = 16 * 1024
CSRF_HEADER = "x-csrf-token"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
SAME = frozenset({"same-origin", "none"})
"""The values of `Sec-Fetch-Site` that a page of another site never has."""
NOT_SAFE = (
    "Cookies are safe by https alone, and on this machine. Open the gateway by its https address; an admin "
    "sets PROXY_BASE_URL to it."
)
PRIVATE = ("127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
"""The proxies that are believed where `trusted_proxy_ranges` names none."""
PROXIES = "SWITCHGEAR_TRUSTED_PROXIES"
"""The variable that names the proxies that are believed: networks, with commas between them. It counts before
the config's two settings."""
COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
MAX_TITLE_CHARS = 40
ProxyRange = ipaddress.IPv4Network | ipaddress.IPv6Network


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """What the settings say of the gateway's address."""

    base_url: str = ""
    """`PROXY_BASE_URL`, without a slash at its end. Empty: the request's `Host` says it."""
    root_path: str = ""
    ui_title: str = ""
    """`SWITCHGEAR_UI_TITLE`: what the admin UI is called."""
    ui_accent: str = ""
    """`SWITCHGEAR_UI_ACCENT`: its colour, such as `#0d7a70`."""
    proxies: tuple[ProxyRange, ...] = ()
    """The proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` count."""

    def visit(
        self, headers: Mapping[str, str], *, request_id: str, received_at: datetime, address: str | None
    ) -> Visit:
        """The visit of a browser. The names in `headers` are in lower case."""
        return Visit(
            request_id=request_id,
            received_at=received_at,
            base_url=self.base_of(headers, address),
            cookies=cookies_in(headers.get("cookie", "")),
            address=self.client_of(headers, address),
            user_agent=headers.get("user-agent"),
            csrf=headers.get(CSRF_HEADER, ""),
            is_same_origin=self.is_own(headers),
            if_match=headers.get("if-match", ""),
            if_none_match=headers.get("if-none-match", ""),
            ui_title=self.ui_title,
            ui_accent=self.ui_accent,
            wants_page=_wants_page(headers),
        )

    def client_of(self, headers: Mapping[str, str], address: str | None) -> str | None:
        """The address of the client: of whoever connects, or what a proxy of ours tells of its client."""
        return self._browser(headers, address) if self.proxies and self._is_proxy(address) else address

    def is_own(self, headers: Mapping[str, str]) -> bool:
        """Whether a request comes from a page of ours, or from no page."""
        origin = headers.get("origin")
        if origin is None:
            return headers.get("sec-fetch-site", "none") in SAME
        if self.base_url:
            return origin == origin_of(self.base_url)
        host = headers.get("host", "")
        return bool(HOST.fullmatch(host)) and origin in (f"http://{host}", f"https://{host}")

    def has_own_origin(self, headers: Mapping[str, str]) -> bool:
        """Whether a request says that a page of ours made it."""
        return "origin" in headers and self.is_own(headers)

    def base_of(self, headers: Mapping[str, str], address: str | None) -> str:
        """The address under which the browser sees the gateway. `address` is that of whoever connects."""
        if self.base_url:
            joined = self.base_url.endswith(self.root_path)
            return self.base_url if joined else f"{self.base_url}{self.root_path}"
        host = headers.get("host", "")
        scheme = headers.get("x-forwarded-proto", "http") if self._is_proxy(address) else "http"
        if not HOST.fullmatch(host):
            host = "127.0.0.1"
        return f"{'https' if scheme == 'https' else 'http'}://{host}{self.root_path}"

    def _is_proxy(self, address: str | None) -> bool:
        found = _address(address)
        return found is not None and any(found in network for network in self.proxies)

    def _browser(self, headers: Mapping[str, str], address: str | None) -> str | None:
        """The nearest address of `X-Forwarded-For` that is none of our proxies."""
        for text in reversed(headers.get("x-forwarded-for", "").split(",")[-20:]):
            found = _address(text.strip())
            if found is None:
                break
            if not any(found in network for network in self.proxies):
                return str(found)
        return address


def check_usable(visit: Visit) -> None:
    """Raise SignInFailed where nobody may sign in: a cookie that a network sees is everybody's."""
    if not is_usable(visit):
        raise SignInFailed(NOT_SAFE)


def is_usable(visit: Visit) -> bool:
    """Whether cookies of ours are safe at this address: by https, or on this machine."""
    host = urlsplit(visit.base_url).netloc.rpartition(":")[0] or urlsplit(visit.base_url).netloc
    return visit.is_secure or host in LOOPBACK or urlsplit(visit.base_url).netloc in LOOPBACK


def cookies_in(header: str) -> dict[str, str]:
    """The cookies of a `Cookie` header. One that comes twice is left out: nobody could tell which one
    counts."""
    found: dict[str, str] = {}
    twice: set[str] = set()
    if len(header) > MAX_COOKIE_CHARS:
        return found
    for part in header.split(";")[
        :MAX_COOKIES
    ]:  # a comma is part of a value, which another host may have set
        name, equals, value = part.strip(" \t").partition("=")
        if equals and name:
            if found.get(name, value) != value:
                twice.add(name)
            found[name] = value
    return {name: value for name, value in found.items() if name not in twice}


def origin_of(address: str) -> str:
    """The origin of an address, as browsers write it: in lower case, without the scheme's own port."""
    parts = urlsplit(address)
    scheme, netloc = parts.scheme.lower(), parts.netloc.lower()
    own = {"https": ":443", "http": ":80"}.get(scheme, "")
    return f"{scheme}://{netloc.removesuffix(own) if own else netloc}"


def networks_of(ranges: Sequence[str]) -> tuple[ProxyRange, ...]:
    """The networks of texts such as `10.0.0.0/8`. Raises ValueError."""
    return tuple(ipaddress.ip_network(text, strict=False) for text in ranges)


def _wants_page(headers: Mapping[str, str]) -> bool:
    """Whether a page is answered: to a browser, and to who takes anything and sends no JSON, such as curl."""
    accepted, sent = headers.get("accept", ""), headers.get("content-type", "")
    return "text/html" in accepted or ("*/*" in accepted and "json" not in accepted and "json" not in sent)


def site_of(config: Config, root_path: str) -> tuple[Site, tuple[str, ...]]:
    """The gateway's address in a config, and what is wrong with it."""
    general, errors = config.general_settings, list[str]()
    base_url = config.environment.get("PROXY_BASE_URL", "").strip().rstrip("/")
    if base_url and not BASE_URL.fullmatch(base_url):
        errors.append("PROXY_BASE_URL: expected an address such as https://llm.example.com")
        base_url = ""
    proxies: tuple[ProxyRange, ...] = ()
    named = config.environment.get(PROXIES, "")
    try:
        if named.strip():
            proxies = networks_of([each.strip() for each in named.split(",")])
        elif general.use_x_forwarded_for:
            proxies = networks_of(general.trusted_proxy_ranges or PRIVATE)
    except ValueError:
        setting = PROXIES if named.strip() else "general_settings.trusted_proxy_ranges"
        errors.append(f"{setting}: expected networks such as 10.0.0.0/8")
    title = config.environment.get("SWITCHGEAR_UI_TITLE", "").strip()
    if len(title) > MAX_TITLE_CHARS:
        errors.append(
            f"SWITCHGEAR_UI_TITLE: expected at most {MAX_TITLE_CHARS} characters, found {len(title)}"
        )
    accent = config.environment.get("SWITCHGEAR_UI_ACCENT", "").strip()
    if accent and not COLOUR.fullmatch(accent):
        errors.append("SWITCHGEAR_UI_ACCENT: expected a colour such as #0d7a70")
    site = Site(base_url=base_url, root_path=root_path, ui_title=title, ui_accent=accent, proxies=proxies)
    return site, tuple(errors)


def _address(text: str | None) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(text or "")
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found
