"""The caller and the call, as every function is given them."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
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
from functions.contract.silence import UNMINDED, Silence
from schema.cache_options import AS_USUAL, CacheOptions
from schema.limits import Rule
from schema.models import AllowedModels
from schema.route_options import AS_CONFIGURED, RouteOptions

MASTER_KEY_HASH = "litellm_proxy_master_key"
"""What stands for the master key in spend rows: LiteLLM's word, so dashboards go on working."""

MODEL_ID_HEADER = b"x-litellm-model-id"

MASTER_USER_ID = "default_user_id"
"""The user id of the master key: LiteLLM's word too. An admin can make keys with this user id. They are not
the master key: see `Caller.is_master`."""
SCIM_USER_ID = "scim"
"""Who stands in the audit log where a directory makes a change."""


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who is calling, and what the key permits."""

    role: str
    """The role of the user. `roles` adds those of the teams and organizations that the user is admin of."""
    key_hash: str
    key_id: str = ""
    """The id of the key's row. It stays the same when the key is replaced."""
    key_alias: str | None = None
    user_id: str = ""
    is_master: bool = False
    """Whether this is the master key or a session of it. A key that was made for its user id is not."""
    team_id: str | None = None
    organization_id: str | None = None
    project_id: str | None = None
    models: tuple[AllowedModels, ...] = ()
    """Lists of models of the key, its team and so on. A model must be on every one of them."""
    aliases: Mapping[str, str] = {}
    """The key's and its team's own names for models, each with the public name that it stands for."""
    access_groups: tuple[str, ...] = ()
    """The names of the access groups by which the caller may use models."""
    allowed_routes: tuple[str, ...] = ()
    """The paths and groups of paths that the key may call. Empty: every path that the role may call."""
    teams: Mapping[str, str] = {}
    """The teams that the user is in, each with the user's role there: `admin` or `user`."""
    organizations: Mapping[str, str] = {}
    """The organizations that the user is in, each with the user's role there, such as `org_admin`."""
    permissions: Mapping[str, frozenset[str]] = {}
    """Management paths, each with the teams that open it to their members."""
    rules: tuple[Rule, ...] = ()
    """Budgets and limits over the key."""
    customer_budget_id: str | None = None
    """The budget of customers whom the key's calls name and who have none of their own."""
    estimated_output_tokens: int = 1024
    """The output tokens that a limit on tokens reserves for a request that sets no limit itself."""
    stores_bodies: bool | None = None
    """Whether prompts and answers are kept. None: the config decides."""
    stores_responses: bool | None = None
    """Whether responses may be stored. None: the config decides."""
    caches_prompts: bool = False
    """Whether requests to Claude that mark nothing get marks of the cache."""
    tags: tuple[str, ...] = ()
    """The request tags of the key and its team."""
    local_only: str = ""
    """Who says that calls go to local deployments alone: `team`, `organization`, `project`, `user` or `key`.
    Empty: nobody does."""
    guardrails: tuple[str, ...] = ()
    """The guardrails that the calls of the key pass, beside those of everybody."""
    cache_controls: tuple[str, ...] = ()
    """What requests may say of the response cache, such as `no-cache`. Empty: everything."""
    keeps_local_bodies: bool = False
    """Whether the team wants the bodies of such calls stored."""

    @property
    def is_admin(self) -> bool:
        return self.role == PROXY_ADMIN

    @property
    def has_masters_name(self) -> bool:
        """Whether this is another key or session with the master key's user id. What belongs to the person
        with the master key does not belong to this caller."""
        return self.user_id == MASTER_USER_ID and not self.is_master

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
        """The rows that this caller reaches with one kind of access. A team may open a path to its members:
        there a caller who reaches its own rows reaches those of that team too. A caller with the master key's
        name counts as one without a user: what is the master key's is not its own."""
        reaches = reaches_of(self.roles, access)
        teams = frozenset(team for team, role in self.teams.items() if role == "admin")
        opened = self.permissions.get(path)
        if opened is not None and Reach.MINE in reaches:
            reaches, teams = reaches | {Reach.TEAM}, teams | opened
        return Scope(
            reaches=reaches,
            user_id="" if self.has_masters_name else self.user_id,
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
    failure: str = ""
    """What the attempt failed of, in the words of its row. Empty: it has not failed."""


class ProviderSide(msgspec.Struct):
    """What a call has of its providers."""

    deployment: Sequence[tuple[bytes, bytes]] = ()
    """The headers that name the deployment of the last attempt. Empty: the call came to none."""
    headers: Sequence[tuple[bytes, bytes]] = ()
    """The headers of the last answer that go on to the caller, under the names that they have there."""
    max_retries: int = 0
    """How often the call may be retried at the deployment that is attempted."""
    waited_s: float = 0.0
    """How long the call has waited for providers, and between two attempts."""
    name: str = ""
    """What the answer calls its model: the name that was asked for, or after a fallback the name of the model
    that answers. Empty: what the provider calls it."""
    route: str = ""
    """Why the attempt goes where it goes, as JSON (`models_registry/routing/record.py`). Empty: there was
    nothing to decide."""
    guardrails: str = ""
    """What guardrails and rules about contents decided, as JSON. Empty: none was asked."""
    short_budgets: frozenset[str] = frozenset()
    """The ids of the deployments whose own budget had no room for the longest answer. Where the call comes
    there again, its answer is limited."""

    @property
    def model_id(self) -> str:
        """The id of the deployment of the last attempt. Empty: the call came to none."""
        return next((value.decode() for name, value in self.deployment if name == MODEL_ID_HEADER), "")


def unlimited_room(size: int) -> None:
    """Nobody counts what the call brings into memory."""


async def without_scope() -> Scope:
    """Nobody can tell what the caller reaches now."""
    return Scope()


IGNORED_HEADER = "x-switchgear-ignored"
"""The header of an answer that names fields without an effect."""


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One request to this gateway. Whoever learns a fact that the caller is told, such as the deployment or
    the cost, puts it into `reply_headers`. They are sent with the reply, and with an error as well."""

    request_id: str
    """The id that this gateway made for the request (UUIDv7)."""
    call_type: str = ""
    """What spend rows call the function, such as `acompletion`."""
    client_call_id: str | None = None
    """The client's own id for the call (`x-litellm-call-id`). It is sent back in place of ours."""
    received_at: datetime
    received_mono: float
    """`time.monotonic()` at `received_at`, for durations."""
    roll: float = 0.0
    """A random number in [0, 1). It decides where something is chosen by weight."""
    caller: Caller
    scope: Scope = Scope()
    """The rows that the caller reaches on this route."""
    still: Callable[[], Awaitable[Scope]] = without_scope
    """What the caller reaches now on this route, for an answer that goes on for long. Raises what
    authentication raises, and NotAllowed where the caller reaches nothing more."""
    tags: tuple[str, ...] = ()
    """The request's tags together with those of the key and its team. Empty: the request has none, and
    `caller.tags` count."""
    agent_tags: tuple[str, ...] = ()
    """The tags that name the client's program: `User-Agent: OpenAI`, `User-Agent: OpenAI/Python 1.2`."""
    customer: str | None = None
    """The end user that the call is for, whose budgets and block count too."""
    session_id: str | None = None
    trace_id: str | None = None
    """The client's trace that the call is part of."""
    spend_logs_metadata: str = ""
    """What the client wants to find in the row's metadata, as JSON. Empty: nothing."""
    route_options: RouteOptions = AS_CONFIGURED
    """What the request says about retries and fallbacks."""
    cache_options: CacheOptions = AS_USUAL
    """What the request asks of the response cache."""
    claimed_by: str | None = None
    """The person whom the caller names as the author of a change (header `litellm-changed-by`). Nobody checks
    it."""
    client_ip: str | None = None
    user_agent: str | None = None
    pass_on: Mapping[str, str] = {}
    """The caller's headers that go on to the provider, from an allow-list, with lower-case names."""
    reply_headers: dict[str, str] = msgspec.field(default_factory=dict)
    limit_headers: list[tuple[bytes, bytes]] = msgspec.field(default_factory=list)
    """The headers that say what is left of limits, and how the key stands."""
    provider_side: ProviderSide = msgspec.field(default_factory=ProviderSide)
    stays_local: str = ""
    """Who says that the call goes to local deployments alone: a level of the caller's, `request`,
    `conversation`, or a rule about contents (`rule:cards`). Empty: it may go anywhere."""
    silence: Silence = UNMINDED
    """Who keeps the client of a stream company until the first event."""
    take_room: Callable[[int], None] = unlimited_room
    """Counts bytes that the call brings into memory beside its body among the bodies that the worker holds,
    until the call is over. Raises Overloaded where they are too many."""
    attempts: list[Attempted] = msgspec.field(default_factory=list)
    """The call's attempts that have a hold or a row in the ledger. The last one may be under way."""

    def keep_local(self, by: str) -> None:
        """Keep the call at local deployments from here on, for whoever holds the call."""
        msgspec.structs.force_setattr(self, "stays_local", by)

    @property
    def has_row(self) -> bool:
        """Whether an attempt made, or will make, the row that has the call's own id."""
        return bool(self.attempts) and self.attempts[-1].row_id == self.request_id
