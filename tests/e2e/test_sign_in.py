"""Signing in over HTTP, at two workers: a provider, cookies, pages, and how fast an end is an end."""

import asyncio
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import execute
from tests.databases import Databases, dsn_of
from tests.e2e.gateway import MASTER_KEY, Gateway, free_port, query, serving, until
from tests.e2e.sign_in import browser_of, sent_to, signed_in
from tests.fakes.entra import Entra, Person
from tests.fakes.hostile_upstream import HostileUpstream

WORKERS = "2"
HTML = {"accept": "text/html"}
CSP = "default-src 'none'; style-src 'self'"


@pytest.fixture(scope="module")
def entra() -> Iterator[Entra]:
    with Entra().running() as tenant:
        yield tenant


@pytest.fixture(scope="module")
def office(
    postgres_server: str,
    databases: Databases,
    upstream: HostileUpstream,
    entra: Entra,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Gateway]:
    """Two workers, whose Microsoft is the fake tenant."""
    name = databases.take()
    port = free_port()
    base_url = f"http://127.0.0.1:{port}"
    entra.redirect_uris.add(f"{base_url}/sso/callback")
    env = {
        "MICROSOFT_CLIENT_ID": entra.client_id,
        "MICROSOFT_CLIENT_SECRET": entra.client_secret,
        "MICROSOFT_TENANT": entra.tenant_id,
        "MICROSOFT_AUTHORITY": entra.url,
        "PROXY_BASE_URL": base_url,
        "SWITCHGEAR_SCIM_TOKEN": "sk-the-token-of-the-directory",
    }
    config: dict[str, Any] = {
        "model_list": [
            {
                "model_name": "gpt",
                "litellm_params": {"model": "openai/gpt-4", "api_base": upstream.url, "api_key": "sk-x"},
            }
        ],
    }
    folder = tmp_path_factory.mktemp("office")
    dsn = dsn_of(postgres_server, name)
    with serving(folder, config, dsn, "--workers", WORKERS, env=env, port=port) as running:
        yield running
    databases.give_back(name)


def person(name: str, **more: Any) -> Person:
    return Person(oid=f"oid-{name}", name=name.title(), email=f"{name}@deeprunner.ai", **more)


def csrf_of(browser: httpx.Client) -> str:
    me = browser.get("/v1/me")
    assert me.status_code == 200, me.text
    token: str = me.json()["session"]["csrf_token"]
    return token


def changing(browser: httpx.Client) -> dict[str, str]:
    """The headers with which a page of ours changes something."""
    return {"origin": str(browser.base_url).rstrip("/"), "x-csrf-token": csrf_of(browser)}


def fresh(browser: httpx.Client, path: str = "/v1/me") -> int:
    """The status of a GET on a new connection, which either worker may take."""
    with httpx.Client(base_url=browser.base_url, cookies=browser.cookies) as another:
        return another.get(path).status_code


def test_every_worker_takes_a_return_and_knows_the_session(office: Gateway, entra: Entra) -> None:
    for number in range(6):
        entra.at_the_keyboard = person(f"worker{number}")
        with browser_of(office) as browser:
            back = httpx.get(sent_to(browser, "/ui")).headers["location"]
            with httpx.Client(cookies=browser.cookies) as elsewhere:  # another connection, another worker
                answer = elsewhere.get(back)
                assert answer.status_code == 303, answer.text
                browser.cookies.update(elsewhere.cookies)
            assert [fresh(browser) for _ in range(6)] == [200] * 6


def test_a_session_authorises_what_a_key_of_the_user_does(office: Gateway, entra: Entra) -> None:
    with signed_in(office, entra, person("boss", roles=("proxy_admin",))) as browser:
        assert browser.get("/user/list").status_code == 200
        made = browser.post("/team/new", json={"team_id": "by-session"}, headers=changing(browser))
        assert made.status_code == 200, made.text
        user_id = browser.get("/v1/me").json()["user_id"]
        audit = browser.get("/audit?object_id=by-session").json()
        assert audit["audit_logs"][0]["changed_by"] == user_id
    with signed_in(office, entra, person("member")) as browser:
        refused = browser.post("/team/new", json={}, headers=changing(browser))
        assert refused.status_code == 403


def test_a_session_calls_models_and_the_row_names_its_user(office: Gateway, entra: Entra) -> None:
    with signed_in(office, entra, person("caller")) as browser:
        body = {"model": "gpt", "messages": [{"role": "user", "content": "hi"}]}
        headers = {**changing(browser), "x-litellm-call-id": "by-session"}
        answer = browser.post("/v1/chat/completions", json=body, headers=headers)
        assert answer.status_code == 200, answer.text
        row = office.row("by-session")
        assert row.api_key.startswith("session:")
        sql = """SELECT "user" FROM "LiteLLM_SpendLogs" WHERE litellm_call_id = 'by-session'"""
        (stored,) = asyncio.run(query(office.dsn, sql))
        assert stored["user"] == browser.get("/v1/me").json()["user_id"]


CALL = {"model": "gpt", "messages": [{"role": "user", "content": "hi"}]}


@pytest.mark.parametrize(
    "change",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1"},
        {"origin": "https://127.0.0.1:1"},
        {"x-csrf-token": "made-up"},
        {"x-csrf-token": ""},
        {"origin": None},
        {"x-csrf-token": None},
    ],
    ids=str,
)
@pytest.mark.parametrize(("path", "body"), [("/v1/chat/completions", CALL), ("/key/generate", {})])
def test_a_session_changes_nothing_from_another_site(
    office: Gateway,
    entra: Entra,
    upstream: HostileUpstream,
    change: dict[str, str | None],
    path: str,
    body: dict[str, Any],
) -> None:
    with signed_in(office, entra, person("victim")) as browser:
        headers = {name: value for name, value in (changing(browser) | change).items() if value is not None}
        before = len(upstream.requests)
        refused = browser.post(path, json=body, headers=headers)
        assert refused.status_code in (401, 403), refused.text
        assert len(upstream.requests) == before, "a page of another site called a model"
        assert browser.post(path, json=body, headers=changing(browser)).status_code == 200


def test_a_session_reads_nothing_for_a_page_of_another_site(office: Gateway, entra: Entra) -> None:
    with signed_in(office, entra, person("reader")) as browser:
        for path in ("/v1/models", "/v1/me", "/user/info"):
            assert browser.get(path).status_code == 200
            for origin in ("https://evil.example", "null"):
                assert browser.get(path, headers={"origin": origin}).status_code == 401, path


def test_a_key_counts_before_a_session(office: Gateway, entra: Entra) -> None:
    with signed_in(office, entra, person("both")) as browser:
        told = browser.get("/v1/me", headers={"authorization": f"Bearer {MASTER_KEY}"}).json()
        assert told["authenticated_by"] == "master_key"
        wrong = browser.get("/v1/me", headers={"authorization": "Bearer sk-none-of-ours-0000"})
        assert wrong.status_code == 401


def test_signing_out_ends_the_session_also_of_who_stole_the_cookie(office: Gateway, entra: Entra) -> None:
    with signed_in(office, entra, person("leaver")) as browser:
        stolen = httpx.Cookies(browser.cookies)
        token = browser.get("/v1/me").json()["session"]["csrf_token"]
        left = browser.post(
            "/logout", data={"csrf": token}, headers={**HTML, "origin": str(browser.base_url).rstrip("/")}
        )
        assert left.status_code == 200, left.text
        assert "/oauth2/v2.0/logout?" in left.headers["refresh"]
        assert not browser.cookies.get("switchgear_session")
        thief = httpx.Client(base_url=office.url, cookies=stolen)
        until(lambda: fresh(thief) == 401, 1.0, what="the end of the stolen session")
        assert {fresh(thief) for _ in range(4)} == {401}
        assert browser.get("/login?signed_out=1", headers=HTML).status_code == 200, "it goes in circles"


def in_force_s(office: Gateway, entra: Entra, name: str, end: Any) -> float:
    """How long after `end` some worker still lets a session and a key of the user in, in seconds."""
    with signed_in(office, entra, person(name)) as browser:
        user_id = browser.get("/v1/me").json()["user_id"]
        key = office.virtual_key(f"key-{name}", user_id=user_id)
        for _ in range(8):  # both workers know both
            assert fresh(browser) == 200
            assert httpx.get(f"{office.url}/v1/me", headers={"x-api-key": key}).status_code == 200
        end(user_id)
        started, last = time.monotonic(), 0.0
        while time.monotonic() - started < 1.5:
            statuses = (
                fresh(browser),
                httpx.get(f"{office.url}/v1/me", headers={"x-api-key": key}).status_code,
            )
            if statuses != (401, 401):
                last = time.monotonic() - started
        return last


def test_who_leaves_is_out_on_both_workers_within_a_second(office: Gateway, entra: Entra) -> None:
    def by_api(user_id: str) -> None:
        assert office.post("/user/block", user_id=user_id).status_code == 200

    def by_sql(user_id: str) -> None:
        execute(office.dsn, f"UPDATE \"LiteLLM_UserTable\" SET blocked = true WHERE user_id = '{user_id}'")

    def by_deletion(user_id: str) -> None:
        execute(office.dsn, f"DELETE FROM \"LiteLLM_UserTable\" WHERE user_id = '{user_id}'")

    def by_scim(user_id: str) -> None:
        change = {
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": "Replace", "path": "active", "value": "False"}],
        }
        headers = {"authorization": "Bearer sk-the-token-of-the-directory"}
        done = httpx.patch(f"{office.url}/scim/v2/Users/{user_id}", json=change, headers=headers, timeout=30)
        assert done.status_code == 200, done.text

    ways = {"api": by_api, "sql": by_sql, "deletion": by_deletion, "scim": by_scim}
    took = {name: in_force_s(office, entra, f"leaves-by-{name}", end) for name, end in ways.items()}
    assert max(took.values()) < 1.0, took


def test_many_sign_in_at_once(office: Gateway, entra: Entra) -> None:
    entra.at_the_keyboard = person("everywhere")

    def once(_: int) -> int:
        with browser_of(office) as browser:
            back = httpx.get(sent_to(browser, "/ui"), timeout=30).headers["location"]
            assert browser.get(back, follow_redirects=True).status_code == 200
            return browser.get("/v1/me").status_code

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(once, range(12))) == [200] * 12
    sql = """SELECT count(*) FROM "LiteLLM_UserTable" WHERE user_email = 'everywhere@deeprunner.ai'"""
    assert asyncio.run(query(office.dsn, sql))[0]["count"] == 1


def test_pages_load_nothing_run_nothing_and_stand_in_no_frame(office: Gateway) -> None:
    page = httpx.get(f"{office.url}/login", headers=HTML)
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["content-security-policy"].startswith(CSP)
    assert "script" not in page.text
    assert "style=" not in page.text
    for name, value in {
        "x-frame-options": "DENY",
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",
        "cache-control": "no-store",
    }.items():
        assert page.headers[name] == value
    css = re.search(r'href="([^"]+\.css)"', page.text)
    assert css is not None
    style = httpx.get(f"{office.url}{css[1]}")
    assert (style.status_code, style.headers["content-type"]) == (200, "text/css; charset=utf-8")


@pytest.mark.parametrize(
    "path",
    [
        "/sso/callback",
        "/sso/callback?state=x&code=y",
        "/sso/callback?error=<script>alert(1)</script>&state=x",
        "/invitation/accept?token=<script>",
        "/login?return_to=//evil.example/<script>",
        "/sso/key/generate?provider=<script>",
    ],
)
def test_whatever_an_address_holds_is_a_page_without_it(office: Gateway, path: str) -> None:
    answer = httpx.get(f"{office.url}{path}", headers=HTML)
    assert answer.status_code in (200, 400, 401), answer.text
    assert "<script" not in answer.text
    assert "evil.example" not in answer.text


def test_an_error_is_json_for_who_asks_for_json(office: Gateway) -> None:
    answer = httpx.get(f"{office.url}/sso/callback", headers={"accept": "application/json"})
    assert (answer.status_code, answer.json()["error"]["reason"]) == (401, "sign_in_failed")


@pytest.mark.parametrize(
    "body",
    [b"", b"a", b"username=a&username=b", b"%ff=%ff", b"&".join(b"a%d=b" % n for n in range(50)), b"\x00"],
)
def test_a_broken_form_is_a_bad_request(office: Gateway, body: bytes) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded", **HTML}
    answer = httpx.post(f"{office.url}/login", content=body, headers=headers)
    assert answer.status_code in (400, 401, 429), answer.text


def test_signing_in_with_the_master_key_over_a_form(office: Gateway) -> None:
    with browser_of(office) as browser:
        answer = browser.post("/login", data={"username": "admin", "password": MASTER_KEY}, headers=HTML)
        assert (answer.status_code, answer.headers["location"]) == (303, f"{office.url}/ui")
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("switchgear_session=")
        assert cookie.endswith("; Path=/; Max-Age=43200; HttpOnly; SameSite=Lax")
        assert browser.get("/user/list").status_code == 200
    as_json = httpx.post(f"{office.url}/v2/login", json={"username": "admin", "password": MASTER_KEY})
    assert as_json.json() == {"redirect_url": f"{office.url}/ui"}
    assert "switchgear_session" in as_json.cookies


def test_behind_a_proxy_with_https_and_a_root_path(postgres_dsn: str, entra: Entra, tmp_path: Path) -> None:
    """What a reverse proxy sends: the outer name stands in `PROXY_BASE_URL`."""
    env = {
        "MICROSOFT_CLIENT_ID": entra.client_id,
        "MICROSOFT_CLIENT_SECRET": entra.client_secret,
        "MICROSOFT_TENANT": entra.tenant_id,
        "MICROSOFT_AUTHORITY": entra.url,
        "PROXY_BASE_URL": "https://llm.example.com",
        "SERVER_ROOT_PATH": "/gw",
    }
    entra.redirect_uris.add("https://llm.example.com/gw/sso/callback")
    entra.at_the_keyboard = person("outside")
    with serving(tmp_path, {}, postgres_dsn, env=env) as gateway:
        first = httpx.get(f"{gateway.url}/gw/ui")
        assert first.headers["location"] == "https://llm.example.com/gw/sso/key/generate"
        deep = httpx.get(f"{gateway.url}/gw/ui/keys?status=blocked").headers["location"]
        assert deep == f"{first.headers['location']}?return_to=%2Fui%2Fkeys%3Fstatus%3Dblocked"
        sent = httpx.get(f"{gateway.url}/gw/sso/key/generate")
        cookie = sent.headers["set-cookie"]
        assert cookie.startswith("__Host-switchgear_signin=")
        assert cookie.endswith("; Path=/; Max-Age=600; HttpOnly; SameSite=Lax; Secure")
        back = httpx.URL(httpx.get(sent.headers["location"]).headers["location"])
        assert str(back.copy_with(query=None)) == "https://llm.example.com/gw/sso/callback"
        headers = {"cookie": cookie.partition(";")[0]}
        done = httpx.get(f"{gateway.url}/gw/sso/callback", params=back.params, headers=headers)
        assert (done.status_code, done.headers["location"]) == (303, "https://llm.example.com/gw/ui")
        session = done.headers["set-cookie"].partition(";")[0]
        assert session.startswith("__Host-switchgear_session=")
        home = httpx.get(f"{gateway.url}/gw/ui", headers={"cookie": session, **HTML})
        assert '"/gw/' in home.text, "the page names its paths without the root path"
        plain = session.replace("__Host-", "")
        assert httpx.get(f"{gateway.url}/gw/ui", headers={"cookie": plain}).status_code == 303


def test_on_localhost_behind_nginx_the_host_header_says_where(
    postgres_dsn: str, entra: Entra, tmp_path: Path
) -> None:
    env = {
        "MICROSOFT_CLIENT_ID": entra.client_id,
        "MICROSOFT_CLIENT_SECRET": entra.client_secret,
        "MICROSOFT_TENANT": entra.tenant_id,
        "MICROSOFT_AUTHORITY": entra.url,
    }
    with serving(tmp_path, {}, postgres_dsn, env=env) as gateway:
        sent = httpx.get(f"{gateway.url}/sso/key/generate", headers={"host": "localhost:3000"})
        asked = httpx.URL(sent.headers["location"]).params
        assert asked["redirect_uri"] == "http://localhost:3000/sso/callback"
        strange = httpx.get(f"{gateway.url}/sso/key/generate", headers={"host": "evil.example"})
        assert strange.status_code == 401, "a cookie over plain http"
