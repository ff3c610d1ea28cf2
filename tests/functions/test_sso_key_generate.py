"""The way to the provider, called directly."""

import asyncio

import msgspec
import pytest

from functions.contract.visit import Redirect
from functions.sso_key_generate import sso_key_generate
from schema.errors.callers import SignInFailed
from tests.fakes.entra import Entra
from tests.functions.governed import VISIT, House, in_house
from tests.functions.signing_in import furnished, started_at


def test_the_browser_is_sent_to_the_provider_with_pkce_and_a_cookie(postgres_dsn: str) -> None:
    async def scenario(house: House) -> Redirect:
        furnished(house, Entra())
        sent = await house.call(sso_key_generate, {"return_to": "/docs"})
        assert isinstance(sent, Redirect)
        rows = await house.database.pool.fetch('SELECT * FROM "Switchgear_SignIn"')
        assert [(row["return_to"], row["purpose"], row["address"]) for row in rows] == [
            ("/docs", "sign_in", "203.0.113.7")
        ]
        stored = str(dict(rows[0]))
        assert sent.cookies[0].value not in stored, "Postgres has what the browser holds"
        return sent

    sent = in_house(postgres_dsn, scenario)
    asked = started_at(sent)
    assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
    assert asked["redirect_uri"] == "http://127.0.0.1:4000/sso/callback"
    assert asked["state"] not in sent.cookies[0].value
    assert sent.cookies[0].header.endswith("; HttpOnly; SameSite=Lax")


def test_behind_https_the_cookie_is_bound_to_the_host(postgres_dsn: str) -> None:
    async def scenario(house: House) -> Redirect:
        furnished(house, Entra())
        visit = msgspec.structs.replace(VISIT, base_url="https://llm.example/gw")
        sent = await house.call(sso_key_generate, visit=visit)
        assert isinstance(sent, Redirect)
        return sent

    sent = in_house(postgres_dsn, scenario)
    assert started_at(sent)["redirect_uri"] == "https://llm.example/gw/sso/callback"
    assert sent.cookies[0].header.startswith("__Host-switchgear_signin=")
    assert sent.cookies[0].header.endswith("; Path=/; Max-Age=600; HttpOnly; SameSite=Lax; Secure")


@pytest.mark.parametrize("base_url", ["http://llm.example", "http://10.0.0.5:4000", "http://localhost.evil"])
def test_nobody_signs_in_over_plain_http_on_a_network(postgres_dsn: str, base_url: str) -> None:
    async def scenario(house: House) -> None:
        furnished(house, Entra())
        with pytest.raises(SignInFailed, match="https"):
            await house.call(sso_key_generate, visit=msgspec.structs.replace(VISIT, base_url=base_url))

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize(
    ("env", "says"),
    [
        ({}, "No provider is set up"),
        ({"MICROSOFT_CLIENT_ID": "x"}, "MICROSOFT_CLIENT_SECRET is not set"),
        ({"MICROSOFT_CLIENT_ID": "x", "MICROSOFT_CLIENT_SECRET": "hidden"}, "MICROSOFT_TENANT is not set"),
        *(
            (
                {"MICROSOFT_CLIENT_ID": "x", "MICROSOFT_CLIENT_SECRET": "hidden", "MICROSOFT_TENANT": tenant},
                "lets anybody's tenant in",
            )
            for tenant in ("common", "organizations", "Consumers")
        ),
        ({"GENERIC_CLIENT_ID": "x", "GENERIC_CLIENT_SECRET": "hidden"}, "GENERIC_ISSUER is not set"),
        (
            {
                "GENERIC_CLIENT_ID": "x",
                "GENERIC_CLIENT_SECRET": "hidden",
                "GENERIC_ISSUER": "http://login.example",
            },
            "must begin with https",
        ),
    ],
)
def test_wrong_settings_say_what_an_admin_has_to_do(
    postgres_dsn: str, env: dict[str, str], says: str
) -> None:
    async def scenario(house: House) -> str:
        furnished(house, None, env=env)
        with pytest.raises(SignInFailed, match=says) as caught:
            await house.call(sso_key_generate)
        return caught.value.message

    assert "hidden" not in in_house(postgres_dsn, scenario)


def test_a_provider_that_is_down_is_told_without_secrets(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        env = {
            "GENERIC_CLIENT_ID": "x",
            "GENERIC_CLIENT_SECRET": "hidden",
            "GENERIC_ISSUER": "http://127.0.0.1:9",
        }
        furnished(house, None, env=env)
        with pytest.raises(Exception, match="discovery document can't be used") as caught:
            await house.call(sso_key_generate)
        assert "hidden" not in str(caught.value)

    in_house(postgres_dsn, scenario)


def test_a_stranger_can_not_fill_the_table_of_sign_ins(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        furnished(house, Entra())
        await asyncio.gather(*(house.call(sso_key_generate) for _ in range(40)))
        await house.database.pool.execute(
            """INSERT INTO "Switchgear_SignIn" (state_hash, browser_hash, provider, nonce, verifier, address,
                                                created_at, expires_at)
               SELECT n::text, 'b', 'microsoft', 'n', 'v', '203.0.113.7', now(), now() + interval '1 minute'
               FROM generate_series(1, 300) n"""
        )
        with pytest.raises(Exception, match="Too many sign-ins"):
            await house.call(sso_key_generate)
        elsewhere = msgspec.structs.replace(VISIT, address="203.0.113.8")
        assert await house.call(sso_key_generate, visit=elsewhere)

    in_house(postgres_dsn, scenario)
