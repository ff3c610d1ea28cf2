"""Checks signed tokens: the signature by one of the issuer's keys; who made the token, for whom, when."""

import hmac
import time
from collections.abc import Callable

from runtime.signin.discovery import KEYS_KEPT_S, IssuerDirectory
from schema.errors.callers import SignInFailed
from schema.identity import Claims

ALGORITHMS = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
    "Ed25519",
)
"""The signatures that count. All have a private key that only the issuer holds: `none` and HMAC are not among
them."""
MAX_TOKEN_CHARS = 64 * 1024
LEEWAY_S = 60.0
MAX_AGE_S = 24 * 3600.0


class TokenVerifier:
    """Checks the tokens of issuers. Each worker has one."""

    def __init__(self, directory: IssuerDirectory, clock: Callable[[], float] = time.time) -> None:
        self._directory = directory
        self._clock = clock

    async def signed_claims(self, token: str, keys_at: str, *, kept_s: float = KEYS_KEPT_S) -> Claims:
        """The claims of a token that one of the keys at an address has signed. Where the token names a key
        that is not among those that are kept, the keys are read again: issuers rotate them. Raises
        SignInFailed or ProviderUnavailable."""
        if not 0 < len(token) <= MAX_TOKEN_CHARS or token.count(".") != 2:
            raise SignInFailed("The token is no signed token.")
        kid = _key_id(token)
        keys, read_mono = await self._directory.keys(keys_at, kept_s=kept_s)
        if not _has(keys, kid):
            keys, read_mono = await self._directory.keys(keys_at, newer_than=read_mono)
        try:
            return _decoded(token, keys)
        except SignInFailed:
            newer, again_mono = await self._directory.keys(keys_at, newer_than=read_mono)
            if again_mono == read_mono:
                raise
            return _decoded(token, newer)

    def check_times(self, claims: Claims, *, leeway_s: float = LEEWAY_S) -> None:
        """Raise SignInFailed for a token that is over, or not yet good."""
        now = self._clock()
        ends = _moment(claims, "exp")
        if ends is None:
            raise SignInFailed("The token says no end (exp).")
        if now >= ends + leeway_s:
            raise SignInFailed("The token has expired. Check the clocks of this host and of the provider.")
        for name in ("nbf", "iat"):
            begins = _moment(claims, name)
            if begins is not None and begins > now + leeway_s:
                raise SignInFailed(
                    "The token is of the future. Check the clocks of this host and of the provider."
                )


def check_issuer(claims: Claims, issuer: str) -> None:
    """Raise SignInFailed for a token of another issuer."""
    if not issuer or claims.get("iss") != issuer:
        raise SignInFailed("The token is of another issuer than this gateway is set up for.")


def check_audience(claims: Claims, audience: str, *, party: bool = True) -> None:
    """Raise SignInFailed for a token that was made for another application (OpenID Connect Core, section
    3.1.3.7). `party`: the token is an id token, whose `azp` is the application itself."""
    found = claims.get("aud")
    for_whom = [found] if isinstance(found, str) else found if isinstance(found, list) else []
    if audience not in for_whom:
        raise SignInFailed("The token was made for another application.")
    made_for = claims.get("azp")
    if party and (len(for_whom) > 1 or made_for is not None) and made_for != audience:
        raise SignInFailed("The token was made for another application.")


def check_nonce(claims: Claims, nonce: str) -> None:
    """Raise SignInFailed for a token of another sign-in."""
    found = claims.get("nonce")
    if not isinstance(found, str) or not hmac.compare_digest(found.encode(), nonce.encode()):
        raise SignInFailed("The token belongs to another sign-in.")


def _key_id(token: str) -> str | None:
    from joserfc import jws  # it takes 30 ms to import, and few starts need it at once
    from joserfc.errors import JoseError

    try:
        header = jws.extract_compact(token.encode()).headers()
    except (JoseError, ValueError, UnicodeError) as exc:
        raise SignInFailed("The token can't be read.") from exc
    if header.get("alg") not in ALGORITHMS:
        raise SignInFailed("The token is signed in a way that does not count here.")
    kid = header.get("kid")
    return kid if isinstance(kid, str) else None


def _has(keys: Claims, kid: str | None) -> bool:
    return kid is None or any(isinstance(key, dict) and key.get("kid") == kid for key in keys["keys"])


def _decoded(token: str, keys: Claims) -> Claims:
    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jwk import KeySet

    usable = [
        key
        for key in keys["keys"]
        if isinstance(key, dict) and key.get("kty") in ("RSA", "EC", "OKP") and key.get("use", "sig") == "sig"
    ]
    try:
        decoded = jwt.decode(token, KeySet.import_key_set({"keys": usable}), algorithms=list(ALGORITHMS))
    except (JoseError, ValueError, KeyError, TypeError, UnicodeError, RecursionError) as exc:
        raise SignInFailed("The token's signature is not one of the issuer's.") from exc
    return dict(decoded.claims)


def _moment(claims: Claims, name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SignInFailed(f"The token's {name} is no time.")
    return float(value)
