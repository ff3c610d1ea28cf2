"""The fake tenant, walked by Authlib's own client: it answers as Microsoft's clients expect."""

from collections.abc import Iterator
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import OAuth2Client
from joserfc import jwt
from joserfc.errors import BadSignatureError
from joserfc.jwk import KeySet

from tests.fakes.entra import Entra, Person

REDIRECT = "http://127.0.0.1:4000/sso/callback"
VERIFIER = "a-verifier-of-at-least-forty-three-characters-as-rfc-7636-has-it"


@pytest.fixture
def entra() -> Iterator[Entra]:
    with Entra().running() as tenant:
        tenant.redirect_uris.add(REDIRECT)
        tenant.at_the_keyboard = Person(oid="oid-1", email="ada@deeprunner.ai", roles=("proxy_admin",))
        yield tenant


def discovered(entra: Entra) -> dict[str, str]:
    found: dict[str, str] = httpx.get(f"{entra.issuer}/.well-known/openid-configuration").json()
    return found


def client(entra: Entra, *, secret: str | None = None) -> OAuth2Client:
    return OAuth2Client(
        client_id=entra.client_id,
        client_secret=secret or entra.client_secret,
        scope="openid profile email",
        redirect_uri=REDIRECT,
        code_challenge_method="S256",
    )


def came_back(entra: Entra, **more: str) -> str:
    """The address that the browser is sent back to."""
    address, _ = client(entra).create_authorization_url(
        discovered(entra)["authorization_endpoint"], code_verifier=VERIFIER, nonce="n-1", state="s-1", **more
    )
    answer = httpx.get(address)
    assert answer.status_code == 302, answer.text
    return answer.headers["location"]


def test_a_code_is_exchanged_for_a_token_that_the_published_keys_verify(entra: Entra) -> None:
    back = came_back(entra)
    tokens = client(entra).fetch_token(
        discovered(entra)["token_endpoint"],
        authorization_response=back,
        state="s-1",
        code_verifier=VERIFIER,
    )
    keys = KeySet.import_key_set(httpx.get(discovered(entra)["jwks_uri"]).json())
    claims = jwt.decode(tokens["id_token"], keys, algorithms=["RS256"]).claims
    assert (claims["iss"], claims["aud"], claims["nonce"]) == (entra.issuer, entra.client_id, "n-1")
    assert (claims["tid"], claims["oid"], claims["roles"]) == (entra.tenant_id, "oid-1", ["proxy_admin"])


@pytest.mark.parametrize(
    ("verifier", "secret", "says"),
    [
        ("another-" + VERIFIER, None, "AADSTS501481"),
        (VERIFIER, "a-wrong-secret", "AADSTS7000215"),
    ],
)
def test_a_wrong_verifier_or_secret_gets_no_token(
    entra: Entra, verifier: str, secret: str | None, says: str
) -> None:
    code = dict(parse_qsl(urlsplit(came_back(entra)).query))["code"]
    with pytest.raises(OAuthError, match=says):
        client(entra, secret=secret).fetch_token(
            discovered(entra)["token_endpoint"], code=code, code_verifier=verifier
        )


def test_a_code_counts_once(entra: Entra) -> None:
    code = dict(parse_qsl(urlsplit(came_back(entra)).query))["code"]
    endpoint = discovered(entra)["token_endpoint"]
    client(entra).fetch_token(endpoint, code=code, code_verifier=VERIFIER)
    with pytest.raises(OAuthError, match="AADSTS54005"):
        client(entra).fetch_token(endpoint, code=code, code_verifier=VERIFIER)


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"redirect_uri": "http://evil.example/cb"}, "invalid_request"),
        ({"client_id": "another"}, "unauthorized_client"),
        ({"scope": "profile"}, "invalid_scope"),
        ({"code_challenge": VERIFIER, "code_challenge_method": "plain"}, "invalid_request"),
    ],
)
def test_the_login_page_refuses_what_is_not_registered(
    entra: Entra, asked: dict[str, str], error: str
) -> None:
    whole = {
        "client_id": entra.client_id,
        "redirect_uri": REDIRECT,
        "response_type": "code",
        "scope": "openid",
        **asked,
    }
    answer = httpx.get(entra.authorize_url, params=whole)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_a_forged_token_does_not_verify(entra: Entra) -> None:
    entra.forges = True
    code = dict(parse_qsl(urlsplit(came_back(entra)).query))["code"]
    tokens = client(entra).fetch_token(discovered(entra)["token_endpoint"], code=code, code_verifier=VERIFIER)
    with pytest.raises(BadSignatureError):
        jwt.decode(
            tokens["id_token"],
            KeySet.import_key_set(httpx.get(discovered(entra)["jwks_uri"]).json()),
            algorithms=["RS256"],
        )
