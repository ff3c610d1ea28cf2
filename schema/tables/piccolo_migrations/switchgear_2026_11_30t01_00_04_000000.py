"""How a user is found by the name that the directory knows it by."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.table import Table

ID = "2026-11-30T01:00:04:000000"
VERSION = "1.38.0"
DESCRIPTION = "scim: users by the directory's names"


NAMES = """
CREATE INDEX "LiteLLM_UserTable_directory_name_idx" ON "LiteLLM_UserTable" (lower(directory->>'userName'))
"""


class RawTable(Table):
    """Piccolo's way to SQL of one's own."""


async def run() -> None:
    await RawTable.raw(NAMES)


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="switchgear", description=DESCRIPTION)
    manager.add_raw(run)
    return manager
