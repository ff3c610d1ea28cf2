"""Every table of the application. Piccolo's commands know them by `piccolo_app.py`."""

from piccolo.table import Table

from schema.tables.alerts import Alert
from schema.tables.audit import AuditLog
from schema.tables.bodies import Body
from schema.tables.budgets import AccessGroup, Budget, Customer
from schema.tables.journals import JournalPlace
from schema.tables.keys import DeletedVerificationToken, DeprecatedVerificationToken, VerificationToken
from schema.tables.leases import Account, Lease, Worker
from schema.tables.organizations import Organization, OrganizationMembership
from schema.tables.rollups import DailyEndUserSpend, DailyEndUserTotal, DailySpend, DailyTagSpend
from schema.tables.spend_logs import SpendLog
from schema.tables.state import StateValue
from schema.tables.teams import DeletedTeam, Team, TeamMembership
from schema.tables.users import User

TABLES: tuple[type[Table], ...] = (
    User,
    VerificationToken,
    DeletedVerificationToken,
    DeprecatedVerificationToken,
    SpendLog,
    Body,
    Team,
    DeletedTeam,
    TeamMembership,
    Organization,
    OrganizationMembership,
    Budget,
    Customer,
    AccessGroup,
    AuditLog,
    Account,
    Lease,
    Worker,
    JournalPlace,
    Alert,
    StateValue,
    DailySpend,
    DailyEndUserSpend,
    DailyTagSpend,
    DailyEndUserTotal,
)
