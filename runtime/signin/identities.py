"""Makes an identity of the claims of a checked id token. Pure."""

from runtime.signin.proofs import address_of, claim_at, subject_of, tenant_of, text_of
from runtime.signin.providers import IdentityProvider
from schema.identity import MAX_GROUPS, Claims, DirectoryGroup, Identity, SignInRules

MAX_ROLES = 100


def identity_of(
    provider: IdentityProvider,
    issuer: str,
    claims: Claims,
    rules: SignInRules,
    groups: tuple[DirectoryGroup, ...] | None,
    *,
    is_whole: bool = True,
) -> Identity:
    """The person. `groups` are those that were asked for beside the token. `is_whole`: all answered who were
    asked for claims. Raises SignInFailed for claims that name nobody, or somebody of another tenant."""
    tenant = tenant_of(issuer) or provider.tenant
    lacks = rules.needs_groups and groups is None and (provider.kind == "microsoft" or lacks_groups(claims))
    subject = subject_of(provider.kind, claims, issuer, tenant)
    names = provider.attributes
    address = address_of(provider.kind, claims, issuer, name=names.email, is_trusted=rules.trusts_addresses)
    parts = filter(None, (text_of(claims.get(name)) for name in (names.first_name, names.last_name)))
    return Identity(
        provider=provider.kind,
        key=subject.key,
        directory_id=subject.directory_id if rules.directory == provider.kind else "",
        former_key=subject.former_key,
        preferred_id=text_of(claims.get(names.id)) if names.id else None,
        email=address.text,
        email_is_trusted=address.is_proven,
        name=text_of(claims.get(names.name)) or " ".join(parts) or None,
        roles=tuple(_texts(claim_at(claims, names.role or rules.role_claim))[:MAX_ROLES]),
        groups=groups if groups is not None else _groups(claims, rules),
        is_whole=is_whole and not lacks,
        claims=claims,
    )


def lacks_groups(claims: Claims) -> bool:
    """Whether the person is in more groups than a token holds (Entra's overage claim)."""
    names = claims.get("_claim_names")
    return claims.get("hasgroups") is True or (isinstance(names, dict) and "groups" in names)


def _groups(claims: Claims, rules: SignInRules) -> tuple[DirectoryGroup, ...] | None:
    if lacks_groups(claims):
        return None
    found = claim_at(claims, rules.group_claim)
    if found is None:
        return None
    return tuple(DirectoryGroup(id=name, name=name.strip("/")) for name in _texts(found)[:MAX_GROUPS])


def _texts(value: object) -> list[str]:
    values = value if isinstance(value, list) else value.split() if isinstance(value, str) else []
    return [text for each in values if (text := text_of(each)) is not None]
