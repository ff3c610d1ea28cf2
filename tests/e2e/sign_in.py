"""Signing in as a person does, without a browser: follow the redirects, keep the cookies."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.e2e.gateway import Gateway, free_port, serving
from tests.e2e.seed import provider_env, shipped_config
from tests.fakes.entra import Entra, Person

MOST_HOPS = 5
AUTHORITY = "MICROSOFT_AUTHORITY"
"""The variable for an address in place of `https://login.microsoftonline.com`. Sovereign clouds need it
too."""


def microsoft_env(entra: Entra) -> dict[str, str]:
    """The variables that a user sets to have Microsoft 365 sign-in: LiteLLM's three."""
    return {
        "MICROSOFT_CLIENT_ID": entra.client_id,
        "MICROSOFT_CLIENT_SECRET": entra.client_secret,
        "MICROSOFT_TENANT": entra.tenant_id,
    }


@contextmanager
def with_sign_in(
    folder: Path, dsn: str, entra: Entra, upstream_url: str, *, authority: str | None
) -> Iterator[Gateway]:
    """The shipped config with sign-in set up. `authority` None: Microsoft's own address stays in force."""
    port = free_port()
    base_url = f"http://127.0.0.1:{port}"
    entra.redirect_uris.add(f"{base_url}/sso/callback")
    env = {**provider_env(upstream_url), **microsoft_env(entra), "PROXY_BASE_URL": base_url}
    if authority is not None:
        env[AUTHORITY] = authority
    with serving(folder, shipped_config(upstream_url), dsn, env=env, port=port) as running:
        yield running


def browser_of(gateway: Gateway) -> httpx.Client:
    return httpx.Client(base_url=gateway.url, timeout=30)


def sent_to(browser: httpx.Client, path: str) -> httpx.URL:
    """The address of another site to which a page of the gateway sends the browser. Fails if it sends it to
    none."""
    answer = browser.get(path)
    for _ in range(MOST_HOPS):
        assert answer.has_redirect_location, (
            f"{answer.request.url.path} does not redirect to Microsoft: it answered {answer.status_code}"
        )
        there = answer.request.url.join(answer.headers["location"])
        if (there.host, there.port) != (browser.base_url.host, browser.base_url.port):
            return there
        answer = browser.get(there)
    raise AssertionError(f"{path} redirects within the gateway {MOST_HOPS} times, and never to Microsoft")


@contextmanager
def signed_in(gateway: Gateway, entra: Entra, person: Person) -> Iterator[httpx.Client]:
    """The browser of a person who came by /ui and signed in at the tenant's page."""
    entra.at_the_keyboard = person
    with browser_of(gateway) as browser:
        login = httpx.get(sent_to(browser, "/ui"), timeout=30)
        assert login.status_code == 302, f"the tenant refused the redirect's query: {login.text}"
        back = browser.get(login.headers["location"], follow_redirects=True)
        assert back.status_code == 200, f"the callback ended at {back.url}: {back.status_code} {back.text}"
        yield browser
