"""Signing in for tests that call the functions: a house whose provider is the fake Entra tenant, and a
browser that walks there and back."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import msgspec

from functions.contract.visit import Redirect, Visit, WebPage
from functions.sso_callback import sso_callback
from functions.sso_key_generate import sso_key_generate
from tests.fakes.entra import Entra, Person
from tests.functions.governed import VISIT, House, people_of

ADA = Person(oid="oid-ada", email="ada@deeprunner.ai", name="Ada")


def entra_env(entra: Entra) -> dict[str, str]:
    """The variables by which a fake tenant is the provider."""
    return {
        "MICROSOFT_CLIENT_ID": entra.client_id,
        "MICROSOFT_CLIENT_SECRET": entra.client_secret,
        "MICROSOFT_TENANT": entra.tenant_id,
        "MICROSOFT_AUTHORITY": entra.url,
        "MICROSOFT_GRAPH": entra.url,
    }


def furnished(
    house: House,
    entra: Entra | None,
    *,
    env: Mapping[str, str] | None = None,
    policy: Any = None,  # a Policy
    **sso: object,
) -> None:
    """Give a house a provider, and settings of `general_settings.sso`."""
    found = {**(entra_env(entra) if entra else {}), **(env or {})}
    if entra is not None:
        entra.redirect_uris.add("http://127.0.0.1:4000/sso/callback")
    general = {"sso": sso} if sso else {}
    parts = people_of(
        house.database, house.announced.append, policy or house.policy, env=found, general=general
    )
    house.people = parts
    house.give(signin=parts.desk, sessions=parts.sessions, passwords=parts.passwords, sso=parts.settings)


def started_at(sent: Redirect) -> dict[str, str]:
    """The query with which a browser comes to the provider."""
    return dict(parse_qsl(urlsplit(sent.to).query))


def with_cookies(visit: Visit, answer: Redirect | WebPage) -> Visit:
    """The browser after an answer."""
    cookies = {**visit.cookies, **{each.name: each.value for each in answer.cookies if each.max_age_s}}
    return msgspec.structs.replace(visit, cookies=cookies)


async def to_provider(house: House, visit: Visit = VISIT, **query: str) -> tuple[Visit, dict[str, str]]:
    """Send a browser to the provider, and give the browser, and the query with which it comes back."""
    sent = await house.call(sso_key_generate, query, visit=visit)
    assert isinstance(sent, Redirect)
    async with httpx.AsyncClient() as client:
        there = await client.get(sent.to)
    assert there.status_code == 302, there.text
    return with_cookies(visit, sent), dict(parse_qsl(urlsplit(there.headers["location"]).query))


async def sign_in(
    house: House, entra: Entra, person: Person = ADA, visit: Visit = VISIT, **query: str
) -> tuple[Visit, Redirect | WebPage]:
    """Sign a person in. Gives the browser and the answer of the callback."""
    entra.at_the_keyboard = person
    visit, back = await to_provider(house, visit, **query)
    answer = await house.call(sso_callback, back, visit=visit)
    return with_cookies(visit, answer), answer


async def user_of(house: House, person: Person) -> dict[str, Any]:
    """The row of a person, by the identity."""
    row = await house.database.pool.fetchrow(
        'SELECT * FROM "LiteLLM_UserTable" WHERE sso_user_id LIKE $1', f"%{person.oid}"
    )
    assert row is not None, f"{person.oid} has no row"
    return dict(row)


async def notes(house: House, action: str) -> list[dict[str, Any]]:
    """The audit log's entries of an action."""
    rows = await house.database.pool.fetch(
        'SELECT * FROM "LiteLLM_AuditLog" WHERE action = $1 ORDER BY updated_at', action
    )
    return [dict(row) for row in rows]
