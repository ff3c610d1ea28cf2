"""Callers by tokens of another issuer (`enable_jwt_auth`), over a real database and a real issuer's keys."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, OctKey, RSAKey

from functions.contract.call import Caller
from functions.teams import new as new_team
from functions.users import block
from functions.users import new as new_user
from models_registry.config.reader import read_config
from runtime.identity.token_authenticator import TokenAuthenticator
from runtime.identity.token_claims import token_rules_of
from runtime.people import PeopleParts
from schema.errors.base import GatewayError
from schema.errors.callers import BlockedKey, NotAllowed, SignInFailed
from schema.errors.overload import ProviderUnavailable
from tests.fakes.json_server import Asked, json_server
from tests.functions.governed import House, in_house, people_of

ISSUER, AUDIENCE = "https://login.example/realms/x", "api://switchgear"
KEY = RSAKey.generate_key(2048, parameters={"kid": "k1", "use": "sig"})
OTHER = RSAKey.generate_key(2048, parameters={"kid": "k1", "use": "sig"})
NEXT = RSAKey.generate_key(2048, parameters={"kid": "k2", "use": "sig"})


class Issuer:
    """An address with keys. `published` None: it answers 503."""

    def __init__(self) -> None:
        self.published: RSAKey | None = KEY
        self.url = ""

    def answer(self, asked: Asked) -> tuple[int, bytes]:
        if self.published is None:
            return 503, b"{}"
        return 200, json.dumps(KeySet([self.published]).as_dict(private=False)).encode()


@pytest.fixture
def keys() -> Iterator[Issuer]:
    issuer = Issuer()
    with json_server(issuer.answer) as server:
        issuer.url = server.url
        yield issuer


def token(key: RSAKey | OctKey = KEY, alg: str = "RS256", kid: str = "k1", **more: Any) -> str:
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "exp": now + 600, "iat": now} | more
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode({"alg": alg, "kid": kid}, claims, key)


def parts(house: House, keys: Issuer, **section: Any) -> tuple[PeopleParts, TokenAuthenticator]:
    env = {"JWT_PUBLIC_KEY_URL": f"{keys.url}/keys", "JWT_ISSUER": ISSUER, "JWT_AUDIENCE": AUDIENCE}
    general = {"enable_jwt_auth": True, "litellm_jwtauth": section}
    made = people_of(house.database, house.announced.append, env=env, general=general)
    assert made.token_authenticator is not None
    return made, made.token_authenticator


async def caller(tokens: TokenAuthenticator, text: str) -> Caller:
    headers = {"authorization": f"Bearer {text}"}
    assert tokens.holds(headers)
    return await tokens.caller(headers)


async def make_ada(house: House, **more: Any) -> None:
    await house.call(new_user, {"user_id": "ada", "auto_create_key": False, **more})


async def set_role(house: House, source: str, role: str) -> None:
    async with house.database.pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT set_config('switchgear.role_source', $1, true)", source)
        await connection.execute('UPDATE "LiteLLM_UserTable" SET user_role = $1', role)


def test_a_token_is_its_user_with_its_role_and_models(postgres_dsn: str, keys: Issuer) -> None:
    async def scenario(house: House) -> None:
        await make_ada(house, user_role="devops", models=["gpt"])
        _, tokens = parts(house, keys)
        found = await caller(tokens, token())
        assert (found.user_id, found.role, found.models[0].names) == ("ada", "devops", ("gpt",))
        assert found.key_hash.startswith("token:")
        assert not tokens.holds({"authorization": "Bearer sk-a-key.with.dots"})
        assert not tokens.holds({"authorization": "Bearer eyJ", "x-api-key": "sk-1"})
        assert (await tokens.caller({"x-litellm-api-key": token()})).user_id == "ada"
        await tokens.caller({"x-litellm-api-key": f"Bearer {token()}", "authorization": "Bearer sk-theirs"})

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize(
    "bad",
    [
        token(OTHER),
        token(OctKey.import_key("a secret that is long enough"), alg="HS256"),
        token(iss="https://login.evil.example"),
        token(iss=None),
        token(aud="another"),
        token(aud=None),
        token(exp=int(time.time()) - 300),
        token(exp=None),
        token(nbf=int(time.time()) + 3600),
        token(sub=None),
        token(sub="nobody"),
        token(sub={"a": 1}),
        token(kid="unknown"),
        "ey.ey.ey",
        "ey..",
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ.",
        "ey" + "x" * 100_000 + "..",
    ],
)
def test_a_token_that_does_not_count_is_401(postgres_dsn: str, keys: Issuer, bad: str) -> None:
    async def scenario(house: House) -> None:
        await make_ada(house)
        _, tokens = parts(house, keys)
        with pytest.raises(SignInFailed) as caught:
            await caller(tokens, bad)
        assert caught.value.http_status == 401
        assert bad[:50] not in caught.value.message

    in_house(postgres_dsn, scenario)


def test_a_block_counts_for_tokens_that_were_checked_before(postgres_dsn: str, keys: Issuer) -> None:
    async def scenario(house: House) -> None:
        await make_ada(house)
        made, tokens = parts(house, keys)
        text = token()
        await caller(tokens, text)
        await house.call(block, {"user_id": "ada"})
        made.forget("user:ada")  # as the announcement says
        with pytest.raises(BlockedKey, match="this token is blocked"):
            await caller(tokens, text)

    in_house(postgres_dsn, scenario)


def test_keys_are_kept_while_the_issuer_is_away_and_read_again_when_it_rotates(
    postgres_dsn: str, keys: Issuer
) -> None:
    async def scenario(house: House) -> None:
        await make_ada(house)
        _, tokens = parts(house, keys)
        await caller(tokens, token())
        directory = tokens._verifier._directory
        kept = directory._keys[f"{keys.url}/keys"]
        keys.published = None
        kept.read_mono -= 10_000
        await caller(tokens, token(jti="2"))
        keys.published = NEXT
        kept.read_mono -= 10_000
        await caller(tokens, token(NEXT, kid="k2"))
        with pytest.raises(SignInFailed):
            await caller(tokens, token(jti="3"))

    in_house(postgres_dsn, scenario)


def test_an_issuer_that_was_never_reached_is_503(postgres_dsn: str, keys: Issuer) -> None:
    async def scenario(house: House) -> None:
        keys.published = None
        _, tokens = parts(house, keys)
        with pytest.raises(ProviderUnavailable):
            await caller(tokens, token())

    in_house(postgres_dsn, scenario)


def test_claims_name_user_team_role_and_admins(postgres_dsn: str, keys: Issuer) -> None:
    async def scenario(house: House) -> None:
        await make_ada(house)
        await house.call(new_team, {"team_id": "red", "models": ["cheap"]})
        _, tokens = parts(
            house,
            keys,
            user_id_jwt_field="person.id",
            team_ids_jwt_field="groups",
            roles_jwt_field="realm_access.roles",
            role_mappings=[{"role": "ops", "internal_role": "devops"}],
            admin_jwt_scope="gateway_admin",
            admin_allowed_routes=["/user/*"],
        )
        claims: dict[str, Any] = {"sub": None, "person": {"id": "ada"}, "groups": ["blue", "red"]}
        found = await caller(tokens, token(**claims, realm_access={"roles": ["x", "ops"]}))
        assert (found.user_id, found.team_id, found.role) == ("ada", "red", "devops")
        assert found.models[0].names == ("cheap",)
        await house.database.pool.execute("UPDATE \"LiteLLM_UserTable\" SET user_role = 'internal_user'")
        tokens.forget("all")
        found = await caller(tokens, token(**claims, realm_access={"roles": ["ops"]}, jti="2"))
        assert found.role == "internal_user", "a claim took the role away that SQL gave"
        await set_role(house, "claim", "proxy_admin")
        tokens.forget("all")
        assert (await caller(tokens, token(**claims, jti="4"))).role == "internal_user"
        admin = await caller(tokens, token(**claims, scope="openid gateway_admin"))
        assert (admin.role, admin.allowed_routes) == ("proxy_admin", ("/user/*",))
        listed = await caller(tokens, token(**claims, scp=["gateway_admin"], jti="3"))
        assert listed.role == "proxy_admin"

    in_house(postgres_dsn, scenario)


def test_a_team_calls_without_a_user(postgres_dsn: str, keys: Issuer) -> None:
    async def scenario(house: House) -> None:
        await house.call(new_team, {"team_id": "red", "models": ["cheap"], "max_budget": 3})
        _, tokens = parts(house, keys, team_id_jwt_field="client_id")
        found = await caller(tokens, token(client_id="red"))
        assert (found.role, found.team_id, found.user_id) == ("service_key", "red", "")
        assert found.allowed_routes == ("llm_api_routes", "info_routes")
        assert [rule.who for rule in found.rules] == ["team"]
        with pytest.raises(SignInFailed, match="teams"):
            await caller(tokens, token(client_id="blue"))

    in_house(postgres_dsn, scenario)


def test_who_may_call_by_domain_role_and_team(postgres_dsn: str, keys: Issuer) -> None:
    async def scenario(house: House) -> None:
        await make_ada(house)
        _, tokens = parts(house, keys, user_allowed_email_domain="deeprunner.ai")
        await caller(tokens, token(email="ada@deeprunner.ai", email_verified=True))
        for bad in ("ada@evil.example", "ada@xdeeprunner.ai", "ada@x@deeprunner.ai.x", None):
            with pytest.raises(NotAllowed):
                await caller(tokens, token(email=bad, email_verified=True, jti=str(bad)))
        for said in (None, False, "false", 0, "yes"):
            with pytest.raises(NotAllowed):
                await caller(tokens, token(email="ada@deeprunner.ai", email_verified=said))
        _, tokens = parts(house, keys, user_roles_jwt_field="roles", user_allowed_roles=["llm"])
        await caller(tokens, token(roles=["llm"]))
        with pytest.raises(NotAllowed):
            await caller(tokens, token(roles=["other"]))
        _, tokens = parts(house, keys, enforce_team_based_model_access=True, team_ids_jwt_field="groups")
        with pytest.raises(NotAllowed):
            await caller(tokens, token())

    in_house(postgres_dsn, scenario)


def test_a_user_gets_a_row_where_the_config_says_so(postgres_dsn: str, keys: Issuer) -> None:
    async def scenario(house: House) -> None:
        _, tokens = parts(house, keys, user_id_upsert=True)
        text = token(sub="new", email="new@deeprunner.ai", email_verified=True)
        found = await caller(tokens, text)
        assert (found.user_id, found.role) == ("new", "internal_user")
        row = await house.database.pool.fetchrow('SELECT * FROM "LiteLLM_UserTable"')
        assert (row["user_id"], row["user_email"], row["role_source"], row["sso_user_id"]) == (
            "new",
            "new@deeprunner.ai",
            "default",
            f"{ISSUER}|new",
        )
        for own in ("sql:postgres", "default_user_id", "scim"):
            with pytest.raises(GatewayError) as caught:
                await caller(tokens, token(sub=own))
            assert caught.value.http_status < 500
        assert await house.database.pool.fetchval('SELECT count(*) FROM "LiteLLM_UserTable"') == 1

    in_house(postgres_dsn, scenario)


@pytest.mark.parametrize(
    ("env", "section", "says"),
    [
        ({"JWT_ISSUER": ""}, {}, "JWT_ISSUER is not set"),
        ({"JWT_AUDIENCE": ""}, {}, "JWT_AUDIENCE is not set"),
        ({"JWT_PUBLIC_KEY_URL": ""}, {}, "JWT_PUBLIC_KEY_URL is not set"),
        ({"JWT_PUBLIC_KEY_URL": "http://keys.example"}, {}, "https"),
        ({}, {"scope_mappings": [{"scope": "x"}]}, "not supported"),
        ({}, {"role_mappings": [{"role": "x", "internal_role": "emperor"}]}, "expected one of"),
        ({}, {"public_key_ttl": "soon"}, "expected seconds"),
    ],
)
def test_rules_that_would_let_others_in_keep_the_server_from_starting(
    env: dict[str, str], section: dict[str, Any], says: str
) -> None:
    whole = {"JWT_PUBLIC_KEY_URL": "https://k", "JWT_ISSUER": "i", "JWT_AUDIENCE": "a"} | env
    general = {"enable_jwt_auth": True, "litellm_jwtauth": section}
    rules, errors = token_rules_of(read_config({"general_settings": general}, whole))
    assert rules is None
    assert any(says in error for error in errors), errors
