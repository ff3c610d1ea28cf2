"""By what a lease whose answer was lost is known."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from schema.tables.column_specs import COUNT, add_columns

ID = "2026-11-24T17:20:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "leases: tickets"


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="switchgear", description=DESCRIPTION)
    add_columns(manager, "Lease", "Switchgear_Lease", {"ticket": COUNT, "granted": COUNT})
    add_columns(manager, "Worker", "Switchgear_Worker", {"fenced": COUNT})
    return manager
