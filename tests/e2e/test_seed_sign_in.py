"""Sentences of the user's document about the Microsoft 365 OAuth flow, walked against a tenant of the test's
own."""

import asyncio
import uuid
from collections.abc import Iterator

import httpx
import pytest

from runtime.admin_ui.built import built_ui
from runtime.admin_ui.state import COMMAND
from tests.conftest import execute
from tests.databases import dsn_of
from tests.e2e.gateway import Gateway, query, until
from tests.e2e.sign_in import browser_of, sent_to, signed_in, with_sign_in
from tests.fakes.entra import Entra, Person
from tests.fakes.hostile_upstream import HostileUpstream

MICROSOFT = "https://login.microsoftonline.com"
SET_ADMIN = """
UPDATE "LiteLLM_UserTable" SET user_role = 'proxy_admin'
WHERE user_email = 'admin@deeprunner.ai';
"""
"""The document's, verbatim."""
USER = """SELECT user_id, user_email, user_role, sso_user_id FROM "LiteLLM_UserTable" WHERE user_email = $1"""


@pytest.fixture(scope="module")
def entra() -> Iterator[Entra]:
    with Entra().running() as tenant:
        yield tenant


@pytest.fixture(scope="module")
def office(
    postgres_server: str,
    migrated_template: str,
    upstream: HostileUpstream,
    entra: Entra,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Gateway]:
    """A gateway whose Microsoft is the fake tenant."""
    name = f"office_{uuid.uuid4().hex}"
    execute(postgres_server, f"CREATE DATABASE {name} TEMPLATE {migrated_template}")
    folder, dsn = tmp_path_factory.mktemp("office"), dsn_of(postgres_server, name)
    with with_sign_in(folder, dsn, entra, upstream.url, authority=entra.url) as running:
        yield running
    execute(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


def person(name: str, **more: str) -> Person:
    return Person(oid=f"oid-{name}", name=name.title(), email=more.get("email", f"{name}@deeprunner.ai"))


def session_sees(browser: httpx.Client, path: str) -> int:
    """The status of a GET by the browser's session."""
    return browser.get(path).status_code


def test_the_ui_redirects_to_microsofts_authorise_address(
    postgres_dsn: str, upstream: HostileUpstream, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """With the three variables that a user sets and no other: Microsoft is asked nothing before the login."""
    entra, folder = Entra(), tmp_path_factory.mktemp("microsoft")
    with with_sign_in(folder, postgres_dsn, entra, upstream.url, authority=None) as gateway:
        there = sent_to(browser_of(gateway), "/ui")
    expected = f"{MICROSOFT}/{entra.tenant_id}/oauth2/v2.0/authorize"
    assert str(there.copy_with(query=None)) == expected, f"/ui sends the browser to {there}"
    assert there.params["client_id"] == entra.client_id


def test_the_redirect_names_the_client_and_carries_pkce(office: Gateway, entra: Entra) -> None:
    asked = [sent_to(browser_of(office), "/ui").params for _ in range(2)]
    for query_of in asked:
        assert query_of["client_id"] == entra.client_id
        assert query_of["response_type"] == "code"
        assert query_of["redirect_uri"] == f"{office.url}/sso/callback"
        assert {"openid", "email"} <= set(query_of["scope"].split())
        assert query_of["code_challenge_method"] == "S256", "the redirect has no PKCE"
        assert len(query_of["code_challenge"]) == 43, "a SHA-256 in base64url has 43 characters"
        assert len(query_of["nonce"]) >= 16
    for name in ("state", "nonce", "code_challenge"):
        assert asked[0][name] != asked[1][name], f"two visits have the same {name}"


def test_login_brings_the_user_back_with_a_session(office: Gateway, entra: Entra) -> None:
    with signed_in(office, entra, person("ada")) as browser:
        assert session_sees(browser, "/ui") == 200, "the browser that signed in does not see the UI"
        assert list(browser.cookies), "no session cookie was set"
        me = browser.get("/user/info")
        assert me.status_code == 200, f"the session may not see its own user: {me.text}"
        assert me.json()["user_info"]["user_email"] == "ada@deeprunner.ai"
        browser.cookies.clear()
        assert session_sees(browser, "/user/info") == 401, "access is granted without the session"


def test_the_callback_makes_the_users_row(office: Gateway, entra: Entra) -> None:
    assert asyncio.run(query(office.dsn, USER, "grace@deeprunner.ai")) == []
    with signed_in(office, entra, person("grace")):
        pass
    rows = asyncio.run(query(office.dsn, USER, "grace@deeprunner.ai"))
    assert len(rows) == 1, "the callback made no row in LiteLLM_UserTable"
    assert rows[0]["user_role"] == "internal_user"
    assert "oid-grace" in rows[0]["sso_user_id"]
    assert entra.tenant_id in rows[0]["sso_user_id"]
    with signed_in(office, entra, person("grace")):
        pass
    assert asyncio.run(query(office.dsn, USER, "grace@deeprunner.ai")) == rows, "a second login made another"


def test_a_token_that_microsoft_did_not_sign_gives_nothing(office: Gateway, entra: Entra) -> None:
    entra.at_the_keyboard = person("mallory")
    browser = browser_of(office)
    there = sent_to(browser, "/ui")
    entra.forges = True
    try:
        back = httpx.get(there)
        refused = browser.get(back.headers["location"])
    finally:
        entra.forges = False
    assert refused.status_code in (302, 303, 400, 401, 403), refused.text
    assert session_sees(browser, "/user/info") == 401, "a forged token opened a session"
    assert asyncio.run(query(office.dsn, USER, "mallory@deeprunner.ai")) == []


def test_a_state_that_was_not_given_out_gives_nothing(office: Gateway, entra: Entra) -> None:
    """Somebody else's login, pushed on a browser that did not ask for it."""
    there = sent_to(browser_of(office), "/ui")
    back = httpx.get(there).headers["location"]
    victim = browser_of(office)
    victim.get(back)
    assert session_sees(victim, "/user/info") == 401, "a callback that this browser did not ask for counted"


def test_the_documents_sql_makes_the_signed_in_user_an_admin(office: Gateway, entra: Entra) -> None:
    with signed_in(office, entra, person("admin")) as browser:
        assert session_sees(browser, "/audit") == 403
        execute(office.dsn, SET_ADMIN)
        until(lambda: session_sees(browser, "/audit") == 200, 3, what="the admin's access")
    with signed_in(office, entra, person("admin")) as again:
        assert session_sees(again, "/audit") == 200, "the next login took the role back"


SEES = (
    ("/user/info", "yyy"),
    ("/spend/logs", "yyy"),
    ("/v1/models", "yyy"),
    ("/metrics", "yyn"),
    ("/alerts", "yyn"),
    ("/audit", "yyn"),
    ("/budget/list", "yyn"),
)
"""What a session may read: as an admin, as DevOps, as a team member."""


@pytest.mark.parametrize(("place", "role"), [*enumerate(("proxy_admin", "devops", "internal_user"))])
def test_each_role_sees_its_own_part_after_signing_in(
    office: Gateway, entra: Entra, place: int, role: str
) -> None:
    who = role.replace("_", "-")
    with signed_in(office, entra, person(who)) as browser:
        execute(
            office.dsn,
            f"""UPDATE "LiteLLM_UserTable" SET user_role = '{role}'
                WHERE user_email = '{who}@deeprunner.ai'""",
        )
        expected = {path: 200 if may[place] == "y" else 403 for path, may in SEES}
        until(
            lambda: {path: session_sees(browser, path) for path, _ in SEES} == expected,
            3,
            what=f"what {role} sees",
        )


def test_the_admin_ui_is_served_to_who_is_signed_in(office: Gateway, entra: Entra) -> None:
    with signed_in(office, entra, person("viewer")) as browser:
        page = browser.get("/ui", follow_redirects=True)
        assert page.headers["content-type"].startswith("text/html"), page.headers["content-type"]
        if built_ui().page("") is None:  # no build is needed for these tests; tests/system/ui has one
            assert COMMAND in page.text, "the page does not say how the UI is built"
        else:
            assert "<script" in page.text, "the UI's page loads no program"
