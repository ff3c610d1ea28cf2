"""One open alert of a kind and an object."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.table import Table

ID = "2026-11-29T02:30:01:000000"
VERSION = "1.38.0"
DESCRIPTION = "alerts: indexes"

INDEXES: tuple[str, ...] = (
    """CREATE UNIQUE INDEX "Switchgear_Alert_open_key" ON "Switchgear_Alert" (kind, object)
       WHERE ended_at IS NULL""",
    """CREATE INDEX "Switchgear_Alert_first_at_idx" ON "Switchgear_Alert" (first_at, id)""",
)


class RawTable(Table):
    """Piccolo's way to SQL of one's own."""


async def run() -> None:
    for statement in INDEXES:
        await RawTable.raw(statement)


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="switchgear", description=DESCRIPTION)
    manager.add_raw(run)
    return manager
