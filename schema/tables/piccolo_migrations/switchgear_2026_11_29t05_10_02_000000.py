"""An index by which values that are over are found."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.table import Table

ID = "2026-11-29T05:10:02:000000"
VERSION = "1.38.0"
DESCRIPTION = "state: an index of when values are over"

INDEX = (
    'CREATE INDEX "Switchgear_State_expires_at_idx" ON "Switchgear_State" (expires_at)'
    " WHERE expires_at IS NOT NULL"
)


class RawTable(Table):
    """Piccolo's way to SQL of one's own."""


async def run() -> None:
    await RawTable.raw(INDEX)


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="switchgear", description=DESCRIPTION)
    manager.add_raw(run)
    return manager
