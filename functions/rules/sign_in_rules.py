"""What the claims of a person mean here: the role, the teams, whether the person may come in. Pure."""

from collections.abc import Sequence
from urllib.parse import unquote, urlsplit

import msgspec

from functions.contract.roles import ASSIGNABLE, INTERNAL_USER, INTERNAL_USER_VIEWER
from schema.identity import DirectoryGroup, Identity, SignInRules

HOME = "/ui"
"""Where somebody comes to who has signed in, where nothing else was asked for."""
MAX_RETURN_CHARS = 1_000
BY_DIRECTORY = ("claim", "default", "scim")
"""The sources of a role that a sign-in may change. A role of another source stays."""


class SettledRole(msgspec.Struct, frozen=True, kw_only=True):
    """What a sign-in does to the role of a user."""

    role: str | None
    """The new role. None: the role stays."""
    differing: str | None
    """The claimed role, where it is another one than the user has and the user's stays."""


def settled_role(
    role: str | None,
    source: str | None,
    claimed: str | None,
    *,
    by: str = "claim",
    usual: str | None = None,
) -> SettledRole:
    """What a claimed role does to a user with this role from this source. A role that SQL or an admin gave
    stays. `by` is the source that claims, such as `scim`: where it claims no role, a role that it gave before
    becomes the `usual` one. `usual` None: the source does not know. A row from before sources were kept
    counts as an admin's where it has more than a team member's role."""
    if source is None:
        source = "default" if role in (None, INTERNAL_USER, INTERNAL_USER_VIEWER) else "api"
    if claimed is None and source == by:
        claimed = usual
    if claimed is None or claimed == role:
        return SettledRole(role=None, differing=None)
    if source in BY_DIRECTORY:
        return SettledRole(role=claimed, differing=None)
    return SettledRole(role=None, differing=claimed)


def claimed_role(identity: Identity, rules: SignInRules) -> str | None:
    """The role that the claims give: the highest one of the claim with roles and of the groups. None: the
    claims give none. Words that are no role here are passed over. Entra's groups count by their ids."""
    found = {word.lower() for word in identity.roles} & set(ASSIGNABLE)
    if rules.roles.group_roles and identity.groups is not None:
        names = {group.id for group in identity.groups}
        if identity.provider != "microsoft":  # whose members give their own groups any name
            names |= {group.name for group in identity.groups}
        found |= {role for role, groups in rules.roles.group_roles.items() if not names.isdisjoint(groups)}
    for role in ASSIGNABLE:
        if role in found:
            return role
    return rules.roles.default_role if identity.is_whole else None


def claimed_teams(identity: Identity, rules: SignInRules) -> Sequence[tuple[str, DirectoryGroup]] | None:
    """The teams that the groups give, each with its group. None: the claims say nothing of teams."""
    if identity.groups is None or not rules.teams.is_asked:
        return None
    found: dict[str, DirectoryGroup] = {}
    for group in identity.groups:
        team_id = rules.teams.groups.get(group.id) or rules.teams.groups.get(group.name)
        if team_id is None and rules.teams.creates:
            team_id = group.id
        if team_id:
            found.setdefault(team_id, group)
    return tuple(found.items())


def may_come(email: str | None, rules: SignInRules) -> bool:
    """Whether somebody with this address may sign in."""
    if not rules.allowed_domains:
        return True
    name, at, domain = (email or "").rpartition("@")
    return bool(name and at) and domain.lower() in rules.allowed_domains


def return_path(asked: str | None) -> str:
    """The path to which a browser goes after it has signed in: one of this gateway's own. Anything else, such
    as `//evil.example`, `/\\evil.example` or an address with a scheme, is the home page."""
    text = asked or ""
    if not 0 < len(text) <= MAX_RETURN_CHARS:
        return HOME
    for seen in (text, unquote(text), unquote(unquote(text))):
        if not seen.startswith("/") or seen.startswith(("//", "/\\")) or "\\" in seen:
            return HOME
        if any(ord(char) <= 32 or ord(char) == 127 for char in seen) or not seen.isascii():
            return HOME
    try:
        parts = urlsplit(text)
    except ValueError:
        return HOME
    if parts.scheme or parts.netloc or any(part in ("..", ".") for part in unquote(parts.path).split("/")):
        return HOME
    return HOME if "//" in unquote(parts.path) else text
