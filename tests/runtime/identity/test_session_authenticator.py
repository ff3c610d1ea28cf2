"""Which cookie of a request is a session: no other host, and no plain http, can plant one."""

import asyncio

import pytest

from functions.contract.call import Caller
from functions.contract.visit import SESSION, cookie_name
from runtime.identity.authority import Authority
from runtime.identity.session_authenticator import SessionAuthenticator
from runtime.postgres.look_ups import LookUps
from runtime.signin.digests import digest_of
from runtime.signin.site import Site
from schema.errors.callers import SignInFailed
from tests.fakes.authority import Silence

HTTPS, HTTP = cookie_name(SESSION, is_secure=True), cookie_name(SESSION, is_secure=False)
MINE, PLANTED = "m" * 43, "p" * 43
OVER_HTTPS = Site(base_url="https://llm.example")


class TwoSessions:
    async def find(self, session_hash: str) -> Authority | None:
        users = {digest_of(MINE): "me", digest_of(PLANTED): "attacker"}
        user_id = users.get(session_hash)
        caller = None if user_id is None else Caller(role="internal_user", key_hash="", user_id=user_id)
        return None if caller is None else Authority(caller=caller)


def user_of(cookie: str, site: Site = OVER_HTTPS) -> str:
    """Whose session a GET with this `Cookie` header is. Empty: nobody's."""

    async def ask() -> str:
        sessions = SessionAuthenticator(site, TwoSessions(), Silence(), LookUps())
        headers = {"cookie": cookie}
        if not sessions.holds(headers):
            return ""
        try:
            return (await sessions.caller(headers, "127.0.0.1", changes=False)).user_id
        except SignInFailed:
            return ""

    return asyncio.run(ask())


def test_the_sessions_cookie_counts() -> None:
    assert user_of(f"theme=dark; {HTTPS}={MINE}") == "me"
    assert user_of(f"theme=dark; {HTTP}={MINE}", Site(base_url="http://localhost:3000")) == "me"


@pytest.mark.parametrize(
    "planted",
    [
        f"theme=a,{HTTPS}={PLANTED}",  # a host beside ours may set `theme`, and a value may have commas
        f"theme=a, {HTTPS}={PLANTED}",
        f"\xa0{HTTPS}={PLANTED}",  # browsers see another name there, one without the prefix's rules
        f"\x85{HTTPS}={PLANTED}",
        f"{HTTP}={PLANTED}",  # a plain name has no rules at all
        f'$Version=1; theme="{HTTPS}={PLANTED}"',
        f"={HTTPS}={PLANTED}",
    ],
)
def test_a_cookie_that_another_host_planted_is_no_session(planted: str) -> None:
    assert user_of(planted) == ""
    assert user_of(f"{planted}; {HTTPS}={MINE}") == "me"
    assert user_of(f"{HTTPS}={MINE}; {planted}") == "me"


def test_by_plain_http_the_name_of_https_counts_for_nothing() -> None:
    assert user_of(f"{HTTPS}={PLANTED}", Site(base_url="http://localhost:3000")) == ""
