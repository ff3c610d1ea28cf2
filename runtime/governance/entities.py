"""The governed tables, one Entity for each."""

from runtime.governance.row_store import Entity
from schema.access_groups import AccessGroupRecord
from schema.budgets import BudgetRecord
from schema.customers import CustomerRecord
from schema.errors.rows import AlreadyExists
from schema.keys import KeyRecord
from schema.organizations import OrganizationRecord
from schema.projects import ProjectRecord
from schema.tables.budgets import AccessGroup, Budget, Customer, Tag
from schema.tables.keys import DeletedVerificationToken, VerificationToken
from schema.tables.organizations import Organization
from schema.tables.projects import Project
from schema.tables.teams import DeletedTeam, Team
from schema.tables.users import User
from schema.tags import TagRecord
from schema.teams import TeamRecord
from schema.users import UserRecord

KEY = Entity(
    table=VerificationToken,
    record=KeyRecord,
    id="token",
    topic="key",
    noun="key",
    deleted=DeletedVerificationToken,
    taken=AlreadyExists,
)
DELETED_KEY = Entity(
    table=DeletedVerificationToken, record=KeyRecord, id="token", topic="key", noun="key", taken=AlreadyExists
)
"""The keys that were deleted, as rows to be read alone."""
USER = Entity(table=User, record=UserRecord, id="user_id", topic="user", noun="user")
TEAM = Entity(
    table=Team,
    record=TeamRecord,
    id="team_id",
    topic="team",
    noun="team",
    deleted=DeletedTeam,
    taken=AlreadyExists,
)
ORGANIZATION = Entity(
    table=Organization,
    record=OrganizationRecord,
    id="organization_id",
    topic="organization",
    noun="organization",
)
BUDGET = Entity(
    table=Budget, record=BudgetRecord, id="budget_id", topic="budget", noun="budget", taken=AlreadyExists
)
TAG = Entity(table=Tag, record=TagRecord, id="tag_name", topic="tag", noun="tag", taken=AlreadyExists)
PROJECT = Entity(
    table=Project,
    record=ProjectRecord,
    id="project_id",
    topic="project",
    noun="project",
    taken=AlreadyExists,
)
CUSTOMER = Entity(table=Customer, record=CustomerRecord, id="user_id", topic="customer", noun="customer")
ACCESS_GROUP = Entity(
    table=AccessGroup,
    record=AccessGroupRecord,
    id="access_group_id",
    topic="access_group",
    noun="access group",
)
