"""Who may do what: one table of roles by kind of access, with how far each role reaches.

A route's manifest names the access that it needs. `runtime/invoke.py` looks the caller's roles up here and
puts the result into the call as its `Scope`. `runtime/governance/tenancy.py` says what a scope means for each
table of the database.
"""

import enum
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

import msgspec

PROXY_ADMIN = "proxy_admin"
PROXY_ADMIN_VIEWER = "proxy_admin_viewer"
ORG_ADMIN = "org_admin"
DEVOPS = "devops"
INTERNAL_USER = "internal_user"
INTERNAL_USER_VIEWER = "internal_user_viewer"
ASSIGNABLE = (PROXY_ADMIN, PROXY_ADMIN_VIEWER, ORG_ADMIN, DEVOPS, INTERNAL_USER, INTERNAL_USER_VIEWER)
"""The values of a user's `user_role`, in LiteLLM's words. Any other value is read as the last one."""

TEAM_ADMIN = "team_admin"
"""The role that the admin of a team has beside the user's own."""
SERVICE_KEY = "service_key"
"""The role of a key without a user."""

ROLE_LABELS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        PROXY_ADMIN: ("Admin (all permissions)", "manages keys, users, teams and models; views all logs"),
        PROXY_ADMIN_VIEWER: ("Admin (view only)", "views everything; changes nothing and calls no model"),
        ORG_ADMIN: ("Organization admin", "manages the teams, members and keys of its organizations"),
        DEVOPS: ("DevOps", "monitors, views logs, creates short-lived test keys with a small budget"),
        INTERNAL_USER: ("Team member", "calls models with own keys and sees own usage"),
        INTERNAL_USER_VIEWER: ("Team member (view only)", "sees own usage"),
    }
)


class Access(enum.Enum):
    """What a route needs. The matched manifest decides, never the text of the URL."""

    OPEN = "open"
    """The route needs nothing, not even a key."""
    MODEL = "model"
    """The route calls a model. Its refusals are booked as well."""
    RESPONSES = "responses"
    """The route shows or deletes stored responses of the calling key."""
    MODELS_READ = "models_read"
    MODELS_WRITE = "models_write"
    """The route makes or changes models. A team's admin has the models that the team owns."""
    CREDENTIALS_READ = "credentials_read"
    CREDENTIALS_WRITE = "credentials_write"
    SETTINGS_READ = "settings_read"
    SETTINGS_WRITE = "settings_write"
    """The route changes how the gateway works, such as its fallbacks."""
    KEYS_READ = "keys_read"
    KEYS_WRITE = "keys_write"
    USERS_READ = "users_read"
    USERS_WRITE = "users_write"
    USER_UPDATE = "user_update"
    """The route changes a user. Everybody may give oneself another alias."""
    TEAMS_READ = "teams_read"
    TEAMS_CREATE = "teams_create"
    TEAMS_WRITE = "teams_write"
    ORGANIZATIONS_READ = "organizations_read"
    ORGANIZATIONS_CREATE = "organizations_create"
    ORGANIZATIONS_WRITE = "organizations_write"
    BUDGETS_READ = "budgets_read"
    BUDGETS_WRITE = "budgets_write"
    CUSTOMERS_READ = "customers_read"
    CUSTOMERS_WRITE = "customers_write"
    PROJECTS_READ = "projects_read"
    PROJECTS_WRITE = "projects_write"
    TAGS_READ = "tags_read"
    TAGS_WRITE = "tags_write"
    ACCESS_GROUPS_READ = "access_groups_read"
    ACCESS_GROUPS_WRITE = "access_groups_write"
    ROLES_READ = "roles_read"
    SPEND_READ = "spend_read"
    BODIES_READ = "bodies_read"
    """The route shows prompts and answers of the calls that SPEND_READ shows."""
    SPEND_WRITE = "spend_write"
    """The route corrects what was booked."""
    SPEND_RESET = "spend_reset"
    AUDIT_READ = "audit_read"
    METRICS_READ = "metrics_read"
    HEALTH_READ = "health_read"
    """The route tells about the gateway itself what anybody with a key may know."""
    ALERTS_READ = "alerts_read"
    SELF_READ = "self_read"
    """The route tells a caller about itself."""
    SELF_WRITE = "self_write"
    """The route changes how the caller itself signs in."""
    FILTERS_READ = "filters_read"
    FILTERS_WRITE = "filters_write"
    """The route changes the filters that the caller saved for pages of the admin UI."""
    SESSIONS_READ = "sessions_read"
    SESSIONS_WRITE = "sessions_write"
    PGADMIN = "pgadmin"
    """The route lets a person through to pgAdmin."""
    INVITATIONS_READ = "invitations_read"
    INVITATIONS_WRITE = "invitations_write"
    """The route lets somebody set a password, who can act as the user from then on."""
    SIGN_IN_READ = "sign_in_read"
    SIGN_IN_WRITE = "sign_in_write"
    """The route changes at which provider people sign in, and what the claims mean."""
    SCIM = "scim"
    """The route is the directory's."""
    CONNECTIONS_TEST = "connections_test"
    """The route calls a deployment that is not stored yet."""
    DEPLOYMENTS_READ = "deployments_read"
    """The route tells how deployments stand, with their addresses, and may check them."""


Accesses = Mapping[str, frozenset[Access]]
"""Paths, each with the kinds of access that the functions there need."""


class Reach(enum.Enum):
    """Which rows a role reaches with a kind of access that it has."""

    ALL = "all"
    ORGANIZATION = "organization"
    """The rows of the organizations that the caller is admin of."""
    TEAM = "team"
    """The rows of the teams that the caller is admin of."""
    CREATED = "created"
    """The rows that the caller made."""
    MINE = "mine"
    """The caller's own rows: its user, keys and memberships."""
    KEY = "key"
    """The calling key itself, and its team."""


A, O, T, C, M, K = Reach.ALL, Reach.ORGANIZATION, Reach.TEAM, Reach.CREATED, Reach.MINE, Reach.KEY  # noqa: E741
N: Reach | None = None

_COLUMNS = (
    PROXY_ADMIN,
    PROXY_ADMIN_VIEWER,
    ORG_ADMIN,
    TEAM_ADMIN,
    DEVOPS,
    INTERNAL_USER,
    INTERNAL_USER_VIEWER,
    SERVICE_KEY,
)
_TABLE: tuple[tuple[Access, tuple[Reach | None, ...]], ...] = (
    #                             admin viewer org team devops user u.viewer key
    (Access.MODEL,                  (A,  N,    M,  N,   M,     M,   N,       K)),
    (Access.RESPONSES,              (A,  N,    M,  N,   M,     M,   N,       K)),
    (Access.MODELS_READ,            (A,  A,    M,  N,   M,     M,   M,       K)),
    (Access.MODELS_WRITE,           (A,  N,    N,  T,   N,     N,   N,       N)),
    (Access.CREDENTIALS_READ,       (A,  A,    N,  N,   N,     N,   N,       N)),
    (Access.CREDENTIALS_WRITE,      (A,  N,    N,  N,   N,     N,   N,       N)),
    (Access.SETTINGS_READ,          (A,  A,    N,  N,   A,     N,   N,       N)),
    (Access.SETTINGS_WRITE,         (A,  N,    N,  N,   N,     N,   N,       N)),
    (Access.KEYS_READ,              (A,  A,    O,  T,   A,     M,   M,       K)),
    (Access.KEYS_WRITE,             (A,  N,    O,  T,   C,     M,   N,       N)),
    (Access.USERS_READ,             (A,  A,    O,  T,   A,     M,   M,       N)),
    (Access.USERS_WRITE,            (A,  N,    O,  N,   N,     N,   N,       N)),
    (Access.USER_UPDATE,            (A,  N,    O,  N,   M,     M,   N,       N)),
    (Access.TEAMS_READ,             (A,  A,    O,  T,   A,     M,   M,       K)),
    (Access.TEAMS_CREATE,           (A,  N,    O,  N,   N,     N,   N,       N)),
    (Access.TEAMS_WRITE,            (A,  N,    O,  T,   N,     N,   N,       N)),
    (Access.ORGANIZATIONS_READ,     (A,  A,    O,  N,   A,     M,   M,       N)),
    (Access.ORGANIZATIONS_CREATE,   (A,  N,    N,  N,   N,     N,   N,       N)),
    (Access.ORGANIZATIONS_WRITE,    (A,  N,    O,  N,   N,     N,   N,       N)),
    (Access.BUDGETS_READ,           (A,  A,    N,  N,   A,     N,   N,       N)),
    (Access.BUDGETS_WRITE,          (A,  N,    N,  N,   N,     N,   N,       N)),
    (Access.CUSTOMERS_READ,         (A,  A,    N,  N,   A,     N,   N,       N)),
    (Access.CUSTOMERS_WRITE,        (A,  N,    N,  N,   N,     N,   N,       N)),
    (Access.PROJECTS_READ,          (A,  A,    O,  T,   A,     M,   M,       K)),
    (Access.PROJECTS_WRITE,         (A,  N,    N,  N,   N,     N,   N,       N)),
    (Access.TAGS_READ,              (A,  A,    N,  N,   A,     N,   N,       N)),
    (Access.TAGS_WRITE,             (A,  N,    N,  N,   N,     N,   N,       N)),
    (Access.ACCESS_GROUPS_READ,     (A,  A,    A,  A,   A,     N,   N,       N)),
    (Access.ACCESS_GROUPS_WRITE,    (A,  N,    N,  N,   N,     N,   N,       N)),
    (Access.ROLES_READ,             (A,  A,    A,  A,   A,     A,   A,       N)),
    (Access.SPEND_READ,             (A,  A,    O,  T,   A,     M,   M,       K)),
    (Access.BODIES_READ,            (A,  A,    M,  N,   M,     M,   M,       K)),
    (Access.SPEND_WRITE,            (A,  N,    N,  N,   N,     N,   N,       N)),
    (Access.SPEND_RESET,            (A,  N,    N,  N,   N,     N,   N,       N)),
    (Access.AUDIT_READ,             (A,  A,    N,  N,   A,     N,   N,       N)),
    (Access.HEALTH_READ,            (A,  A,    A,  A,   A,     A,   A,       A)),
    (Access.METRICS_READ,           (A,  A,    N,  N,   A,     N,   N,       N)),
    (Access.ALERTS_READ,            (A,  A,    N,  N,   A,     N,   N,       N)),
    (Access.SELF_READ,              (M,  M,    M,  N,   M,     M,   M,       K)),
    (Access.SELF_WRITE,             (M,  M,    M,  N,   M,     M,   M,       N)),
    (Access.FILTERS_READ,           (M,  M,    M,  N,   M,     M,   M,       N)),
    (Access.FILTERS_WRITE,          (M,  M,    M,  N,   M,     M,   M,       N)),
    (Access.SESSIONS_READ,          (A,  A,    M,  N,   M,     M,   M,       N)),
    (Access.SESSIONS_WRITE,         (A,  M,    M,  N,   M,     M,   M,       N)),
    (Access.PGADMIN,                (A,  N,    N,  N,   N,     N,   N,       N)),
    (Access.INVITATIONS_READ,       (A,  A,    N,  N,   N,     N,   N,       N)),
    (Access.INVITATIONS_WRITE,      (A,  N,    N,  N,   N,     N,   N,       N)),
    (Access.SIGN_IN_READ,           (A,  A,    N,  N,   N,     N,   N,       N)),
    (Access.SIGN_IN_WRITE,          (A,  N,    N,  N,   N,     N,   N,       N)),
    (Access.SCIM,                   (A,  N,    N,  N,   N,     N,   N,       N)),
    (Access.CONNECTIONS_TEST,       (A,  N,    N,  N,   N,     N,   N,       N)),
    (Access.DEPLOYMENTS_READ,       (A,  A,    N,  N,   A,     N,   N,       N)),
)  # fmt: skip

ROLES: Mapping[str, Mapping[Access, Reach]] = MappingProxyType(
    {
        role: MappingProxyType({access: reach for access, row in _TABLE if (reach := row[place]) is not None})
        for place, role in enumerate(_COLUMNS)
    }
)
"""Roles, each with its kinds of access and how far it reaches. What is not here is refused."""


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """The rows that one caller reaches with one kind of access: the union of its `reaches`."""

    reaches: frozenset[Reach] = frozenset()
    user_id: str = ""
    key_hash: str = ""
    team_id: str | None = None
    """The team of the calling key."""
    teams: frozenset[str] = frozenset()
    """The teams that the caller is admin of."""
    memberships: frozenset[str] = frozenset()
    """The teams that the caller is in, with any role."""
    organizations: frozenset[str] = frozenset()
    """The organizations that the caller is admin of."""
    affiliations: frozenset[str] = frozenset()
    """The organizations that the caller is in, with any role."""

    @property
    def everything(self) -> bool:
        return Reach.ALL in self.reaches


@lru_cache(maxsize=1_000)
def reaches_of(roles: frozenset[str], access: Access) -> frozenset[Reach]:
    """How far these roles reach together. Empty: none of them has this access."""
    found = (ROLES[role].get(access) for role in roles)
    return frozenset(reach for reach in found if reach is not None)


CALLERS_OWN = frozenset({Access.MODEL, Access.RESPONSES})
"""Calling models, and what comes of it."""
LLM_API = CALLERS_OWN | {Access.MODELS_READ}
ROUTE_GROUPS: Mapping[str, frozenset[Access]] = MappingProxyType(
    {
        "llm_api_routes": LLM_API,
        "info_routes": frozenset(access for access in Access if access.value.endswith("_read")),
        "management_routes": frozenset(access for access in Access if access not in CALLERS_OWN),
    }
)
"""LiteLLM's groups in a key's `allowed_routes`."""

ROUTES_OF_TYPE: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "llm_api": ("llm_api_routes",),
        "management": ("management_routes",),
        "read_only": ("info_routes",),
    }
)
"""The values of a key's `key_type`, each with the routes that it stands for."""
