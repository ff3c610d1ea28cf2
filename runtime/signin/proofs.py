"""What the claims of a checked token prove: who somebody is, and whether an address is the person's own.
Pure.

Each kind of provider has its own proof of an address. A claim that one kind means as a proof proves nothing
at another one.
"""

from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import msgspec

from schema.errors.callers import SignInFailed
from schema.identity import Claims, ProviderKind

MAX_CHARS = 256
ADDRESS = "email"
"""The claim that `email_verified` and `xms_edov` are about."""
VERIFIED = "email_verified"
ADDRESSES_OF_ENTRA = (ADDRESS, "preferred_username", "upn")
"""The claims whose values an admin of the tenant writes."""
GUESTS_MARK = "#EXT#"
"""What Entra writes into the name of a guest."""
GMAIL = ("gmail.com", "googlemail.com")
TRUE = (True, "true", "True", 1, "1")
"""How issuers write that something is so. A text such as `false` is not among them."""
ENTRA_HOSTS = frozenset(
    {
        "login.microsoftonline.com",
        "sts.windows.net",
        "login.microsoftonline.us",
        "login.partner.microsoftonline.cn",
        "sts.chinacloudapi.cn",
    }
)
"""The hosts that issue Entra's tokens, of both versions."""


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """Who a token is about."""

    key: str
    """What stands in `sso_user_id`: `<tenant>:<oid>` of Entra, `<issuer>|<sub>` of anybody else."""
    directory_id: str
    """What the directory calls the same person: Entra's `oid`, or `sub`."""
    former_key: str = ""
    """What LiteLLM wrote in `sso_user_id`: Entra's `oid` alone. Empty where it is not to be looked for."""


class EmailAddress(msgspec.Struct, frozen=True, kw_only=True):
    """The e-mail address of a token."""

    text: str | None = None
    is_proven: bool = False
    """Whether the claims prove that it is the person's own."""


def subject_of(kind: ProviderKind, claims: Claims, issuer: str, tenant: str = "") -> Subject:
    """The person. `tenant` is Entra's own. Raises SignInFailed for claims that name nobody, or somebody of
    another tenant."""
    subject = text_of(claims.get("sub"))
    if subject is None:
        raise SignInFailed("The token names nobody (sub).")
    if kind != "microsoft":
        return Subject(key=f"{issuer}|{subject}", directory_id=subject)
    own, oid = text_of(claims.get("tid")), text_of(claims.get("oid"))
    if own is None or oid is None:
        raise SignInFailed("The token names nobody of a tenant (tid, oid).")
    if own.lower() != tenant:
        raise SignInFailed("The account belongs to another tenant than this gateway is set up for.")
    return Subject(key=f"{own.lower()}:{oid}", directory_id=oid, former_key=oid)


def address_of(
    kind: ProviderKind, claims: Claims, issuer: str, *, name: str = ADDRESS, is_trusted: bool = False
) -> EmailAddress:
    """The address in the claim of this name. `is_trusted`: an admin says that the provider's addresses are
    verified, where the claims don't say whether they are."""
    names = dict.fromkeys((name, *ADDRESSES_OF_ENTRA[1:])) if kind == "microsoft" else (name,)
    is_vouched_for = is_trusted and kind == "generic" and VERIFIED not in claims
    for each in names:
        found = text_of(claims.get(each))
        if found is not None and "@" in found:
            return EmailAddress(
                text=found, is_proven=is_vouched_for or _PROOFS[kind](claims, issuer, each, found)
            )
    return EmailAddress()


def joined(claims: Claims, told: Claims) -> Claims:
    """The claims of a token together with those that were told beside it. The token's count first. What is
    said of another address than the token's is left out."""
    if claims.get(ADDRESS) is None:
        claims = {name: value for name, value in claims.items() if name != VERIFIED}
    elif told.get(ADDRESS) != claims[ADDRESS]:
        told = {name: value for name, value in told.items() if name != VERIFIED}
    return {**told, **claims}


def is_someone_else(key: str, known: str) -> bool:
    """Whether two identities are two people's: the same issuer, or tenant, has given both."""
    return key != known and _issuer_of(key) == _issuer_of(known) != ""


def _issuer_of(key: str) -> str:
    issuer, bar, _ = key.partition("|")
    return issuer if bar else key.rpartition(":")[0]


def kind_of(issuer: str) -> ProviderKind:
    """The kind of an issuer that is known by its name alone."""
    return "microsoft" if urlsplit(issuer).hostname in ENTRA_HOSTS else "generic"


def tenant_of(issuer: str) -> str:
    """The id of Entra's tenant in the name of an issuer, of both versions of tokens. Empty: there is none."""
    segments = [segment for segment in urlsplit(issuer).path.split("/") if segment not in ("", "v2.0")]
    return segments[-1].lower() if segments else ""


def is_true(value: object) -> bool:
    """Whether a claim says that something is so."""
    return value in TRUE


def text_of(value: object) -> str | None:
    """A text that can stand in a row, or None."""
    if not isinstance(value, str) or not 0 < len(value.strip()) <= MAX_CHARS:
        return None
    return value.strip() if value.isprintable() else None


def _entra_proves(claims: Claims, issuer: str, name: str, text: str) -> bool:
    """A tenant answers for its own members, and not for its guests, whose addresses other tenants wrote."""
    if not _is_guest(claims, issuer):
        return name in ADDRESSES_OF_ENTRA
    return name == ADDRESS and is_true(claims.get("xms_edov"))


def _is_guest(claims: Claims, issuer: str) -> bool:
    home = claims.get("idp")
    names = (claims.get(name) for name in ADDRESSES_OF_ENTRA[1:])
    return (
        (home is not None and tenant_of(str(home)) != tenant_of(issuer))
        or claims.get("acct") in (1, "1")
        or any(isinstance(each, str) and GUESTS_MARK in each.upper() for each in names)
    )


def _google_proves(claims: Claims, issuer: str, name: str, text: str) -> bool:
    """Google answers for its own mail and for the accounts of an organization (`hd`). Of any other address it
    knows only that somebody had it once."""
    is_googles = bool(text_of(claims.get("hd"))) or text.rpartition("@")[2].lower() in GMAIL
    return name == ADDRESS and is_true(claims.get(VERIFIED)) and is_googles


def _verified(claims: Claims, issuer: str, name: str, text: str) -> bool:
    """`email_verified` is about the claim `email` alone (OpenID Connect Core, section 5.1)."""
    return is_true(claims.get(VERIFIED)) and text == text_of(claims.get(ADDRESS))


_PROOFS = MappingProxyType({"microsoft": _entra_proves, "google": _google_proves, "generic": _verified})


def claim_at(claims: Claims, path: str) -> Any:  # any JSON
    """The claim at a path with dots, such as Keycloak's `realm_access.roles`. A claim with dots in its name
    counts first."""
    if path in claims:
        return claims[path]
    found: Any = claims
    for part in path.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found
