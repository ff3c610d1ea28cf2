"""What a user or a key may do, with the reason for each."""

import msgspec

from schema.me import AllowedModel, BudgetOver, LimitOver
from schema.reports import Query


class UserPermissionsQuery(Query, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """GET /user/permissions. Without `user_id`: the caller's own user."""

    user_id: str | None = None


class KeyPermissionsQuery(Query, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """GET /key/permissions: a key or its hash. Without it: the key that calls."""

    key: str | None = None


class HeldRole(msgspec.Struct, frozen=True, kw_only=True):
    """A role, and where it comes from: `the user's own role`, `admin of the team red`."""

    role: str
    because: str


class HeldAccess(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of access, how far it reaches, and the roles that give it."""

    access: str
    reaches: list[str]
    because: list[str]


class ModelsOfTeam(msgspec.Struct, frozen=True, kw_only=True):
    """What a person may use in a team, with a key of it."""

    team_id: str | None
    """Null: with a key of no team."""
    refusal: str | None = None
    """Why calls are refused, whatever they ask for. Null: they are not."""
    models: list[AllowedModel] = []
    denied: list[AllowedModel] = []
    """The models that may not be used, each with the list that does not have it."""
    budgets: list[BudgetOver] = []
    limits: list[LimitOver] = []


class Permissions(msgspec.Struct, frozen=True, kw_only=True):
    """What a user or a key may do now."""

    user_id: str | None
    key: str | None = None
    """The key's hash, where a key was asked about."""
    roles: list[HeldRole]
    may: list[HeldAccess]
    routes: list[str] = []
    """The paths and groups of paths that the key is for. Empty: every one that its roles allow."""
    opened: dict[str, list[str]] = {}
    """Paths that teams open to their members, each with those teams."""
    models: list[ModelsOfTeam]
