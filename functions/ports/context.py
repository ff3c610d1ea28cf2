"""The contexts that functions are given: one type for each family of functions.

A context is a frozen Struct of the call and at most eight ports. `runtime/services.py` puts the ports
together, and a test does so by hand. The ports stand beside this file, by family.
"""

from datetime import datetime
from typing import Protocol

import msgspec

from functions.contract.call import Call
from functions.contract.policy import Policy
from functions.contract.roles import Accesses
from functions.ports.governance import Audit, Customers, Keys, Organizations, Rows, Teams, Users
from functions.ports.models import Ledger, Models, Routes, Upstream
from functions.ports.spend import Bodies, Corrections, Counters, Log, Prices, Reports, Spend
from functions.ports.telemetry import Alerts, Metrics
from schema.access_groups import AccessGroupRecord
from schema.budgets import BudgetRecord
from schema.health import Readiness
from schema.keys import KeyRecord
from schema.organizations import (
    OrganizationRecord,
)
from schema.teams import TeamRecord
from schema.users import UserRecord


class Clock(Protocol):
    def now(self) -> datetime:
        """The time now, in UTC and with its time zone."""
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
        """The state of what calls depend on. Raises Overloaded when calls can't be served."""
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
    teams: Teams
    organizations: Rows[OrganizationRecord]
    policy: Policy
    accesses: Accesses
    clock: Clock
    entropy: Entropy


class UserContext(msgspec.Struct, frozen=True, kw_only=True):
    """For users."""

    call: Call
    users: Users
    keys: Keys
    teams: Rows[TeamRecord]
    policy: Policy
    accesses: Accesses
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
    """For budgets that have a name of their own."""

    call: Call
    budgets: Rows[BudgetRecord]
    policy: Policy
    clock: Clock
    entropy: Entropy


class SpendContext(msgspec.Struct, frozen=True, kw_only=True):
    """For the log of calls, and for reports of who spent the most."""

    call: Call
    spend: Spend
    log: Log
    reports: Reports
    keys: Rows[KeyRecord]
    users: Rows[UserRecord]
    teams: Rows[TeamRecord]


class ReportContext(msgspec.Struct, frozen=True, kw_only=True):
    """For reports of sums by day."""

    call: Call
    reports: Reports
    policy: Policy


class CounterContext(msgspec.Struct, frozen=True, kw_only=True):
    """For the counters of what was spent of budgets."""

    call: Call
    counters: Counters


class BodyContext(msgspec.Struct, frozen=True, kw_only=True):
    """For a call with its prompt and answer."""

    call: Call
    spend: Spend
    bodies: Bodies


class CorrectionContext(msgspec.Struct, frozen=True, kw_only=True):
    """For corrections of the ledger."""

    call: Call
    corrections: Corrections
    prices: Prices


class MetricsContext(msgspec.Struct, frozen=True, kw_only=True):
    """For what the gateway has counted."""

    metrics: Metrics


class AlertContext(msgspec.Struct, frozen=True, kw_only=True):
    """For alerts."""

    alerts: Alerts


class HealthContext(msgspec.Struct, frozen=True, kw_only=True):
    """For health probes, which need no key."""

    readiness: Probe
