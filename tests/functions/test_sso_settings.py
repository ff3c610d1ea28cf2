"""The settings of signing in, called directly."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from functions.contract.visit import Redirect, WebPage
from functions.sso_callback import sso_callback
from functions.sso_settings import debug_login, preview, readiness, show, update
from functions.teams import new as new_team
from schema.errors.requests import InvalidRequest, UnsupportedParameter
from schema.errors.rows import NotFound
from schema.sso_settings import ClaimsShown
from tests.fakes.entra import Entra, Person
from tests.functions.governed import VISIT, Body, House, in_house
from tests.functions.signing_in import ADA, furnished, sign_in, started_at, user_of, with_cookies

SECRET = "the-very-secret-of-this-test"


@pytest.fixture
def entra() -> Iterator[Entra]:
    with Entra().running() as tenant:
        yield tenant


ISSUER = {"generic_client_id": "client", "generic_issuer": "https://login.example"}
ELSEWHERE = [
    {"generic_issuer": "https://login.evil.example"},
    {"generic_token_endpoint": "https://login.evil.example/token"},
    {"generic_userinfo_endpoint": "https://login.evil.example/me", "generic_client_id": "another"},
    {"generic_authorization_endpoint": "https://login.evil.example/a", "generic_client_secret": None},
]


@pytest.mark.parametrize("moved", ELSEWHERE)
def test_a_client_secret_follows_to_no_other_address(postgres_dsn: str, moved: Body) -> None:
    env = {"GENERIC_CLIENT_SECRET": "of the environment"}

    async def scenario(house: House) -> None:
        furnished(house, None, env=env)
        await house.call(update, {**ISSUER, "generic_client_secret": SECRET})
        with pytest.raises(InvalidRequest, match="send generic_client_secret with it"):
            await house.call(update, moved)
        found, _ = await house.people.settings.read()
        assert found.providers[0].given.issuer == "https://login.example"
        assert found.providers[0].client_secret.reveal() == SECRET
        await house.call(
            update, {"generic_scope": "openid email", "generic_issuer": ISSUER["generic_issuer"]}
        )
        await house.call(update, {**moved, "generic_client_secret": "another"})

    in_house(postgres_dsn, scenario)


def test_a_secret_of_the_environment_goes_to_no_address_of_the_api(postgres_dsn: str) -> None:
    env = {"GENERIC_CLIENT_SECRET": "s", "GENERIC_CLIENT_ID": "c", "GENERIC_ISSUER": "https://login.example"}

    async def scenario(house: House) -> None:
        furnished(house, None, env=env)
        with pytest.raises(InvalidRequest, match="send generic_client_secret with it"):
            await house.call(update, {"generic_issuer": "https://login.evil.example"})
        other = {"generic_issuer": "https://other.example", "generic_client_secret": SECRET}
        await house.call(update, other)
        with pytest.raises(InvalidRequest, match="send generic_client_secret with it"):
            await house.call(
                update, {"generic_client_secret": None, "generic_issuer": "https://third.example"}
            )
        for part in ({"generic_issuer": None}, {"generic_client_secret": None}):
            with pytest.raises(InvalidRequest, match="send generic_client_secret with it"):
                await house.call(update, part)
        await house.call(update, dict.fromkeys(other))
        found, _ = await house.people.settings.read()
        assert found.providers[0].given.issuer == "https://login.example"
        assert found.providers[0].client_secret.reveal() == "s"

    in_house(postgres_dsn, scenario)


def test_a_provider_is_set_up_by_api_and_the_secret_is_never_shown(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        furnished(house, None)
        assert (await house.call(readiness)).status == "not_configured"
        body = {
            "google_client_id": "client",
            "google_client_secret": SECRET,
            "allowed_email_domains": ["deeprunner.ai"],
        }
        shown = await house.call(update, body)
        assert shown.providers == ["google"]
        assert shown.values["google_client_secret"] == "***"
        assert shown.sources["google_client_secret"] == "api"
        assert shown.redirect_uri == "http://127.0.0.1:4000/sso/callback"
        assert (await house.call(readiness)).status == "healthy"
        found, rules = await house.people.settings.read()
        assert found.providers[0].client_secret.reveal() == SECRET
        assert rules.allowed_domains == ("deeprunner.ai",)
        assert not rules.passwords
        tables = ("LiteLLM_SSOConfig", "LiteLLM_AuditLog", "Switchgear_SignInSecret")
        for table in tables:
            rows = await house.database.pool.fetch(f'SELECT * FROM "{table}"')
            assert rows
            assert SECRET not in str([dict(row) for row in rows])
        audit = await house.database.pool.fetch(
            "SELECT updated_values FROM \"LiteLLM_AuditLog\" WHERE table_name = 'LiteLLM_SSOConfig'"
        )
        assert "google_client_secret_changed_at" in str([dict(row) for row in audit])
        gone = await house.call(update, {"google_client_id": None, "google_client_secret": None})
        assert gone.providers == []
        assert await house.database.pool.fetchval('SELECT count(*) FROM "Switchgear_SignInSecret"') == 0

    in_house(postgres_dsn, scenario)


def test_what_the_api_set_counts_before_the_environment(postgres_dsn: str, entra: Entra) -> None:
    async def scenario(house: House) -> None:
        furnished(house, entra, role_claim="groups")
        before = await house.call(show)
        assert before.sources["microsoft_tenant"] == "environment"
        assert before.values["microsoft_client_secret"] == "***"
        assert before.values["role_claim"] == "groups"
        await house.call(update, {"microsoft_client_id": "another", "role_claim": "roles"})
        found, rules = await house.people.settings.read()
        assert (found.providers[0].client_id, rules.role_claim) == ("another", "roles")
        await house.call(update, {"microsoft_client_id": None, "role_claim": None})
        found, rules = await house.people.settings.read()
        assert (found.providers[0].client_id, rules.role_claim) == (entra.client_id, "groups")

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"microsoft_client_id": "x", "microsoft_client_secret": "y", "microsoft_tenant": "common"},
        {"generic_client_id": "x", "generic_client_secret": "y", "generic_issuer": "http://login.example"},
        {"google_client_id": "x"},
        {"google_client_id": ""},
        {"google_client_id": "x" * 5000},
        {"session_idle": "never"},
        {"session_max": "10y"},
        {"session_max": "400d"},
        {"allowed_email_domains": ["a@b"]},
        {"role_mappings": {"roles": {"emperor": ["x"]}}},
    ],
    ids=str,
)
def test_settings_that_can_not_be_used_are_refused(postgres_dsn: str, body: dict[str, Any]) -> None:
    async def scenario(house: House) -> None:
        furnished(house, None)
        with pytest.raises(InvalidRequest):
            await house.call(update, body)
        assert await house.database.pool.fetchval('SELECT count(*) FROM "LiteLLM_SSOConfig"') == 0
        with pytest.raises(UnsupportedParameter):
            await house.call(update, {"role_claim": "x", "shoe_size": 44})

    in_house(postgres_dsn, scenario)


def test_without_a_salt_key_no_secret_is_stored(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        furnished(house, None)
        house.people.settings._store._sealer = None
        with pytest.raises(InvalidRequest, match="salt key"):
            await house.call(update, {"google_client_id": "x", "google_client_secret": SECRET})
        await house.call(update, {"role_claim": "x"})

    in_house(postgres_dsn, scenario)


def test_readiness_says_what_is_missing_and_no_secret(postgres_dsn: str) -> None:
    async def scenario(house: House) -> None:
        furnished(house, None, env={"MICROSOFT_CLIENT_ID": "x", "MICROSOFT_CLIENT_SECRET": SECRET})
        found = await house.call(readiness)
        assert (found.status, found.sso_configured) == ("unhealthy", False)
        assert "MICROSOFT_TENANT" in found.missing[0]
        assert SECRET not in str(found)

    in_house(postgres_dsn, scenario)


def test_an_admin_sees_the_claims_of_an_own_sign_in_and_nothing_changes(
    postgres_dsn: str, entra: Entra
) -> None:
    async def scenario(house: House) -> None:
        import httpx

        furnished(house, entra, team_mappings={"groups": {"Platform": "platform"}})
        entra.group_names = {"g": "Platform"}
        await house.call(new_team, {"team_id": "platform"})
        entra.at_the_keyboard = Person(
            oid="oid-ada", email="ada@deeprunner.ai", roles=("devops",), groups=("g",)
        )
        sent = await house.call(debug_login)
        assert isinstance(sent, Redirect)
        assert started_at(sent)["redirect_uri"].endswith("/sso/callback")
        async with httpx.AsyncClient() as client:
            back = (await client.get(sent.to)).headers["location"]
        browser = with_cookies(VISIT, sent)
        page = await house.call(sso_callback, dict(httpx.URL(back).params), visit=browser)
        assert isinstance(page, WebPage)
        assert isinstance(page.facts, ClaimsShown)
        assert page.facts.claims["oid"] == "oid-ada"
        assert (page.facts.preview.user_id, page.facts.preview.claimed_role) == (None, "devops")
        assert page.facts.preview.joins == ["platform"]
        assert page.cookies == ()
        for table in ("LiteLLM_UserTable", "Switchgear_Session"):
            assert await house.database.pool.fetchval(f'SELECT count(*) FROM "{table}"') == 0

    in_house(postgres_dsn, scenario)


def test_a_mapping_is_tried_on_claims_and_on_a_named_user(postgres_dsn: str, entra: Entra) -> None:
    async def scenario(house: House) -> None:
        furnished(
            house,
            entra,
            team_mappings={"groups": {"Platform": "platform", "Ops": "ops"}},
            role_mappings={"roles": {"devops": ["Ops"]}},
            allowed_email_domains=["deeprunner.ai"],
        )
        for team_id in ("platform", "ops"):
            await house.call(new_team, {"team_id": team_id})
        entra.group_names = {"g": "Platform"}
        await sign_in(house, entra, msgspec.structs.replace(ADA, groups=("g",)))
        user_id = (await user_of(house, ADA))["user_id"]
        found = await house.call(preview, {"user_id": user_id, "groups": ["Ops"]})
        assert (found.user_id, found.linked_by, found.role) == (user_id, "identity", "internal_user")
        assert (found.claimed_role, found.new_role) == ("devops", "devops")
        assert (found.joins, found.leaves) == (["ops"], ["platform"])
        await house.database.pool.execute("UPDATE \"LiteLLM_UserTable\" SET user_role = 'proxy_admin'")
        found = await house.call(preview, {"user_id": user_id, "groups": ["Ops"]})
        assert (found.role_source, found.claimed_role, found.new_role) == ("sql", "devops", None)
        claims = {"sub": "x", "tid": entra.tenant_id, "oid": "oid-new", "email": "new@evil.example"}
        found = await house.call(preview, {"claims": {**claims, "roles": ["proxy_admin"]}})
        assert (found.user_id, found.new_role, found.may_sign_in) == (None, "proxy_admin", False)
        with pytest.raises(InvalidRequest):
            await house.call(preview, {"claims": {}})
        with pytest.raises(NotFound):
            await house.call(preview, {"user_id": "nobody"})

    in_house(postgres_dsn, scenario)
