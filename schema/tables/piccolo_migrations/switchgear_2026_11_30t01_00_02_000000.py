"""Signing in: the indexes."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.table import Table

ID = "2026-11-30T01:00:02:000000"
VERSION = "1.38.0"
DESCRIPTION = "signing in: indexes"

INDEXES = (
    ("Switchgear_Session", "user_id"),
    ("Switchgear_Session", "expires_at"),
    ("Switchgear_SignIn", "expires_at"),
    ("Switchgear_SignIn", "address"),
    ("LiteLLM_InvitationLink", "user_id"),
    ("LiteLLM_InvitationLink", "secret_hash"),
    ("LiteLLM_UserTable", "external_id"),
    ("LiteLLM_TeamTable", "external_id"),
)


class RawTable(Table):
    """Piccolo's way to SQL of one's own."""


async def run() -> None:
    for table, column in INDEXES:
        await RawTable.raw(f'CREATE INDEX "{table}_{column}_idx" ON "{table}" ({column})')


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="switchgear", description=DESCRIPTION)
    manager.add_raw(run)
    return manager
