"""Signing in at a provider: OpenID Connect's code flow with PKCE, by Authlib.

`begin` gives the address to which the browser goes, and `finish` exchanges the code with which it comes back
for a checked id token.
"""

import base64
import hashlib
import logging
import re
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from runtime.outbound import Unreachable, answer_of, oauth_client
from runtime.signin import graph
from runtime.signin.discovery import TIMEOUT_S, IssuerDirectory
from runtime.signin.identities import identity_of, lacks_groups
from runtime.signin.proofs import VERIFIED, joined
from runtime.signin.providers import Endpoints, IdentityProvider
from runtime.signin.tokens import TokenVerifier, check_audience, check_issuer, check_nonce
from schema.errors.callers import SignInFailed
from schema.errors.overload import ProviderUnavailable
from schema.identity import Claims, DirectoryGroup, Identity, SignInRules

SECRET_BYTES = 32
MICROSOFTS_NUMBER = re.compile(r"AADSTS\d{4,8}")
ERROR_WORD = re.compile(r"[a-z_]{1,60}")
WRONG_SECRET = frozenset({"invalid_client", "unauthorized_client"})

log = logging.getLogger(__name__)


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """A sign-in that was begun: what the browser is told, and what is kept of it."""

    address: str
    state: str
    nonce: str
    verifier: str


class OpenIdConnect:
    """The flow, for every provider. Each worker has one."""

    def __init__(self, directory: IssuerDirectory, verifier: TokenVerifier) -> None:
        self._directory = directory
        self._verifier = verifier

    async def begin(self, provider: IdentityProvider, *, redirect_uri: str, needs_groups: bool) -> Begun:
        """Begin a sign-in. Raises ProviderUnavailable."""
        endpoints, _ = await self._directory.endpoints(provider, whole=False)
        state, nonce, verifier = (secrets.token_urlsafe(SECRET_BYTES) for _ in range(3))
        query = {
            "response_type": "code",
            "client_id": provider.client_id,
            "redirect_uri": redirect_uri,
            "scope": _scope(provider, needs_groups=needs_groups),
            "state": state,
            "nonce": nonce,
            "code_challenge": _challenge(verifier),
            "code_challenge_method": "S256",
        }
        mark = "&" if urlsplit(endpoints.authorization).query else "?"
        address = f"{endpoints.authorization}{mark}{urlencode(query)}"
        return Begun(address=address, state=state, nonce=nonce, verifier=verifier)

    async def finish(
        self, provider: IdentityProvider, begun: Begun, code: str, *, redirect_uri: str, rules: SignInRules
    ) -> Identity:
        """Who has signed in. Raises SignInFailed or ProviderUnavailable."""
        endpoints, methods = await self._directory.endpoints(provider, whole=True)
        tokens = await self._exchange(provider, endpoints, methods, begun, code, redirect_uri)
        token, access = tokens.get("id_token"), tokens.get("access_token")
        if not isinstance(token, str):
            raise SignInFailed("The provider sent no id token. An admin checks that the scope has openid.")
        claims = await self._verifier.signed_claims(token, endpoints.keys)
        check_issuer(claims, endpoints.issuer)
        check_audience(claims, provider.client_id)
        self._verifier.check_times(claims)
        check_nonce(claims, begun.nonce)
        told: Claims | None = {}
        if isinstance(access, str):
            told = await self._userinfo(provider, endpoints, claims, access, rules)
            claims = joined(claims, told or {})
        groups = await self._groups(provider, claims, access, rules)
        is_whole = told is not None
        return identity_of(provider, endpoints.issuer, claims, rules, groups, is_whole=is_whole)

    async def end_address(self, provider: IdentityProvider, back_to: str) -> str | None:
        """The address at which a browser signs out of the provider too. None where the provider has none, or
        can't be asked."""
        try:
            endpoints, _ = await self._directory.endpoints(provider, whole=not provider.given.end_session)
        except ProviderUnavailable:
            return None
        if not endpoints.end_session:
            return None
        query = urlencode({"client_id": provider.client_id, "post_logout_redirect_uri": back_to})
        return f"{endpoints.end_session}{'&' if urlsplit(endpoints.end_session).query else '?'}{query}"

    async def _exchange(
        self,
        provider: IdentityProvider,
        endpoints: Endpoints,
        methods: list[str],
        begun: Begun,
        code: str,
        redirect_uri: str,
    ) -> Mapping[str, Any]:
        from authlib.integrations.base_client import OAuthError

        basic = bool(methods) and "client_secret_post" not in methods and "client_secret_basic" in methods
        name, secret = provider.client_id, provider.client_secret.reveal()
        if basic:  # RFC 6749, section 2.3.1: both are form-encoded
            name, secret = quote(name, safe=""), quote(secret, safe="")
        method = "client_secret_basic" if basic else "client_secret_post"
        try:
            async with oauth_client(name, secret, auth_method=method, timeout_s=TIMEOUT_S) as client:
                tokens = await client.fetch_token(
                    endpoints.token,
                    grant_type="authorization_code",
                    code=code,
                    redirect_uri=redirect_uri,
                    code_verifier=begun.verifier,
                )
        except OAuthError as exc:
            raise refused(provider, str(exc.error or ""), str(exc.description or "")) from None
        except Exception as exc:  # httpx has many, and broken JSON is a ValueError
            log.warning("sign-in: %s's token address does not answer: %s", provider.label, type(exc).__name__)
            raise ProviderUnavailable(
                f"{provider.label} does not answer ({type(exc).__name__}). Try again; an admin checks that "
                f"this gateway reaches {urlsplit(endpoints.token).hostname}."
            ) from None
        return tokens if isinstance(tokens, dict) else {}

    async def _userinfo(
        self,
        provider: IdentityProvider,
        endpoints: Endpoints,
        claims: Claims,
        access: str,
        rules: SignInRules,
    ) -> Claims | None:
        """What the userinfo address tells, where something is wanted that the claims lack. None: it does not
        answer."""
        wanted = {provider.attributes.email, VERIFIED, provider.attributes.role or rules.role_claim}
        wanted |= {rules.group_claim} if rules.needs_groups else set()
        if provider.kind == "microsoft" or not endpoints.userinfo or wanted <= claims.keys():
            return {}
        headers = {"authorization": f"Bearer {access}", "accept": "application/json"}
        try:
            body = await answer_of("GET", endpoints.userinfo, headers=headers, timeout_s=TIMEOUT_S)
            found = msgspec.json.decode(body)
        except (Unreachable, msgspec.DecodeError) as exc:
            log.warning("sign-in: the userinfo address does not answer: %s", exc)
            return None
        if not isinstance(found, dict) or found.get("sub") != claims.get("sub"):
            return None  # OpenID Connect Core, section 5.3.2: it may be somebody else's
        return found

    async def _groups(
        self, provider: IdentityProvider, claims: Claims, access: object, rules: SignInRules
    ) -> tuple[DirectoryGroup, ...] | None:
        """The groups with their names, where groups count and the token has ids alone or too few."""
        if provider.kind != "microsoft" or not rules.needs_groups or not isinstance(access, str):
            return None
        found = await graph.groups_of(access, provider.graph)
        if found is None and lacks_groups(claims):
            log.warning("sign-in: a person is in too many groups for a token; memberships stay as they are")
        return None if found is None else tuple(found)


def refused(provider: IdentityProvider, error: str, description: str) -> SignInFailed:
    """What to tell of a refusal by the provider. Of the provider's own words only the error's word and
    Microsoft's number are told: the rest may have anything in it."""
    word = error if ERROR_WORD.fullmatch(error) else "an error"
    number = MICROSOFTS_NUMBER.search(description)
    said = f"{word}, {number[0]}" if number else word
    if error in WRONG_SECRET:
        advice = "An admin checks the client id and the client secret: the secret may have expired."
    elif error == "access_denied":
        advice = "The provider did not let you in, or you turned back."
    else:
        advice = "Try again; an admin looks the word up in the provider's documentation."
    return SignInFailed(f"{provider.label} refused the sign-in ({said}). {advice}")


def _scope(provider: IdentityProvider, *, needs_groups: bool) -> str:
    if provider.kind != "microsoft" or not needs_groups:
        return provider.scope
    return " ".join(dict.fromkeys(f"{provider.scope} {graph.SCOPE}".split()))


def _challenge(verifier: str) -> str:
    """RFC 7636, section 4.2."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
