"""Signing in at a provider that nobody here wrote: oidc-provider-mock, with its own pages and keys."""

import asyncio
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.e2e.gateway import Gateway, query, serving
from tests.e2e.sign_in import browser_of, sent_to

USER = """
    SELECT user_id, user_email, user_role, sso_user_id, teams FROM "LiteLLM_UserTable"
    WHERE sso_user_id IS NOT NULL
"""
CLAIMS = {
    "email": "ada@deeprunner.ai",
    "email_verified": True,
    "name": "Ada Lovelace",
    "realm": {"roles": ["devops"]},
    "groups": ["/platform"],
}


@contextmanager
def provider() -> Iterator[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import oidc_provider_mock

        users = [oidc_provider_mock.User(sub="ada", claims=CLAIMS)]
        with oidc_provider_mock.run_server_in_thread(user_claims=users) as server:
            yield f"http://127.0.0.1:{server.server_port}"


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    with provider() as url:
        yield url


@contextmanager
def gateway(folder: Path, dsn: str, **env: str) -> Iterator[Gateway]:
    config = {
        "general_settings": {
            "sso": {
                "role_claim": "realm.roles",
                "team_mappings": {"groups": {"platform": "platform"}, "create_teams": False},
            }
        }
    }
    variables = {"GENERIC_CLIENT_ID": "gateway", "GENERIC_CLIENT_SECRET": "a secret/with+signs", **env}
    with serving(folder, config, dsn, env=variables) as running:
        yield running


def sign_in(running: Gateway, sub: str) -> httpx.Client:
    """The browser of a person who typed a name at the provider's page."""
    browser = browser_of(running)
    there = sent_to(browser, "/ui")
    assert httpx.get(there).status_code == 200, "the provider does not take the request"
    login = httpx.post(there, data={"sub": sub})
    assert login.status_code in (302, 303), login.text
    back = browser.get(login.headers["location"], follow_redirects=True)
    assert back.status_code == 200, back.text
    return browser


def test_a_person_comes_in_by_discovery_and_leaves_there_too(
    postgres_dsn: str, issuer: str, tmp_path: Path
) -> None:
    with gateway(tmp_path, postgres_dsn, GENERIC_ISSUER=issuer) as running:
        assert running.post("/team/new", team_id="platform").status_code == 200
        browser = sign_in(running, "ada")
        (row,) = asyncio.run(query(postgres_dsn, USER))
        assert row["sso_user_id"] == f"{issuer}|ada"
        assert (row["user_email"], row["user_role"]) == ("ada@deeprunner.ai", "devops")
        assert row["teams"] == ["platform"]
        me = browser.get("/v1/me").json()
        assert (me["role"], me["authenticated_by"]) == ("devops", "session")
        headers = {"origin": running.url, "x-csrf-token": me["session"]["csrf_token"]}
        left = browser.post("/logout", json={}, headers=headers).json()
        assert left["redirect_url"].startswith(f"{issuer}/oauth2/end_session?client_id=gateway")
        assert browser.get("/v1/me").status_code == 401
        sign_in(running, "ada")
        assert len(asyncio.run(query(postgres_dsn, USER))) == 1


def test_the_peers_three_addresses_are_enough(postgres_dsn: str, issuer: str, tmp_path: Path) -> None:
    """LiteLLM's variables name no issuer: it is found beside the authorization address."""
    addresses = {
        "GENERIC_AUTHORIZATION_ENDPOINT": f"{issuer}/oauth2/authorize",
        "GENERIC_TOKEN_ENDPOINT": f"{issuer}/oauth2/token",
        "GENERIC_USERINFO_ENDPOINT": f"{issuer}/userinfo",
    }
    with gateway(tmp_path, postgres_dsn, **addresses) as running:
        sign_in(running, "ada")
        (row,) = asyncio.run(query(postgres_dsn, USER))
        assert row["sso_user_id"] == f"{issuer}|ada"


def test_an_address_that_nobody_verified_selects_no_row(
    postgres_dsn: str, issuer: str, tmp_path: Path
) -> None:
    with gateway(tmp_path, postgres_dsn, GENERIC_ISSUER=issuer) as running:
        made = running.post(
            "/user/new", user_id="boss", user_email="boss@deeprunner.ai", user_role="proxy_admin"
        )
        assert made.status_code == 200
        browser = sign_in(running, "boss@deeprunner.ai")  # the provider's users have their name as address
        me = browser.get("/v1/me").json()
        assert me["user_id"] != "boss"
        assert (me["role"], me["user"]["user_email"]) == ("internal_user", None)


def test_a_provider_that_is_down_is_a_page_for_an_admin(postgres_dsn: str, tmp_path: Path) -> None:
    with provider() as url:
        pass
    with gateway(tmp_path, postgres_dsn, GENERIC_ISSUER=url) as running:
        page = httpx.get(f"{running.url}/sso/key/generate", headers={"accept": "text/html"}, timeout=30)
        assert (page.status_code, page.headers["content-type"]) == (503, "text/html; charset=utf-8")
        assert "An admin checks" in page.text
        assert "a secret" not in page.text
        assert "a secret" not in running.process.log()
        assert httpx.get(f"{running.url}/login", headers={"accept": "text/html"}).status_code == 200
