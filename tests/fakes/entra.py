"""A Microsoft Entra tenant on a real loopback socket: discovery, authorize, token, keys.

It answers as `login.microsoftonline.com` does for one tenant and one registered application: authorization
code with PKCE, a code that counts once, an RS256 id token with Entra's claims (`tid`, `oid`, `roles`). Its
login page asks nothing: whoever is `at_the_keyboard` is signed in. It refuses what Microsoft refuses, with
OAuth's error word and Microsoft's number. `tests/e2e/test_entra.py` walks it with Authlib.
"""

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import msgspec
from joserfc import jwt
from joserfc.jwk import KeySet, OctKey, RSAKey

from tests.fakes.in_thread import answering

Fields = Mapping[str, str]
TOKEN_S = 3600
GRAPH = "/v1.0/me/transitiveMemberOf/microsoft.graph.group"
"""Where Microsoft Graph tells the groups of a bearer."""


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """A member of the tenant. `roles` are the roles of the application that an admin of Entra gave."""

    oid: str
    email: str
    name: str = "Ada Lovelace"
    roles: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    """The ids of the person's groups. Their names are in `Entra.group_names`."""


class Refused(Exception):
    """What the tenant does not accept: OAuth's error word, and Microsoft's words."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error = error


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """A code that was given out, and the request that asked for it."""

    person: Person
    asked: Fields


class Entra:
    """One tenant, one application. `visits` are the queries that its authorise address got."""

    def __init__(self) -> None:
        self.tenant_id = "0f7d6c1e-5a0b-4b57-9d1f-3f3c8f6f2a11"
        self.client_id = "6a3f0a52-7a3f-4a57-8f6d-1f7a0f0f9b22"
        self.client_secret = "the~secret+of/the.application"
        self.redirect_uris: set[str] = set()
        self.at_the_keyboard = Person(oid="oid-of-ada", email="ada@deeprunner.ai")
        self.visits: list[Fields] = []
        self.forges = False
        """Whether id tokens are signed with a key that is not among the published ones."""
        self.wrong: dict[str, object] = {}
        """Claims that id tokens have in place of the right ones. None: the claim is left out."""
        self.algorithm = "RS256"
        """How id tokens are signed. `none`: not at all. `HS256`: with the client's secret."""
        self.overage = False
        """Whether id tokens say that there are too many groups to tell."""
        self.is_down = False
        """Whether every address but the authorize one answers 503."""
        self.group_names: dict[str, str] = {}
        self.group_page = 100
        """How many groups Graph gives at once."""
        self.graph_refuses = False
        self.asked_graph = 0
        self.port = 0
        self._bearers: dict[str, Person] = {}
        self._grants: dict[str, Grant] = {}
        self._key, self._strange_key = _first_keys()

    @property
    def url(self) -> str:
        """The address in place of `https://login.microsoftonline.com`."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def authorize_url(self) -> str:
        return f"{self.url}/{self.tenant_id}/oauth2/v2.0/authorize"

    @property
    def issuer(self) -> str:
        return f"{self.url}/{self.tenant_id}/v2.0"

    def discovery(self) -> dict[str, object]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": self.authorize_url,
            "token_endpoint": f"{self.url}/{self.tenant_id}/oauth2/v2.0/token",
            "jwks_uri": f"{self.url}/{self.tenant_id}/discovery/v2.0/keys",
            "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
            "response_modes_supported": ["query", "fragment", "form_post"],
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
        }

    def keys(self) -> Mapping[str, object]:
        return KeySet([self._key]).as_dict(private=False)

    def authorize(self, asked: Fields) -> str:
        """The address that the browser goes back to. Raises Refused."""
        self.visits.append(asked)
        if asked.get("client_id") != self.client_id:
            raise Refused("unauthorized_client", "AADSTS700016: application not found in the directory")
        if asked.get("redirect_uri") not in self.redirect_uris:
            raise Refused("invalid_request", "AADSTS50011: the redirect URI does not match those configured")
        if asked.get("response_type") != "code" or asked.get("response_mode", "query") != "query":
            raise Refused("unsupported_response_type", "AADSTS700054: only a code in the query is enabled")
        if "openid" not in asked.get("scope", "").split():
            raise Refused("invalid_scope", "AADSTS70011: the scope must have openid")
        if asked.get("code_challenge") and asked.get("code_challenge_method") != "S256":
            raise Refused("invalid_request", "AADSTS501491: code_challenge_method must be S256")
        code = secrets.token_urlsafe(32)
        self._grants[code] = Grant(person=self.at_the_keyboard, asked=asked)
        back = {"code": code, "session_state": secrets.token_hex(8)}
        if "state" in asked:
            back["state"] = asked["state"]
        return f"{asked['redirect_uri']}?{urlencode(back)}"

    def token(self, form: Fields, authorization: str | None) -> dict[str, object]:
        """Tokens for a code. Raises Refused."""
        if _credentials(form, authorization) != (self.client_id, self.client_secret):
            raise Refused("invalid_client", "AADSTS7000215: invalid client secret provided")
        if form.get("grant_type") != "authorization_code":
            raise Refused("unsupported_grant_type", "AADSTS70003: the grant type is not supported")
        grant = self._grants.pop(form.get("code", ""), None)
        if grant is None:
            raise Refused("invalid_grant", "AADSTS54005: the code was already redeemed, or is none of ours")
        if form.get("redirect_uri") != grant.asked["redirect_uri"]:
            raise Refused("invalid_grant", "AADSTS500112: the reply address is another than was asked with")
        challenge = grant.asked.get("code_challenge")
        if challenge is not None and _challenge(form.get("code_verifier", "")) != challenge:
            raise Refused("invalid_grant", "AADSTS501481: the code_verifier does not match the challenge")
        access = secrets.token_urlsafe(32)
        self._bearers[access] = grant.person
        return {
            "token_type": "Bearer",
            "scope": grant.asked["scope"],
            "expires_in": TOKEN_S,
            "access_token": access,
            "id_token": self._id_token(grant),
        }

    def groups(self, authorization: str | None, skip: int) -> dict[str, object]:
        """A page of Graph's answer to which groups the bearer is in. Raises Refused."""
        self.asked_graph += 1
        person = self._bearers.get((authorization or "").removeprefix("Bearer "))
        if person is None or self.graph_refuses:
            raise Refused("Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
        page = person.groups[skip : skip + self.group_page]
        answer: dict[str, object] = {
            "value": [{"id": each, "displayName": self.group_names.get(each)} for each in page]
        }
        if skip + self.group_page < len(person.groups):
            more = f"{self.url}{GRAPH}?skip={skip + self.group_page}"
            answer["@odata.nextLink"] = more
        return answer

    def rotate(self) -> None:
        """Sign with another key from now on. The one before is no longer published."""
        self._key = _new_key()

    @contextmanager
    def running(self) -> Iterator["Entra"]:
        server = ThreadingHTTPServer(("127.0.0.1", 0), _pages_of(self))
        self.port = server.server_address[1]
        with answering(server):
            yield self

    def _id_token(self, grant: Grant) -> str:
        now, person = int(time.time()), grant.person
        claims: dict[str, object] = {
            "ver": "2.0",
            "iss": self.issuer,
            "aud": self.client_id,
            "sub": f"pairwise-{person.oid}",
            "oid": person.oid,
            "tid": self.tenant_id,
            "name": person.name,
            "email": person.email,
            "preferred_username": person.email,
            "iat": now,
            "nbf": now,
            "exp": now + TOKEN_S,
        }
        if "nonce" in grant.asked:
            claims["nonce"] = grant.asked["nonce"]
        if person.roles:
            claims["roles"] = list(person.roles)
        if self.overage:
            claims["_claim_names"] = {"groups": "src1"}
            claims["_claim_sources"] = {"src1": {"endpoint": "https://graph.windows.net/x/getMemberObjects"}}
        elif person.groups:
            claims["groups"] = list(person.groups)
        claims.update(self.wrong)
        claims = {name: value for name, value in claims.items() if value is not None}
        header = {"alg": self.algorithm, "typ": "JWT", "kid": str(self._key.kid)}
        if self.algorithm == "none":
            return ".".join((*(_base64(json.dumps(each).encode()) for each in (header, claims)), ""))
        if self.algorithm == "HS256":
            return jwt.encode(header, claims, OctKey.import_key(self.client_secret))
        return jwt.encode(header, claims, self._strange_key if self.forges else self._key)


def _new_key(kid: str | None = None) -> RSAKey:
    return RSAKey.generate_key(2048, parameters={"kid": kid or secrets.token_hex(8), "use": "sig"})


@cache
def _first_keys() -> tuple[RSAKey, RSAKey]:
    """A tenant's key, and a strange one that calls itself the same. Tenants share them: making one takes a
    quarter of a second."""
    key = _new_key()
    return key, _new_key(kid=str(key.kid))


def _challenge(verifier: str) -> str:
    """The challenge for a PKCE verifier (RFC 7636, section 4.2)."""
    return _base64(hashlib.sha256(verifier.encode()).digest())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _credentials(form: Fields, authorization: str | None) -> tuple[str, str]:
    """The application's id and secret, from the form or from HTTP Basic, where both are form-encoded (RFC
    6749, section 2.3.1)."""
    if authorization and authorization.startswith("Basic "):
        name, _, secret = base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
        return unquote(name), unquote(secret)
    return form.get("client_id", ""), form.get("client_secret", "")


def _pages_of(entra: Entra) -> type[BaseHTTPRequestHandler]:
    class Pages(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            address = urlsplit(self.path)
            asked = dict(parse_qsl(address.query, keep_blank_values=True))
            if entra.is_down and not address.path.endswith("/authorize"):
                self._json(503, {"error": "temporarily_unavailable"})
            elif address.path == f"/{entra.tenant_id}/v2.0/.well-known/openid-configuration":
                self._json(200, entra.discovery())
            elif address.path == f"/{entra.tenant_id}/discovery/v2.0/keys":
                self._json(200, entra.keys())
            elif address.path == f"/{entra.tenant_id}/oauth2/v2.0/authorize":
                self._authorize(asked)
            elif address.path == GRAPH:
                self._groups(int(asked.get("skip", "0")))
            else:
                self._json(404, {"error": "invalid_tenant"})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"] or 0)).decode()
            if entra.is_down:
                self._json(503, {"error": "temporarily_unavailable"})
                return
            if urlsplit(self.path).path != f"/{entra.tenant_id}/oauth2/v2.0/token":
                self._json(404, {"error": "invalid_tenant"})
                return
            try:
                tokens = entra.token(dict(parse_qsl(body)), self.headers["authorization"])
            except Refused as exc:
                status = 401 if exc.error == "invalid_client" else 400
                self._json(status, {"error": exc.error, "error_description": str(exc)})
            else:
                self._json(200, tokens)

        def _groups(self, skip: int) -> None:
            try:
                page = entra.groups(self.headers["authorization"], skip)
            except Refused as exc:
                self._json(403, {"error": {"code": exc.error, "message": str(exc)}})
            else:
                self._json(200, page)

        def _authorize(self, asked: Fields) -> None:
            try:
                back = entra.authorize(asked)
            except Refused as exc:
                self._json(400, {"error": exc.error, "error_description": str(exc)})
            else:
                self.send_response(302)
                self.send_header("location", back)
                self.send_header("content-length", "0")
                self.end_headers()

        def _json(self, status: int, answer: Mapping[str, object]) -> None:
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Pages
