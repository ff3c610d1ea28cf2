"""Where a provider's addresses are, and its keys: by OpenID Connect Discovery, kept for a while."""

import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from runtime.outbound import Unreachable, answer_of
from runtime.signin.proofs import tenant_of
from runtime.signin.providers import OPEN_TENANTS, Endpoints, IdentityProvider, is_safe
from schema.errors.overload import ProviderUnavailable

TIMEOUT_S = 10.0
KEPT_S = 3600.0
"""How long a discovery document is kept."""
KEYS_KEPT_S = 600.0
AGAIN_S = 10.0
"""How soon keys may be fetched again where a token names one that is not among them."""
MOST_PARENTS = 6
"""How many parents of an authorization address are asked for a discovery document."""
DISCOVERY = "/.well-known/openid-configuration"


class ProviderDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a discovery document that are used."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str = ""
    end_session_endpoint: str = ""
    token_endpoint_auth_methods_supported: list[str] = []


class Remembered(msgspec.Struct):
    value: Any  # a ProviderDocument, or the JSON of keys
    read_mono: float


class IssuerDirectory:
    """Discovery documents and keys of issuers. Each worker has one."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._documents: dict[str, Remembered] = {}
        self._keys: dict[str, Remembered] = {}

    async def endpoints(self, provider: IdentityProvider, *, whole: bool) -> tuple[Endpoints, list[str]]:
        """The addresses of a provider, and the ways in which it lets a client say who it is. `whole` false:
        only the authorization address is needed, so a provider whose address is given is asked nothing.
        Raises ProviderUnavailable."""
        given = provider.given
        if given.authorization and not whole:
            return given, []
        if all((given.issuer, given.authorization, given.token, given.keys)):
            return given, []
        document = await self._document(provider)
        found = Endpoints(
            issuer=given.issuer or document.issuer,
            authorization=given.authorization or document.authorization_endpoint,
            token=given.token or document.token_endpoint,
            keys=given.keys or document.jwks_uri,
            userinfo=given.userinfo or document.userinfo_endpoint,
            end_session=given.end_session or document.end_session_endpoint,
        )
        return found, document.token_endpoint_auth_methods_supported

    async def keys(
        self, address: str, *, newer_than: float | None = None, kept_s: float = KEYS_KEPT_S
    ) -> tuple[Mapping[str, Any], float]:
        """The keys at an address, as JSON, and when they were read. `newer_than`: keys that were read at that
        time do not do, since a token names another one; they are read again, but not every moment. Keys that
        can't be read again go on to count. Raises ProviderUnavailable."""
        kept, now = self._keys.get(address), self._clock()
        if kept is not None:
            age_s = now - kept.read_mono
            if age_s < AGAIN_S or (newer_than is None and age_s < kept_s):
                return kept.value, kept.read_mono
            if newer_than is not None and kept.read_mono > newer_than:
                return kept.value, kept.read_mono
        try:
            found = msgspec.json.decode(await answer_of("GET", address, headers={}, timeout_s=TIMEOUT_S))
            if not isinstance(found, dict) or not isinstance(found.get("keys"), list):
                raise Unreachable("no keys")
        except (Unreachable, msgspec.DecodeError) as exc:
            if kept is not None and newer_than is None:
                return kept.value, kept.read_mono
            raise ProviderUnavailable(
                f"The provider's keys can't be read ({exc}). An admin checks that this gateway reaches "
                f"{_origin(address)}."
            ) from exc
        self._keys[address] = Remembered(value=found, read_mono=now)
        return found, now

    async def _document(self, provider: IdentityProvider) -> ProviderDocument:
        name = provider.discovery or provider.given.authorization
        kept = self._documents.get(name)
        if kept is not None and self._clock() - kept.read_mono < KEPT_S:
            document: ProviderDocument = kept.value
            return document
        document = await self._read(provider)
        self._documents[name] = Remembered(value=document, read_mono=self._clock())
        return document

    async def _read(self, provider: IdentityProvider) -> ProviderDocument:
        tried, reason = "", ""
        for address in _places(provider):
            tried = tried or address
            try:
                data = await answer_of("GET", address, headers={}, timeout_s=TIMEOUT_S)
                document = msgspec.json.decode(data, type=ProviderDocument)
            except (Unreachable, msgspec.DecodeError) as exc:
                reason = reason or str(exc)
                continue
            if flaw := _flaw(document, provider, address):
                reason = reason or flaw
                continue
            return document
        raise ProviderUnavailable(
            f"The provider's discovery document can't be used ({reason}). An admin checks the settings of "
            f"{provider.label} and that this gateway reaches {_origin(tried)}."
        )


def _places(provider: IdentityProvider) -> list[str]:
    """Where the discovery document may be: at the issuer's, or beside a given authorization address, as at
    Okta and Keycloak."""
    if provider.discovery:
        return [provider.discovery]
    parts = urlsplit(provider.given.authorization)
    segments = [segment for segment in parts.path.split("/") if segment]
    found = []
    for length in range(len(segments) - 1, -1, -1):
        path = "".join(f"/{segment}" for segment in segments[:length])
        found.append(f"{parts.scheme}://{parts.netloc}{path}{DISCOVERY}")
    return found[:MOST_PARENTS]


def _flaw(document: ProviderDocument, provider: IdentityProvider, address: str) -> str | None:
    """Why a document does not count: its addresses must be safe, and it must belong to where it was found
    (OpenID Connect Discovery, section 4.3)."""
    for endpoint in (document.authorization_endpoint, document.token_endpoint, document.jwks_uri):
        if not is_safe(endpoint):
            return "an address in it is not https"
    for endpoint in (document.userinfo_endpoint, document.end_session_endpoint):
        if endpoint and not is_safe(endpoint):
            return "an address in it is not https"
    if provider.kind == "microsoft" and tenant_of(document.issuer) in OPEN_TENANTS:
        return "its tenant is everybody's"
    wanted = provider.given.issuer or address.removesuffix(DISCOVERY)
    if document.issuer.rstrip("/") != wanted.rstrip("/") and not (
        provider.kind == "microsoft" and not provider.given.issuer
    ):
        return "its issuer is another one than was expected"
    if not provider.discovery and document.authorization_endpoint != provider.given.authorization:
        return "its authorization address is another one than was given"
    return None


def _origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
