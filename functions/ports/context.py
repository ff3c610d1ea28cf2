"""What a function is given: a context, one type a family.

A context is a frozen Struct of the call and at most eight ports, put together in `runtime/services.py` (or by
hand in a test). Ports of a family stand beside it: `models.py`, `governance.py`, `spend.py`, `telemetry.py`.
"""

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
    teams: Teams
    organizations: Rows[OrganizationRecord]
    policy: Policy
    accesses: Accesses
    entropy: Entropy


class UserContext(msgspec.Struct, frozen=True, kw_only=True):
    """For users."""

    call: Call
    users: Users
    keys: Keys
    teams: Rows[TeamRecord]
    policy: Policy
    accesses: Accesses
    entropy: Entropy


class TeamContext(msgspec.Struct, frozen=True, kw_only=True):
    """For teams."""

    call: Call
    teams: Teams
    keys: Keys
    users: Users
    organizations: Rows[OrganizationRecord]
    policy: Policy
    entropy: Entropy


class OrganizationContext(msgspec.Struct, frozen=True, kw_only=True):
    """For organizations."""

    call: Call
    organizations: Organizations
    policy: Policy
    entropy: Entropy


class CustomerContext(msgspec.Struct, frozen=True, kw_only=True):
    """For customers."""

    call: Call
    customers: Customers
    policy: Policy
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


class MetricsContext(msgspec.Struct, frozen=True, kw_only=True):
    """For what the gateway has counted."""

    metrics: Metrics


class AlertContext(msgspec.Struct, frozen=True, kw_only=True):
    """For alerts."""

    alerts: Alerts


class HealthContext(msgspec.Struct, frozen=True, kw_only=True):
    """For probes, which nobody signs in for."""

    readiness: Probe
