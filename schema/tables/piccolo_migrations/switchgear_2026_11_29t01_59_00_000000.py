"""The limit that an account was leased under last."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from schema.tables.column_specs import COUNT, add_columns

ID = "2026-11-29T01:59:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "leases: the limit of an account"


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="switchgear", description=DESCRIPTION)
    add_columns(manager, "Account", "Switchgear_Account", {"ceiling": COUNT})
    return manager
