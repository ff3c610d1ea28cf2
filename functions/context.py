"""What a function is given: the call, and the ports it may use. Implementations are in `runtime`.

A port holds only what some function calls. A context is a frozen Struct of the call and at most
eight ports, one type a family, put together in `runtime/services.py` (or by hand in a test).
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol, TypeVar

import msgspec

from functions.policy import Policy
from functions.roles import INTERNAL_USER, ORG_ADMIN, PROXY_ADMIN, TEAM_ADMIN, Access, Scope, reaches_of
from models_registry.backends.backend import UpstreamRequest
from models_registry.bill_lines import Booked
from models_registry.price import Price
from models_registry.route import Route
from models_registry.target import Deadlines, Target
from schema.access_groups import AccessGroupRecord
from schema.audit import AuditFilter, AuditQuery, AuditRecord
from schema.bodies import Body
from schema.budgets import BudgetRecord
from schema.corrections import Corrected, Correction, Kind, Made, UncertainQuery
from schema.customers import CustomerInfo, CustomerRecord
from schema.governance import Page
from schema.health import Readiness
from schema.keys import KeyListQuery, KeyRecord
from schema.limits import Rule
from schema.log_page import FoundRows, LogFilter, LogPageQuery, Place
from schema.models import AllowedModels, ModelCard
from schema.organizations import (
    OrganizationInfo,
    OrganizationMember,
    OrganizationMembershipRecord,
    OrganizationRecord,
)
from schema.recosting import RecostRequest
from schema.route_options import AS_CONFIGURED, RouteOptions
from schema.spend import SpendDay, SpendQuery, SpendRow
from schema.sums import Dimension, Lines, Name, Sums, SumsQuery
from schema.teams import Member, TeamMembershipRecord, TeamMembershipShown, TeamRecord
from schema.usage import Usage
from schema.users import UserListed, UserListQuery, UserRecord, UserTeam

R = TypeVar("R", bound=msgspec.Struct)
T = TypeVar("T")

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

    def scope(self, access: Access) -> Scope:
        """How far this caller reaches with one kind of access."""
        return Scope(
            reaches=reaches_of(self.roles, access),
            user_id=self.user_id,
            key_hash=self.key_hash,
            team_id=self.team_id,
            teams=frozenset(team for team, role in self.teams.items() if role == "admin"),
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
    route: RouteOptions = AS_CONFIGURED
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


class Models(Protocol):
    """The registry of model names."""

    def target(self, name: str, *, allowed: Sequence[AllowedModels], roll: float) -> Target:
        """A deployment for one call of a key that all lists `allowed` cover. `roll`, in [0, 1),
        picks among several. Raises ModelNotFound or ModelNotAllowed."""
        ...

    def cards(self, *, allowed: Sequence[AllowedModels]) -> Sequence[ModelCard]:
        """The models a key may use, in the config's order."""
        ...


class Routes(Protocol):
    """The ways from the name of a model to an answer."""

    async def walk(self, call: Call, model: str, attempt: Callable[[Route], Awaitable[T]]) -> T:
        """Make one attempt at `route.target` after another, until one answers. An attempt that fails asks
        its route whether the call goes on, to book what it held. Raises ModelNotFound, ModelNotAllowed,
        and the error of the model asked for where nothing answers."""
        ...


class UpstreamResponse(Protocol):
    """An answer whose head has arrived. `close()` at once cuts the connection unless the body
    was read to its end; it may be called any number of times."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Lower-case names."""
        ...

    async def read(self) -> bytes:
        """The whole body. Raises UpstreamMalformed over the size limit, UpstreamCut, UpstreamTimeout."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes. Ends without an error only where the transport ended cleanly."""
        ...

    def close(self) -> None: ...


class Upstream(Protocol):
    """The way out to model providers."""

    async def open(self, request: UpstreamRequest, deadlines: Deadlines) -> UpstreamResponse:
        """Send and wait for the head. Raises UpstreamUnreachable (nothing was sent), UpstreamTimeout,
        UpstreamCut (sent, and closed without an answer) or UpstreamMalformed (not HTTP)."""
        ...


class Bounds(Protocol):
    """How much a call can use. Worked out when it is asked for."""

    @property
    def prompt_tokens(self) -> int: ...

    @property
    def output_tokens(self) -> int | None:
        """Of all answers together; None where nothing bounds them."""
        ...

    @property
    def answers(self) -> int: ...

    @property
    def images(self) -> int:
        """Pictures in the request."""
        ...

    @property
    def searches(self) -> int:
        """Searches that the provider runs itself."""
        ...

    @property
    def at_list_price(self) -> bool:
        """Whether it is sure to be served at the standard service tier, or at a cheaper one."""
        ...

    @property
    def limited(self) -> bool:
        """Did the caller say how long an answer may be?"""
        ...

    def cap(self, tokens: int) -> None:
        """An answer is limited to so many tokens after all."""
        ...

    def unbounded_field(self) -> str | None:
        """The field for which the cost has no known bound, if there is one."""
        ...

    def usage(self) -> Usage:
        """All of it."""
        ...

    def estimate(self, output_tokens: int) -> int:
        """Tokens it will use, more or less; `output_tokens` where its request does not say."""
        ...


class Hold(Protocol):
    """One upstream attempt on the books. Exactly one of settle, fail and cancel is called, once;
    each is synchronous, so that a cancelled task still settles."""

    @property
    def output_limit(self) -> int | None:
        """Tokens that an answer has to be limited to, so that the call fits its budgets."""
        ...

    def first_token(self) -> None: ...

    def settle(self, usage: Usage) -> None:
        """The answer is complete."""
        ...

    def fail(self, error: Exception, usage: Usage | None = None, *, final: bool = True) -> None:
        """It broke. With `usage` that is booked; without, the error decides between nothing
        (the provider did no work) and the hold's whole bound (nobody knows). Not `final`: the call goes
        on to another attempt."""
        ...

    def cancel(self, usage: Usage) -> None:
        """The client left."""
        ...


class Ledger(Protocol):
    """Where money is held and written down."""

    async def hold(
        self, call: Call, target: Target, *, streamed: bool, bounds: Bounds, customer: str | None
    ) -> Hold:
        """Let an attempt in under every budget and limit over its caller and `customer` (the end
        user its request names). Raises BudgetExceeded, RateLimited, UnboundedCost, TooManyTokens,
        NotAllowed or Overloaded: then nothing is held."""
        ...


class Rows(Protocol[R]):
    """Governed rows of one kind. Everything stays inside `call.scope`: a row outside it is not there.
    Changes are audited as made by `call`."""

    async def add(self, record: R, *, call: Call) -> R:
        """Raises Conflict where its id or another unique name exists, InvalidRequest for a budget
        that doesn't."""
        ...

    async def find(self, id: str, *, call: Call) -> R | None: ...

    async def some(self, ids: Sequence[str], *, call: Call) -> list[R]:
        """Those of the rows named that there are."""
        ...

    async def page(
        self, where: Mapping[str, object], *, call: Call, page: int = 1, size: int = 100
    ) -> Page[R]:
        """One page of those that have these values, newest first. A list of values: any of them;
        None: whatever."""
        ...

    async def dearest(self, *, call: Call, limit: int) -> list[R]:
        """Those that have spent the most."""
        ...

    async def change(self, id: str, changes: Mapping[str, object], *, call: Call) -> R | None:
        """Set the named fields and no other; a MetadataChange is applied to what is there. Gives the
        row after, None where there is none."""
        ...

    async def remove(self, ids: Sequence[str], *, call: Call) -> list[R]:
        """Delete the rows named, and keep a record of each; gives those that went. Raises Conflict
        where one is in use."""
        ...


class Keys(Rows[KeyRecord], Protocol):
    """The virtual keys, by SHA-256 of the key."""

    async def search(
        self, query: KeyListQuery, *, now: datetime, call: Call, named: bool = False
    ) -> Page[KeyRecord]:
        """One page of those the query fits; `named`: that have an alias, in its order."""
        ...

    async def replace(
        self, key_hash: str, changes: Mapping[str, object], *, revoke_at: datetime | None, call: Call
    ) -> KeyRecord | None:
        """Give a key's row another hash; the old one is good until `revoke_at`."""
        ...

    async def budget(self, budget_id: str) -> BudgetRecord | None:
        """A budget that a key names."""
        ...


class Users(Rows[UserRecord], Protocol):
    """The users, with what belongs to them."""

    async def add_with(
        self,
        record: UserRecord,
        *,
        teams: Sequence[UserTeam],
        organizations: Sequence[str],
        key: KeyRecord | None,
        call: Call,
    ) -> UserRecord:
        """A user with its memberships and first key, all of it or nothing. Raises Conflict, or
        NotFound for a team or organization that is not there."""
        ...

    async def search(self, query: UserListQuery, *, call: Call) -> Page[UserListed]:
        """One page of those the query fits."""
        ...


class Teams(Rows[TeamRecord], Protocol):
    """The teams, with their members. What is None where there is no such team within the scope raises
    InvalidRequest for a member that is there already, or is not."""

    async def add_with(
        self,
        record: TeamRecord,
        *,
        members: Sequence[Member],
        member_limits: Mapping[str, object] | None,
        call: Call,
    ) -> TeamRecord:
        """A team with its members, all of it or nothing."""
        ...

    async def change_with(
        self,
        team_id: str,
        changes: Mapping[str, object],
        *,
        member_limits: Mapping[str, object] | None,
        check: Callable[[TeamRecord], None],
        call: Call,
    ) -> TeamRecord | None:
        """Change a team, and the limits of members without their own. `check` is shown the team as it is,
        locked, and raises where it may not be changed."""
        ...

    async def change_models(
        self,
        team_id: str,
        change: Callable[[list[str]], list[str]],
        *,
        check: Callable[[TeamRecord], None],
        call: Call,
    ) -> TeamRecord | None: ...

    async def members(
        self, team_id: str, *, call: Call, user_id: str | None = None
    ) -> list[TeamMembershipShown]:
        """The members, longest there first, at most 1,000; or one of them."""
        ...

    async def add_members(
        self,
        team_id: str,
        members: Sequence[Member],
        *,
        changes: Mapping[str, object],
        limits: Mapping[str, object] | None,
        call: Call,
    ) -> tuple[TeamRecord, list[TeamMembershipRecord]] | None:
        """All of them or none."""
        ...

    async def change_member(
        self,
        team_id: str,
        member: Member,
        *,
        changes: Mapping[str, object],
        limits: Mapping[str, object] | None,
        call: Call,
    ) -> TeamMembershipRecord | None: ...

    async def remove_member(self, team_id: str, member: Member, *, call: Call) -> TeamRecord | None:
        """With the keys it has in the team."""
        ...


class Organizations(Rows[OrganizationRecord], Protocol):
    """The organizations, with their members and budgets."""

    async def add_with(
        self, record: OrganizationRecord, limits: Mapping[str, object], *, call: Call
    ) -> OrganizationRecord:
        """With a budget of its own, where it names none."""
        ...

    async def change_with(
        self, id: str, changes: Mapping[str, object], limits: Mapping[str, object], *, call: Call
    ) -> OrganizationRecord | None:
        """Change an organization, and its budget."""
        ...

    async def details(self, id: str, *, call: Call) -> OrganizationInfo | None:
        """With its budget, members and teams."""
        ...

    async def add_members(
        self, id: str, members: Sequence[OrganizationMember], *, call: Call
    ) -> list[OrganizationMembershipRecord] | None:
        """All or none. Raises InvalidRequest for one that is there already."""
        ...

    async def change_member(
        self, id: str, member: OrganizationMember, *, call: Call
    ) -> OrganizationMembershipRecord | None:
        """Give the member the role that it is named with."""
        ...

    async def remove_member(
        self, id: str, member: OrganizationMember, *, call: Call
    ) -> OrganizationMembershipRecord | None: ...


class Customers(Rows[CustomerRecord], Protocol):
    """The end users, with their budgets."""

    async def add_with(
        self, record: CustomerRecord, limits: Mapping[str, object], *, call: Call
    ) -> CustomerInfo:
        """With a budget of its own where there are limits."""
        ...

    async def change_with(
        self, id: str, changes: Mapping[str, object], limits: Mapping[str, object], *, call: Call
    ) -> CustomerInfo | None:
        """Change a customer, and its budget where there are limits."""
        ...

    async def details(self, id: str, *, call: Call) -> CustomerInfo | None: ...

    async def block(self, ids: Sequence[str], *, call: Call) -> list[CustomerRecord]:
        """Who is not there is entered."""
        ...

    async def unblock(self, ids: Sequence[str], *, call: Call) -> list[CustomerRecord] | None:
        """All, or None where one is not there."""
        ...


class Audit(Protocol):
    """The audit log."""

    async def page(self, query: AuditQuery) -> Page[AuditRecord]: ...

    async def find(self, id: str) -> AuditRecord | None: ...

    def everything(self, query: AuditFilter) -> AsyncIterator[AuditRecord]:
        """All that the query fits, oldest first, without holding it in memory."""
        ...


class Spend(Protocol):
    """Reads of the ledger."""

    async def rows(self, query: SpendQuery, *, scope: Scope) -> list[SpendRow]:
        """Newest first, within the scope. Raises InvalidRequest for a date that is none."""
        ...

    async def days(self, query: SpendQuery, *, scope: Scope) -> list[SpendDay]:
        """Sums by UTC day, oldest first, of the rows the query fits (its `limit` apart)."""
        ...


class Bodies(Protocol):
    """Prompts and answers, where they are kept."""

    async def find(self, request_id: str, *, scope: Scope) -> Body | None:
        """Of a call that is in the ledger, within the scope."""
        ...


class Prices(Protocol):
    """What the registry says that things cost."""

    def price_of(self, row: SpendRow) -> Price | None:
        """The price, as it is now, of the deployment that a row is of; None where it is unknown."""
        ...

    def price_named(self, provider: str, model: str) -> Price | None:
        """The price, as it is now, of a provider's model that some deployment has, else its list price."""
        ...


class Corrections(Protocol):
    """Corrections of the ledger, as rows of their own."""

    async def correct(
        self, corrections: Sequence[Correction], *, kind: Kind, reason: str, call: Call
    ) -> list[Made]:
        """Make what is missing of at most 500, all or none; rows that are not there are left out. Raises
        InvalidRequest for one that is itself a correction."""
        ...

    async def find(self, request_id: str) -> Corrected | None:
        """A row as it stands, with its corrections."""
        ...

    async def booked(self, start: datetime, end: datetime, *, provider: str | None) -> list[Booked]:
        """What stands in the ledger by UTC day and model of a provider, with the calls whose cost is an upper
        bound. Raises InvalidRequest where it is too much for one report."""
        ...

    async def uncertain(self, query: UncertainQuery, *, scope: Scope) -> list[Corrected]:
        """The rows whose cost is still an upper bound, oldest first, at most `page_size`."""
        ...

    def priced(self, request: RecostRequest) -> AsyncIterator[list[Corrected]]:
        """The rows that a price was, or should have been, put on: oldest first, in batches that `correct`
        takes, at most `max_rows`. Raises InvalidRequest for a date that is none."""


class Log(Protocol):
    """The ledger's rows. Everything stays inside the scope; a filter's `api_key` is a hash here."""

    async def page(self, query: LogPageQuery, *, after: Place | None, scope: Scope) -> FoundRows:
        """Those on one page, or those after a place. Raises InvalidRequest for a date that is none, a page
        too far down, or too many rows to sort."""
        ...

    def everything(self, query: LogFilter, *, scope: Scope) -> AsyncIterator[SpendRow]:
        """All that the query fits, oldest first, without holding it in memory."""
        ...


class Reports(Protocol):
    """Sums by day, out of the rollups. Everything stays inside the scope."""

    async def sums(self, query: SumsQuery, *, scope: Scope) -> list[Sums]:
        """Raises InvalidRequest for a report that is too large."""
        ...

    async def days_of_the_dearest(self, query: SumsQuery, *, scope: Scope) -> list[Sums]:
        """By day, of those of each of `query.by` that cost the most in the whole period."""
        ...

    async def lines(self, query: SumsQuery, *, scope: Scope) -> list[Lines]:
        """Groups, each with its lines by model and key. Raises InvalidRequest for too many lines."""
        ...

    async def rows(self, query: SumsQuery, *, page: int, size: int, scope: Scope) -> Page[Sums]:
        """The rollup's own rows, the latest day first; `query.by` is what is shown of each."""
        ...

    async def names(self, kind: Dimension, ids: Collection[str]) -> Mapping[str, Name]:
        """What these are called; who is not there has no name."""
        ...


class Counters(Protocol):
    """What keys and teams have spent of their budgets."""

    async def reset(self, *, call: Call) -> None:
        """Set all of them to zero. The ledger is not touched."""
        ...


class Clock(Protocol):
    def now(self) -> datetime:
        """UTC, aware."""
        ...


class Entropy(Protocol):
    def key(self) -> str:
        """A new virtual key: `sk-` and 256 random bits, URL-safe."""
        ...

    def id(self) -> str:
        """A new id for a row: a UUID."""
        ...


class Probe(Protocol):
    async def check(self) -> Readiness:
        """The state of what calls depend on. Raises Overloaded when they can't be served."""
        ...


class ModelContext(msgspec.Struct, frozen=True, kw_only=True):
    """For functions that call models."""

    call: Call
    routes: Routes
    upstream: Upstream
    ledger: Ledger


class CatalogueContext(msgspec.Struct, frozen=True, kw_only=True):
    """For functions that list models."""

    call: Call
    models: Models


class KeyContext(msgspec.Struct, frozen=True, kw_only=True):
    """For virtual keys."""

    call: Call
    keys: Keys
    users: Rows[UserRecord]
    teams: Rows[TeamRecord]
    organizations: Rows[OrganizationRecord]
    policy: Policy
    clock: Clock
    entropy: Entropy


class UserContext(msgspec.Struct, frozen=True, kw_only=True):
    """For users."""

    call: Call
    users: Users
    keys: Keys
    teams: Rows[TeamRecord]
    policy: Policy
    clock: Clock
    entropy: Entropy


class TeamContext(msgspec.Struct, frozen=True, kw_only=True):
    """For teams."""

    call: Call
    teams: Teams
    keys: Keys
    users: Users
    organizations: Rows[OrganizationRecord]
    policy: Policy
    clock: Clock
    entropy: Entropy


class OrganizationContext(msgspec.Struct, frozen=True, kw_only=True):
    """For organizations."""

    call: Call
    organizations: Organizations
    policy: Policy
    clock: Clock
    entropy: Entropy


class CustomerContext(msgspec.Struct, frozen=True, kw_only=True):
    """For customers."""

    call: Call
    customers: Customers
    policy: Policy
    clock: Clock
    entropy: Entropy


class AccessGroupContext(msgspec.Struct, frozen=True, kw_only=True):
    """For access groups."""

    call: Call
    access_groups: Rows[AccessGroupRecord]
    entropy: Entropy


class AuditContext(msgspec.Struct, frozen=True, kw_only=True):
    """For the audit log."""

    call: Call
    audit: Audit


class BudgetContext(msgspec.Struct, frozen=True, kw_only=True):
    """For budgets by name."""

    call: Call
    budgets: Rows[BudgetRecord]
    policy: Policy
    clock: Clock
    entropy: Entropy


class SpendContext(msgspec.Struct, frozen=True, kw_only=True):
    """For the log, and what spent the most."""

    call: Call
    spend: Spend
    log: Log
    reports: Reports
    keys: Rows[KeyRecord]
    users: Rows[UserRecord]
    teams: Rows[TeamRecord]


class ReportContext(msgspec.Struct, frozen=True, kw_only=True):
    """For sums."""

    call: Call
    reports: Reports
    policy: Policy


class CounterContext(msgspec.Struct, frozen=True, kw_only=True):
    """For what budgets have spent."""

    call: Call
    counters: Counters


class BodyContext(msgspec.Struct, frozen=True, kw_only=True):
    """For one call with its bodies."""

    call: Call
    spend: Spend
    bodies: Bodies


class CorrectionContext(msgspec.Struct, frozen=True, kw_only=True):
    """For corrections of the ledger."""

    call: Call
    corrections: Corrections
    prices: Prices


class HealthContext(msgspec.Struct, frozen=True, kw_only=True):
    """For probes, which nobody signs in for."""

    readiness: Probe
