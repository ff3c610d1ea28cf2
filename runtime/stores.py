"""Makes the stores of governed rows, and the readers of the ledger and of the audit log."""

from collections.abc import Callable

from runtime.governance import entities
from runtime.governance.audit_reader import AuditReader
from runtime.governance.customer_store import CustomerStore
from runtime.governance.key_store import KeyStore
from runtime.governance.newcomers import Newcomers
from runtime.governance.organization_store import OrganizationStore
from runtime.governance.project_store import ProjectStore
from runtime.governance.row_store import Announce, RowStore
from runtime.governance.saved_filter_store import OwnFilters
from runtime.governance.spend_reset import SpendCounters
from runtime.governance.tag_store import TagStore
from runtime.governance.team_store import TeamStore
from runtime.governance.user_store import UserStore
from runtime.postgres.database import Database
from runtime.reports.balances import BalanceReader
from runtime.reports.latency import LatencyReader
from runtime.reports.log import LogReader
from runtime.reports.spend import SpendReader
from runtime.reports.sums import ReportReader
from schema.users import UserRecord


class Stores:
    """The stores and readers. `announce` is called with the topic of every change, such as `team:platform`.
    `reports` is the database for reads of the ledger, of sums and of the audit log. `fresh` gives the record
    of a user that is made because a key or a membership names it."""

    def __init__(
        self,
        database: Database,
        announce: Announce,
        *,
        reports: Database,
        fresh: Callable[[str], UserRecord],
    ) -> None:
        self.keys = KeyStore(database, announce, Newcomers(fresh))
        self.teams = TeamStore(database, announce, self.keys)
        self.users = UserStore(database, announce, self.keys, self.teams)
        self.organizations = OrganizationStore(database, announce, self.keys, self.teams)
        self.budgets = RowStore(database, entities.BUDGET, announce)
        self.customers = CustomerStore(database, announce)
        self.tags = TagStore(database, announce)
        self.projects = ProjectStore(database, announce)
        self.access_groups = RowStore(database, entities.ACCESS_GROUP, announce)
        self.saved_filters = OwnFilters(database)
        self.audit = AuditReader(reports)
        self.counters = SpendCounters(self.keys)
        self.spend = SpendReader(reports)
        self.reports = ReportReader(reports)
        self.latency = LatencyReader(reports)
        self.balances = BalanceReader(reports, self.reports)
        self.log = LogReader(reports, self.reports)
