"""Ports for tests that need a few of them. The other ports are there, and fail when they are used."""

from typing import Any, TypedDict, Unpack

import msgspec

from functions.contract.policy import Policy
from functions.contract.roles import Accesses
from functions.ports.cache import NO_CACHE, Cache
from functions.ports.context import Entropy, Ports, Probe
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
from models_registry.target import Target
from schema.access_groups import AccessGroupRecord
from schema.budgets import BudgetRecord


class Absent:
    """A stand-in for a port that a test does not use."""

    def __getattr__(self, name: str) -> object:
        raise AssertionError(f"`{name}` of a port that this test does not give was used")


ABSENT: Any = Absent()


class NoContexts:
    """No host has a model loaded. Implements `Contexts`."""

    async def loaded(self, target: Target) -> int:
        return 0

    async def is_remote(self, target: Target) -> bool:
        return False

    def sent(self, target: Target, tokens: int) -> None:
        return None


NO_PORTS = Ports(
    **{
        **dict.fromkeys(Ports.__struct_fields__, ABSENT),
        "contexts": NoContexts(),
        "cache": NO_CACHE,
        "guardrails": NOBODY_ASKED,
    }
)


class Given(TypedDict, total=False):
    """The fields of `Ports`. A test gives some of them."""

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
    entropy: Entropy
    policy: Policy
    accesses: Accesses
    signin: SignIn
    sessions: Sessions
    passwords: Passwords
    sso: SsoStore
    directory: Directory


def make_ports(**given: Unpack[Given]) -> Ports:
    """The ports that a test gives; every other one is absent."""
    return msgspec.structs.replace(NO_PORTS, **given)
