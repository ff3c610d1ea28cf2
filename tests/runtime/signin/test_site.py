"""The gateway as browsers see it: addresses, origins, cookies, proxies."""

from datetime import UTC, datetime
from http.cookies import SimpleCookie

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.contract.visit import SESSION, Visit, cookie_for, cookie_of
from models_registry.config.reader import read_config
from runtime.signin.site import Site, cookies_in, is_usable, networks_of, site_of

AT = datetime.now(UTC)
NAMES = st.text("abcdefghijklmnopqrstuvwxyzABC_-0123456789", min_size=1, max_size=20)
VALUES = st.text("abcdefghijklmnopqrstuvwxyzABC_-0123456789=.", max_size=60)


def visit(site: Site, *, address: str | None = "127.0.0.1", **headers: str) -> Visit:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return site.visit(named, request_id="x", received_at=AT, address=address)


@given(st.text(max_size=500))
def test_any_cookie_header_is_read_without_an_error(header: str) -> None:
    for name, value in cookies_in(header).items():
        assert name
        assert f"{name}={value}" in header


@given(st.dictionaries(NAMES, VALUES, max_size=20))
def test_the_cookies_that_a_browser_sends_are_found(cookies: dict[str, str]) -> None:
    header = "; ".join(f"{name}={value}" for name, value in cookies.items())
    assert cookies_in(header) == cookies


@given(NAMES, VALUES, VALUES)
def test_a_cookie_that_comes_twice_counts_for_nothing(name: str, one: str, other: str) -> None:
    found = cookies_in(f"{name}={one}; a-b={one}; {name}={other}")
    assert found.get(name) == (one if one == other or (name == "a-b" and one == other) else None)


@given(st.text("abcdefghijklmnopqrstuvwxyz_-", min_size=43, max_size=43), st.booleans())
def test_a_cookie_that_is_set_comes_back(value: str, secure: bool) -> None:
    base = "https://llm.example" if secure else "http://localhost:3000"
    browser = Visit(request_id="x", received_at=AT, base_url=base)
    cookie = cookie_for(browser, SESSION, value, 60)
    parsed = SimpleCookie(cookie.header)
    (name,) = parsed
    assert bool(parsed[name]["secure"]) is secure
    assert (name.startswith("__Host-"), parsed[name]["path"], parsed[name]["domain"]) == (secure, "/", "")
    back = visit(Site(base_url=base), cookie=f"{name}={parsed[name].value}")
    assert cookie_of(back, SESSION) == value


@pytest.mark.parametrize(
    ("base_url", "origin", "host", "own"),
    [
        ("https://llm.example", "https://llm.example", "whatever", True),
        ("https://llm.example:443", "https://llm.example", "x", True),
        ("https://LLM.example", "https://llm.example", "x", True),
        ("https://llm.example", "http://llm.example", "llm.example", False),
        ("https://llm.example", "https://llm.example.evil.example", "llm.example", False),
        ("https://llm.example", "https://evil.example", "evil.example", False),
        ("https://llm.example", "null", "llm.example", False),
        ("", "http://localhost:3000", "localhost:3000", True),
        ("", "http://localhost:4000", "localhost:3000", False),
        ("", "null", "null", False),
        ("", "http://a,http://b", "a,http://b", False),
    ],
)
def test_an_origin_is_ours_or_not(base_url: str, origin: str, host: str, own: bool) -> None:
    headers = {"origin": origin, "host": host}
    assert Site(base_url=base_url).is_own(headers) is own
    assert Site(base_url=base_url).has_own_origin(headers) is own
    assert not Site(base_url=base_url).has_own_origin({"host": host})


@pytest.mark.parametrize("told", ["cross-site", "same-site"])
def test_a_request_without_an_origin_may_say_that_it_comes_from_elsewhere(told: str) -> None:
    assert not Site().is_own({"host": "x", "sec-fetch-site": told})
    assert Site().is_own({"host": "x"})


@given(st.text(max_size=100), st.text(max_size=100))
def test_no_host_header_leads_anywhere_else(host: str, proto: str) -> None:
    base = visit(Site(root_path="/gw"), host=host, x_forwarded_proto=proto).base_url
    assert base.startswith("http://")
    assert base.endswith("/gw")
    assert base.count("/") == 3
    assert not set(base) & set(" \r\n@\\<>\"'")


def test_forwarded_headers_count_from_trusted_proxies_alone() -> None:
    ranges = networks_of(["10.0.0.0/8", "127.0.0.1/32"])
    site = Site(proxies=ranges)
    told = {"x_forwarded_for": "203.0.113.9, 198.51.100.4, 10.1.1.1", "x_forwarded_proto": "https"}
    near = visit(site, host="llm.example", address="10.0.0.2", **told)
    assert (near.address, near.base_url) == ("198.51.100.4", "https://llm.example")
    far = visit(site, host="llm.example", address="203.0.113.5", **told)
    assert (far.address, far.base_url) == ("203.0.113.5", "http://llm.example")
    garbage = visit(site, host="llm.example", address="10.0.0.2", x_forwarded_for="1.2.3.4, garbage")
    assert garbage.address == "10.0.0.2"
    assert visit(Site(), address="10.0.0.2", **told).address == "10.0.0.2"


@pytest.mark.parametrize(
    ("base_url", "usable"),
    [
        ("https://llm.example", True),
        ("http://localhost:3000", True),
        ("http://127.0.0.1:4000/gw", True),
        ("http://[::1]:4000", True),
        ("http://localhost", True),
        ("http://llm.example", False),
        ("http://localhost.evil.example", False),
        ("http://10.0.0.1:4000", False),
    ],
)
def test_where_cookies_are_safe(base_url: str, usable: bool) -> None:
    assert is_usable(Visit(request_id="x", received_at=AT, base_url=base_url)) is usable


@pytest.mark.parametrize(
    ("accept", "content_type", "page"),
    [
        ("text/html,application/xhtml+xml,*/*;q=0.8", "", True),
        ("text/html", "application/x-www-form-urlencoded", True),
        ("*/*", "", True),
        ("*/*", "application/json", False),
        ("application/json", "", False),
        ("application/json, text/plain, */*", "", False),
        ("", "", False),
    ],
)
def test_who_gets_a_page(accept: str, content_type: str, page: bool) -> None:
    headers = {"accept": accept, "content_type": content_type, "host": "localhost"}
    assert visit(Site(), **headers).wants_page is page


@pytest.mark.parametrize(
    "base_url",
    ["llm.example", "ftp://x", "https://", "https://a b", "https://x/?q", "https://u@x", "javascript:x"],
)
def test_an_address_that_is_none_keeps_the_server_from_starting(base_url: str) -> None:
    _, errors = site_of(read_config({}, {"PROXY_BASE_URL": base_url}), "")
    assert errors == ("PROXY_BASE_URL: expected an address such as https://llm.example.com",)


def test_ranges_of_proxies_are_checked() -> None:
    general = {"use_x_forwarded_for": True, "trusted_proxy_ranges": ["nonsense"]}
    _, errors = site_of(read_config({"general_settings": general}, {}), "")
    assert len(errors) == 1
    site, errors = site_of(read_config({"general_settings": {"use_x_forwarded_for": True}}, {}), "")
    assert errors == ()
    assert len(site.proxies) == 6


def test_a_variable_names_the_proxies_before_the_config() -> None:
    general = {"general_settings": {"use_x_forwarded_for": True}}
    site, errors = site_of(
        read_config(general, {"SWITCHGEAR_TRUSTED_PROXIES": "172.31.213.2/32, fd00::2"}), ""
    )
    assert (errors, len(site.proxies)) == ((), 2)
    told = {"x-forwarded-for": "198.51.100.7, 203.0.113.9"}
    assert site.client_of(told, "172.31.213.2") == "203.0.113.9"
    assert site.client_of(told, "172.31.213.4") == "172.31.213.4"
    assert Site().client_of(told, "127.0.0.1") == "127.0.0.1"
    _, errors = site_of(read_config({}, {"SWITCHGEAR_TRUSTED_PROXIES": "nginx"}), "")
    assert errors == ("SWITCHGEAR_TRUSTED_PROXIES: expected networks such as 10.0.0.0/8",)


def test_the_admin_ui_has_a_name_and_a_colour_of_its_own() -> None:
    env = {"SWITCHGEAR_UI_TITLE": " Acme AI ", "SWITCHGEAR_UI_ACCENT": "#3B6FB6"}
    site, errors = site_of(read_config({}, env), "")
    assert errors == ()
    visit = site.visit({}, request_id="x", received_at=AT, address=None)
    assert (visit.ui_title, visit.ui_accent) == ("Acme AI", "#3B6FB6")


@pytest.mark.parametrize(
    ("env", "named"),
    [
        ({"SWITCHGEAR_UI_ACCENT": "red; background: url(//evil.example)"}, "SWITCHGEAR_UI_ACCENT"),
        ({"SWITCHGEAR_UI_TITLE": "x" * 41}, "SWITCHGEAR_UI_TITLE"),
    ],
)
def test_a_name_or_colour_that_is_none_is_an_error(env: dict[str, str], named: str) -> None:
    _, (error,) = site_of(read_config({}, env), "")
    assert error.startswith(named)
