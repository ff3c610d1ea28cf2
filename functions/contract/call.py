"""Who calls, and the call: what every function is told of both."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

import msgspec

from functions.contract.roles import (
    INTERNAL_USER,
    ORG_ADMIN,
    PROXY_ADMIN,
    TEAM_ADMIN,
    Access,
    Reach,
    Scope,
    reaches_of,
)
from schema.limits import Rule
from schema.models import AllowedModels
from schema.route_options import AS_CONFIGURED, RouteOptions

MASTER_KEY_HASH = "litellm_proxy_master_key"
"""What stands for the master key in spend rows: LiteLLM's word, so dashboards go on working."""

MASTER_USER_ID = "default_user_id"


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who is calling, as the key says."""

    role: str
    """The user's own; being admin of a team or an organization comes on top."""
    key_hash: str
    key_id: str = ""
    """Stays when the key is replaced."""
    key_alias: str | None = None
    user_id: str = ""
    team_id: str | None = None
    organization_id: str | None = None
    models: tuple[AllowedModels, ...] = ()
    """Every one of these lists must allow a model."""
    aliases: Mapping[str, str] = {}
    """The key's own names of models."""
    routes: tuple[str, ...] = ()
    """Paths and groups of paths the key is limited to; empty: all that the role may."""
    teams: Mapping[str, str] = {}
    """Teams the user is in, to `admin` or `user`."""
    organizations: Mapping[str, str] = {}
    """Organizations the user is in, to its role there."""
    permissions: Mapping[str, frozenset[str]] = {}
    """Management paths, to the teams that open them to their members."""
    rules: tuple[Rule, ...] = ()
    """Budgets and limits over the key."""
    estimated_output_tokens: int = 1024
    """What a limit on tokens expects of an answer whose request sets no limit."""
    stores_bodies: bool | None = None
    """Are prompts and answers kept? None: as the config says."""
    tags: tuple[str, ...] = ()
    """Request tags of the key and its team."""

    @property
    def is_admin(self) -> bool:
        return self.role == PROXY_ADMIN

    @property
    def roles(self) -> frozenset[str]:
        if not self.teams and not self.organizations and self.role != ORG_ADMIN:
            return frozenset((self.role,))
        found = {self.role, INTERNAL_USER} if self.role == ORG_ADMIN else {self.role}
        if "admin" in self.teams.values():
            found.add(TEAM_ADMIN)
        if ORG_ADMIN in self.organizations.values():
            found.add(ORG_ADMIN)
        return frozenset(found)

    def scope(self, access: Access, path: str = "") -> Scope:
        """How far this caller reaches with one kind of access; at a path that teams open to their members, to
        those teams too, where it reaches what is its own."""
        reaches = reaches_of(self.roles, access)
        teams = frozenset(team for team, role in self.teams.items() if role == "admin")
        opened = self.permissions.get(path)
        if opened is not None and Reach.MINE in reaches:
            reaches, teams = reaches | {Reach.TEAM}, teams | opened
        return Scope(
            reaches=reaches,
            user_id=self.user_id,
            key_hash=self.key_hash,
            team_id=self.team_id,
            teams=teams,
            memberships=frozenset(self.teams),
            organizations=frozenset(
                organization for organization, role in self.organizations.items() if role == ORG_ADMIN
            ),
            affiliations=frozenset(self.organizations),
        )


class Attempted(NamedTuple):
    row_id: str
    model: str
    """The public name of the model."""


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One request to this gateway. `reply_headers` is filled by whoever learns a fact that the
    caller is told (deployment, cost); it is sent with the reply, with errors too."""

    request_id: str
    """Made here (UUIDv7), unique for all time."""
    call_type: str = ""
    """The function's, for spend rows."""
    client_call_id: str | None = None
    received_at: datetime
    received_mono: float
    """`time.monotonic()` at the same moment, for durations."""
    roll: float = 0.0
    """Random in [0, 1): the call's luck where something is chosen by weight."""
    caller: Caller
    scope: Scope = Scope()
    """How far the caller reaches with what this route does."""
    tags: tuple[str, ...] = ()
    """Request tags, the key's and its team's among them; empty: those alone."""
    session_id: str | None = None
    route_options: RouteOptions = AS_CONFIGURED
    """What its request says of retries and fallbacks."""
    claimed_by: str | None = None
    """Who the caller says is behind a change (`litellm-changed-by`): kept as said."""
    client_ip: str | None = None
    user_agent: str | None = None
    pass_on: Mapping[str, str] = {}
    """Headers that go on to the upstream: the allow-list only, lower-case names."""
    reply_headers: dict[str, str] = msgspec.field(default_factory=dict)
    limit_headers: list[tuple[bytes, bytes]] = msgspec.field(default_factory=list)
    """Those that say what is left of limits, as they are sent."""
    attempts: list[Attempted] = msgspec.field(default_factory=list)
    """Its upstream attempts that the ledger has on its books, the last one perhaps under way."""

    @property
    def has_row(self) -> bool:
        """Does, or will, one of its attempts make the row that has the call's own id?"""
        return bool(self.attempts) and self.attempts[-1].row_id == self.request_id
