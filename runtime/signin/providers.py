"""The providers that people sign in at: what the environment, the config and the API say of them.

Pure. What the API has set counts before the environment. What can't be used is a flaw: a text for an admin,
with no secret in it.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import urlsplit

import msgspec

from schema.identity import ProviderKind
from schema.secret import Secret

MICROSOFT = "https://login.microsoftonline.com"
GRAPH = "https://graph.microsoft.com"
GOOGLE = "https://accounts.google.com"
SCOPE = "openid email profile"
OPEN_TENANTS = frozenset({"common", "organizations", "consumers", "9188040d-6c67-4c5b-b112-36a304b66dad"})
"""Entra's words for tenants of anybody, and the tenant of private accounts. They are refused: whoever may
make a tenant, or an account, could come in."""
LABELS: Mapping[ProviderKind, str] = MappingProxyType(
    {"microsoft": "Microsoft", "google": "Google", "generic": "single sign-on"}
)
TENANT_ID = re.compile(r"[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}")
SECRETS = ("microsoft_client_secret", "google_client_secret", "generic_client_secret")
"""The settings that are sealed when they are stored."""


class Attributes(msgspec.Struct, frozen=True, kw_only=True):
    """Which claims say what of a person."""

    id: str | None = None
    """The claim that becomes the `user_id` of a new user. Identities go by `sub`, or by Entra's `oid`,
    whatever this says. None: a new user's id is made."""
    email: str = "email"
    name: str = "name"
    first_name: str = "given_name"
    last_name: str = "family_name"
    role: str | None = None
    """The claim with roles. None: that of the config."""


class Endpoints(msgspec.Struct, frozen=True, kw_only=True):
    """The addresses of a provider. An empty one is not there."""

    issuer: str = ""
    authorization: str = ""
    token: str = ""
    keys: str = ""
    userinfo: str = ""
    end_session: str = ""


class IdentityProvider(msgspec.Struct, frozen=True, kw_only=True):
    """One provider, as it is set up."""

    kind: ProviderKind
    client_id: str
    client_secret: Secret
    given: Endpoints
    """The addresses that the settings give. Discovery gives the others."""
    discovery: str = ""
    """The address of the discovery document. Empty: the provider is looked for beside its authorization
    address."""
    scope: str = SCOPE
    tenant: str = ""
    """Entra's tenant."""
    graph: str = GRAPH
    attributes: Attributes = Attributes()

    @property
    def label(self) -> str:
        return LABELS[self.kind]


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """The providers that can be used, and what is wrong with the others."""

    providers: tuple[IdentityProvider, ...] = ()
    flaws: tuple[str, ...] = ()

    def named(self, kind: str | None) -> IdentityProvider | None:
        """The provider of a kind; without a kind, the first one."""
        for provider in self.providers:
            if kind in (None, "", provider.kind):
                return provider
        return None


def providers_of(settings: Mapping[str, str]) -> Found:
    """The providers in settings by LiteLLM's names of variables, such as `MICROSOFT_CLIENT_ID`."""
    providers: list[IdentityProvider] = []
    flaws: list[str] = []
    for kind, make in (("MICROSOFT", _microsoft), ("GOOGLE", _google), ("GENERIC", _generic)):
        client_id = settings.get(f"{kind}_CLIENT_ID", "").strip()
        if not client_id:
            continue
        secret = settings.get(f"{kind}_CLIENT_SECRET", "")
        if not secret:
            flaws.append(f"{kind}_CLIENT_SECRET is not set, so nobody can sign in there.")
            continue
        made = make(settings, client_id, Secret(secret))
        if isinstance(made, str):
            flaws.append(made)
        elif flaw := _insecure(kind, made.given):
            flaws.append(flaw)
        else:
            providers.append(made)
    return Found(providers=tuple(providers), flaws=tuple(flaws))


def _microsoft(settings: Mapping[str, str], client_id: str, secret: Secret) -> IdentityProvider | str:
    tenant = settings.get("MICROSOFT_TENANT", "").strip()
    if not tenant:
        return "MICROSOFT_TENANT is not set: it is the directory (tenant) id of the app registration."
    if tenant.lower() in OPEN_TENANTS:
        return (
            f"MICROSOFT_TENANT is {tenant!r}, which lets anybody's tenant in: set the directory (tenant) id "
            "of the company."
        )
    if not _TENANT.fullmatch(tenant):
        return "MICROSOFT_TENANT is neither an id nor a domain."
    authority = (settings.get("MICROSOFT_AUTHORITY") or MICROSOFT).rstrip("/")
    base = f"{authority}/{tenant}"
    by_id = TENANT_ID.fullmatch(tenant) is not None
    given = Endpoints(
        issuer=f"{base}/v2.0" if by_id else "",
        authorization=settings.get("MICROSOFT_AUTHORIZATION_ENDPOINT") or f"{base}/oauth2/v2.0/authorize",
        token=settings.get("MICROSOFT_TOKEN_ENDPOINT") or f"{base}/oauth2/v2.0/token",
        keys=f"{base}/discovery/v2.0/keys",
        end_session=f"{base}/oauth2/v2.0/logout",
    )
    return IdentityProvider(
        kind="microsoft",
        client_id=client_id,
        client_secret=secret,
        given=given,
        discovery=f"{base}/v2.0/.well-known/openid-configuration",
        scope=settings.get("MICROSOFT_SCOPE") or SCOPE,
        tenant=tenant.lower(),
        graph=(settings.get("MICROSOFT_GRAPH") or GRAPH).rstrip("/"),
        attributes=Attributes(
            id=settings.get("MICROSOFT_USER_ID_ATTRIBUTE") or None,
            email=settings.get("MICROSOFT_USER_EMAIL_ATTRIBUTE") or "email",
            name=settings.get("MICROSOFT_USER_DISPLAY_NAME_ATTRIBUTE") or "name",
            first_name=settings.get("MICROSOFT_USER_FIRST_NAME_ATTRIBUTE") or "given_name",
            last_name=settings.get("MICROSOFT_USER_LAST_NAME_ATTRIBUTE") or "family_name",
        ),
    )


def _google(settings: Mapping[str, str], client_id: str, secret: Secret) -> IdentityProvider | str:
    return IdentityProvider(
        kind="google",
        client_id=client_id,
        client_secret=secret,
        given=Endpoints(issuer=GOOGLE),
        discovery=f"{GOOGLE}/.well-known/openid-configuration",
    )


def _generic(settings: Mapping[str, str], client_id: str, secret: Secret) -> IdentityProvider | str:
    issuer = (settings.get("GENERIC_ISSUER") or "").strip()
    given = Endpoints(
        issuer=issuer,
        authorization=settings.get("GENERIC_AUTHORIZATION_ENDPOINT") or "",
        token=settings.get("GENERIC_TOKEN_ENDPOINT") or "",
        userinfo=settings.get("GENERIC_USERINFO_ENDPOINT") or "",
    )
    if not issuer and not given.authorization:
        return "GENERIC_ISSUER is not set: it is the address of the provider, such as https://login.example."
    scope = settings.get("GENERIC_SCOPE") or SCOPE
    if "openid" not in scope.split():
        return "GENERIC_SCOPE lacks openid, without which a provider sends no id token."
    return IdentityProvider(
        kind="generic",
        client_id=client_id,
        client_secret=secret,
        given=given,
        discovery=f"{issuer.rstrip('/')}/.well-known/openid-configuration" if issuer else "",
        scope=scope,
        attributes=Attributes(
            id=settings.get("GENERIC_USER_ID_ATTRIBUTE") or None,
            email=settings.get("GENERIC_USER_EMAIL_ATTRIBUTE") or "email",
            name=settings.get("GENERIC_USER_DISPLAY_NAME_ATTRIBUTE") or "name",
            first_name=settings.get("GENERIC_USER_FIRST_NAME_ATTRIBUTE") or "given_name",
            last_name=settings.get("GENERIC_USER_LAST_NAME_ATTRIBUTE") or "family_name",
            role=settings.get("GENERIC_USER_ROLE_ATTRIBUTE") or None,
        ),
    )


def _insecure(kind: str, endpoints: Endpoints) -> str | None:
    """Why an address can't be used: secrets and tokens go there. Loopback is for tests and for proxies on the
    same machine."""
    for name in endpoints.__struct_fields__:
        address = getattr(endpoints, name)
        if address and not is_safe(address):
            return f"{kind}: the {name} address must begin with https:// and name a host."
    return None


def is_safe(address: str) -> bool:
    """Whether secrets may be sent to an address: https, or this machine."""
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        return False
    if parts.username or parts.password or parts.fragment:
        return False
    if parts.scheme == "https":
        return bool(host)
    return parts.scheme == "http" and host in ("127.0.0.1", "localhost", "::1")
