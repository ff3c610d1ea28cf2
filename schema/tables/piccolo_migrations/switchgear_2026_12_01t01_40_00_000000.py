"""Each worker says which stored settings it can't use."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from schema.tables.column_specs import LIST, add_columns

ID = "2026-12-01T01:40:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "hosts: the settings that are refused"


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="switchgear", description=DESCRIPTION)
    add_columns(manager, "HostConfig", "Switchgear_HostConfig", {"settings_refused": LIST})
    return manager
