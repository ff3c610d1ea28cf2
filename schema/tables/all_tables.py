"""Every table of the application. Piccolo's commands know them by `piccolo_app.py`."""

from piccolo.table import Table

from schema.tables.alerts import Alert
from schema.tables.audit import AuditLog
from schema.tables.bodies import Body
from schema.tables.budgets import AccessGroup, Budget, Customer, Tag
from schema.tables.deployments import DeploymentStanding, HealthCheck
from schema.tables.journals import JournalPlace
from schema.tables.keys import DeletedVerificationToken, DeprecatedVerificationToken, VerificationToken
from schema.tables.leases import Account, Lease, Worker
from schema.tables.models import HostConfig, StoredCredentialRow, StoredModelRow, StoredSetting
from schema.tables.organizations import Organization, OrganizationMembership
from schema.tables.projects import Project
from schema.tables.response_cache import CachedAnswer
from schema.tables.rollups import (
    CallTimes,
    DailyEndUserSpend,
    DailyEndUserTotal,
    DailySpend,
    DailyTagSpend,
    ModelTimes,
    OwnerTimes,
)
from schema.tables.saved_filters import SavedFilterRow
from schema.tables.sign_in import (
    InvitationLink,
    Password,
    Session,
    SignInSecret,
    SignInUnderWay,
    SsoConfig,
    ThrottleCount,
)
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
    Tag,
    Project,
    AuditLog,
    Account,
    Lease,
    Worker,
    JournalPlace,
    Alert,
    StateValue,
    CachedAnswer,
    StoredModelRow,
    StoredCredentialRow,
    StoredSetting,
    HostConfig,
    Session,
    SignInUnderWay,
    ThrottleCount,
    Password,
    InvitationLink,
    SsoConfig,
    SignInSecret,
    DeploymentStanding,
    HealthCheck,
    DailySpend,
    DailyEndUserSpend,
    DailyTagSpend,
    DailyEndUserTotal,
    CallTimes,
    OwnerTimes,
    ModelTimes,
    SavedFilterRow,
)
