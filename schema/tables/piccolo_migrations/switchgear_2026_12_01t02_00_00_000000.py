"""Each worker tells which stored settings it can't use, and which of the file wait for a restart."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from schema.tables.column_specs import TEXTS, add_columns

ID = "2026-12-01T02:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "hosts: settings that are refused, and settings that wait for a restart"


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="switchgear", description=DESCRIPTION)
    columns = {"settings_refused": TEXTS, "needs_restart": TEXTS}
    add_columns(manager, "HostConfig", "Switchgear_HostConfig", columns)
    return manager
