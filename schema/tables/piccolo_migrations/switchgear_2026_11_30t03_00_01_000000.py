"""The index by which health checks are listed and old ones are deleted."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.table import Table

ID = "2026-11-30T03:00:01:000000"
VERSION = "1.38.0"
DESCRIPTION = "health checks: an index"

INDEX = (
    'CREATE INDEX "LiteLLM_HealthCheckTable_checked_at_idx" ON "LiteLLM_HealthCheckTable"'
    " (checked_at DESC, health_check_id)"
)


class RawTable(Table):
    """Piccolo's way to SQL of one's own."""


async def run() -> None:
    await RawTable.raw(INDEX)


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="switchgear", description=DESCRIPTION)
    manager.add_raw(run)
    return manager
