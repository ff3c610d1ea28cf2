"""Who somebody is, as a provider says it, and the settings that say what this means here."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

Claims = Mapping[str, Any]  # any JSON
ProviderKind = Literal["microsoft", "google", "generic"]
MAX_GROUPS = 10_000
"""The most groups of one person that are read."""


class DirectoryGroup(msgspec.Struct, frozen=True, kw_only=True):
    """A group of the directory. `name` is the id where the directory tells no name."""

    id: str
    name: str


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """A person, as an id token says it that was checked."""

    provider: ProviderKind
    key: str
    """What stands in `sso_user_id`: `<tenant>:<oid>` of Entra, `<issuer>|<sub>` of anybody else."""
    preferred_id: str | None = None
    """The `user_id` that a new row gets, where the settings name a claim for it and nobody has the id."""
    directory_id: str = ""
    """What SCIM's `externalId` of the same person is: Entra's `oid`, or `sub`. Empty where the directory
    tells the people of another provider: an id says nothing without its issuer."""
    former_key: str = ""
    """What LiteLLM wrote there: Entra's `oid` alone. Empty where it is not to be looked for."""
    email: str | None = None
    email_is_trusted: bool = False
    """Whether the claims prove that the address is the person's own."""
    name: str | None = None
    roles: tuple[str, ...] = ()
    """The values of the claim with roles."""
    groups: tuple[DirectoryGroup, ...] | None = None
    """None: nothing is said of groups, so memberships stay as they are."""
    is_whole: bool = True
    """False: somebody did not answer who was asked for roles or groups. Then nothing is taken away."""
    claims: Mapping[str, Any] = {}  # any JSON
    """All claims, for an admin who looks at a sign-in of one's own."""

    @property
    def own_email(self) -> str | None:
        """The address, where it is proven to be the person's own. No other address is stored, selects a row,
        or counts for a domain."""
        return self.email if self.email_is_trusted else None


class RoleRules(msgspec.Struct, frozen=True, kw_only=True):
    """Which role a person has by the claims."""

    group_roles: Mapping[str, tuple[str, ...]] = {}
    """Roles, each with names or ids of groups."""
    default_role: str | None = None
    """The role of a person in none of these groups. None: the claims say no role then."""


class TeamRules(msgspec.Struct, frozen=True, kw_only=True):
    """Which teams a person is in by the groups."""

    groups: Mapping[str, str] = {}
    """Names or ids of groups, each with a team's id."""
    creates: bool = False
    """Whether a group without a team gets one."""

    @property
    def is_asked(self) -> bool:
        return bool(self.groups) or self.creates


class SignInRules(msgspec.Struct, frozen=True, kw_only=True):
    """How people sign in, provider apart."""

    auto_redirect: bool = True
    allowed_domains: tuple[str, ...] = ()
    """Empty: every domain."""
    trusts_addresses: bool = False
    """Whether the addresses of a generic provider count that does not say which ones it has verified."""
    role_claim: str = "roles"
    group_claim: str = "groups"
    roles: RoleRules = RoleRules()
    teams: TeamRules = TeamRules()
    directory: ProviderKind | None = None
    """The provider whose people the directory tells by SCIM."""
    new_users_wait: bool = False
    idle_s: float = 3600.0
    max_s: float = 12 * 3600.0
    passwords: bool = True
    master_key: bool = True

    @property
    def needs_groups(self) -> bool:
        return self.teams.is_asked or bool(self.roles.group_roles)
