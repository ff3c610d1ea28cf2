"""What a function is given: a context of the call and of at most eight ports, one for each kind of function.

A context is made of `Ports` by `runtime/invoke.py`, or by hand in a test. Ports of a family stand beside it:
`models.py`, `governance.py`, `spend.py`, `telemetry.py`.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from functions.contract.call import Call
from functions.contract.policy import Policy
from functions.contract.roles import Accesses
from functions.contract.visit import Visit
from functions.ports.cache import NO_CACHE, Cache
from functions.ports.deployments import Deployments
from functions.ports.governance import (
    Audit,
    Authorities,
    Customers,
    Keys,
    Organizations,
    Projects,
    Rows,
    SavedFilterStore,
    Tags,
    Teams,
    Users,
)
from functions.ports.guardrails import NOBODY_ASKED, Guardrails
from functions.ports.live import Live
from functions.ports.local_hosts import LocalHosts
from functions.ports.models import Contexts, Files, Ledger, Models, Quotes, RoutePlans, Routes, Upstream
from functions.ports.registry import Hosts, StoredRegistry
from functions.ports.scim import Directory
from functions.ports.signin import Passwords, Sessions, SignIn, SsoStore
from functions.ports.spend import (
    Balances,
    Bodies,
    Corrections,
    Counters,
    Log,
    Prices,
    Reports,
    Spend,
    Timings,
)
from functions.ports.state import State
from functions.ports.telemetry import Alerts, MetricsText
from schema.access_groups import AccessGroupRecord
from schema.budgets import BudgetRecord
from schema.health import ReadinessDetails, ServedPath


class Entropy(Protocol):
    def key(self) -> str:
        """A new virtual key: `sk-` and 256 random bits, URL-safe."""
        ...

    def id(self) -> str:
        """A new id for a row: a UUID."""
        ...


class Probe(Protocol):
    async def check(self) -> ReadinessDetails:
        """The state of what calls depend on. Raises Overloaded when they can't be served."""
        ...


class Ports(msgspec.Struct, frozen=True, kw_only=True):
    """Every port once, and the values of the config that functions keep to. `runtime/services.py` fills it;
    a context is made of the fields of the same names."""

    models: Models
    registry: StoredRegistry
    hosts: Hosts
    routes: Routes
    upstream: Upstream
    ledger: Ledger
    contexts: Contexts
    files: Files
    state: State
    cache: Cache
    guardrails: Guardrails
    local_hosts: LocalHosts
    keys: Keys
    users: Users
    teams: Teams
    organizations: Organizations
    customers: Customers
    tags: Tags
    projects: Projects
    budgets: Rows[BudgetRecord]
    access_groups: Rows[AccessGroupRecord]
    saved_filters: SavedFilterStore
    audit: Audit
    spend: Spend
    log: Log
    reports: Reports
    latency: Timings
    balances: Balances
    authorities: Authorities
    live: Live
    bodies: Bodies
    counters: Counters
    corrections: Corrections
    prices: Prices
    metrics: MetricsText
    alerts: Alerts
    readiness: Probe
    deployments: Deployments
    plans: RoutePlans
    quotes: Quotes
    paths: Sequence[ServedPath]
    entropy: Entropy
    policy: Policy
    accesses: Accesses
    signin: SignIn
    sessions: Sessions
    passwords: Passwords
    sso: SsoStore
    directory: Directory


class ModelContext(msgspec.Struct, frozen=True, kw_only=True):
    """For functions that call models."""

    call: Call
    routes: Routes
    upstream: Upstream
    ledger: Ledger
    contexts: Contexts
    files: Files
    state: State
    policy: Policy
    cache: Cache = NO_CACHE
    guardrails: Guardrails = NOBODY_ASKED


class TrialContext(msgspec.Struct, frozen=True, kw_only=True):
    """For functions that try a deployment before it is stored: what calls need, and the registry."""

    call: Call
    registry: StoredRegistry
    routes: Routes
    upstream: Upstream
    ledger: Ledger
    contexts: Contexts
    files: Files
    state: State
    policy: Policy


class StateContext(msgspec.Struct, frozen=True, kw_only=True):
    """For functions that show and delete what the gateway keeps for its callers."""

    call: Call
    state: State


class GuardrailContext(msgspec.Struct, frozen=True, kw_only=True):
    """For functions about guardrails."""

    call: Call
    guardrails: Guardrails


class LocalHostContext(msgspec.Struct, frozen=True, kw_only=True):
    """For functions about the machines that serve local models."""

    call: Call
    local_hosts: LocalHosts
    registry: StoredRegistry
    entropy: Entropy


class CacheContext(msgspec.Struct, frozen=True, kw_only=True):
    """For functions about the response cache, and its stored settings."""

    call: Call
    cache: Cache
    registry: StoredRegistry


class CatalogueContext(msgspec.Struct, frozen=True, kw_only=True):
    """For functions that list models, or tell what they cost."""

    call: Call
    models: Models
    deployments: Deployments


class ProjectContext(msgspec.Struct, frozen=True, kw_only=True):
    """For projects and their budgets."""

    call: Call
    projects: Projects
    guardrails: Guardrails
    entropy: Entropy
    policy: Policy


class TagContext(msgspec.Struct, frozen=True, kw_only=True):
    """For tags and their budgets."""

    call: Call
    tags: Tags
    policy: Policy


class ExplainContext(msgspec.Struct, frozen=True, kw_only=True):
    """For functions that say why a call would go where it would go."""

    call: Call
    plans: RoutePlans
    quotes: Quotes
    state: State
    guardrails: Guardrails = NOBODY_ASKED


class RegistryContext(msgspec.Struct, frozen=True, kw_only=True):
    """For functions that change models, credentials and settings of the router."""

    call: Call
    models: Models
    registry: StoredRegistry
    hosts: Hosts
    guardrails: Guardrails
    entropy: Entropy


class GovernanceContext(msgspec.Struct, frozen=True, kw_only=True):
    """For keys, users, teams and the other governed rows."""

    call: Call
    keys: Keys
    users: Users
    teams: Teams
    organizations: Organizations
    budgets: Rows[BudgetRecord]
    access_groups: Rows[AccessGroupRecord]
    guardrails: Guardrails
    entropy: Entropy
    policy: Policy
    accesses: Accesses


class CustomerContext(msgspec.Struct, frozen=True, kw_only=True):
    """For customers and their budgets."""

    call: Call
    customers: Customers
    policy: Policy


class ReportContext(msgspec.Struct, frozen=True, kw_only=True):
    """For functions that tell what happened: the log, sums, stored bodies, the audit log."""

    call: Call
    spend: Spend
    log: Log
    reports: Reports
    bodies: Bodies
    audit: Audit
    keys: Keys
    users: Users
    teams: Teams
    policy: Policy


class CallBudgetContext(msgspec.Struct, frozen=True, kw_only=True):
    """For functions that tell how the budgets over a call of the log stood."""

    call: Call
    spend: Spend
    balances: Balances
    quotes: Quotes
    authorities: Authorities
    keys: Keys
    users: Users
    teams: Teams
    policy: Policy


class LatencyContext(msgspec.Struct, frozen=True, kw_only=True):
    """For functions that tell how long calls took."""

    call: Call
    latency: Timings
    reports: Reports


class PermissionContext(msgspec.Struct, frozen=True, kw_only=True):
    """For functions that tell what others may do."""

    call: Call
    models: Models
    users: Users
    keys: Keys
    authorities: Authorities


class SavedFilterContext(msgspec.Struct, frozen=True, kw_only=True):
    """For functions about the filters that people save."""

    call: Call
    saved_filters: SavedFilterStore
    entropy: Entropy


class LiveContext(msgspec.Struct, frozen=True, kw_only=True):
    """For functions that tell what happens now."""

    call: Call
    live: Live


class CorrectionContext(msgspec.Struct, frozen=True, kw_only=True):
    """For functions that correct what was spent: rows of the ledger, counters of budgets."""

    call: Call
    corrections: Corrections
    counters: Counters
    prices: Prices


class OperationsContext(msgspec.Struct, frozen=True, kw_only=True):
    """For functions that tell how the gateway is doing. Nobody has to sign in for some of them."""

    metrics: MetricsText
    alerts: Alerts
    readiness: Probe
    deployments: Deployments
    paths: Sequence[ServedPath]


class VisitContext(msgspec.Struct, frozen=True, kw_only=True):
    """For the pages on which people sign in. Nobody knows yet who they are."""

    visit: Visit
    signin: SignIn
    sessions: Sessions
    passwords: Passwords


class PeopleContext(msgspec.Struct, frozen=True, kw_only=True):
    """For what somebody does about signing in who has signed in: sessions, passwords, invitations, settings
    of providers."""

    call: Call
    visit: Visit
    signin: SignIn
    sessions: Sessions
    passwords: Passwords
    sso: SsoStore
    users: Users
    models: Models


class DirectoryContext(msgspec.Struct, frozen=True, kw_only=True):
    """For the directory, which keeps users and teams by SCIM."""

    call: Call
    visit: Visit
    directory: Directory
