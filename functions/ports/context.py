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
from functions.ports.governance import Audit, Customers, Keys, Organizations, Rows, Teams, Users
from functions.ports.models import Contexts, Ledger, Models, Routes, Upstream
from functions.ports.spend import Bodies, Corrections, Counters, Log, Prices, Reports, Spend
from functions.ports.state import State
from functions.ports.telemetry import Alerts, MetricsText
from schema.access_groups import AccessGroupRecord
from schema.budgets import BudgetRecord
from schema.health import Readiness, ServedPath


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


class Ports(msgspec.Struct, frozen=True, kw_only=True):
    """Every port once, and the values of the config that functions keep to. `runtime/services.py` fills it;
    a context is made of the fields of the same names."""

    models: Models
    routes: Routes
    upstream: Upstream
    ledger: Ledger
    contexts: Contexts
    state: State
    keys: Keys
    users: Users
    teams: Teams
    organizations: Organizations
    customers: Customers
    budgets: Rows[BudgetRecord]
    access_groups: Rows[AccessGroupRecord]
    audit: Audit
    spend: Spend
    log: Log
    reports: Reports
    bodies: Bodies
    counters: Counters
    corrections: Corrections
    prices: Prices
    metrics: MetricsText
    alerts: Alerts
    readiness: Probe
    paths: Sequence[ServedPath]
    entropy: Entropy
    policy: Policy
    accesses: Accesses


class ModelContext(msgspec.Struct, frozen=True, kw_only=True):
    """For functions that call models."""

    call: Call
    routes: Routes
    upstream: Upstream
    ledger: Ledger
    contexts: Contexts
    state: State
    policy: Policy


class StateContext(msgspec.Struct, frozen=True, kw_only=True):
    """For functions that show and delete what the gateway keeps for its callers."""

    call: Call
    state: State


class CatalogueContext(msgspec.Struct, frozen=True, kw_only=True):
    """For functions that list models, or tell what they cost."""

    call: Call
    models: Models


class GovernanceContext(msgspec.Struct, frozen=True, kw_only=True):
    """For keys, users, teams and the other governed rows."""

    call: Call
    keys: Keys
    users: Users
    teams: Teams
    organizations: Organizations
    customers: Customers
    budgets: Rows[BudgetRecord]
    access_groups: Rows[AccessGroupRecord]
    entropy: Entropy
    policy: Policy
    accesses: Accesses


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
    paths: Sequence[ServedPath]
