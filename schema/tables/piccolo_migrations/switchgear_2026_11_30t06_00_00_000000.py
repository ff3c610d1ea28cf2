"""The saved filters of the admin UI's pages."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from schema.tables.column_specs import KEY, MOMENT, OBJECT, TEXT, add_columns

ID = "2026-11-30T06:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "saved filters by user, page and name"

FILTERS = {
    "filter_id": KEY,
    "user_id": TEXT,
    "page": TEXT,
    "name": TEXT,
    "filters": OBJECT,
    "created_at": MOMENT,
    "updated_at": MOMENT,
}


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="switchgear", description=DESCRIPTION)
    manager.add_table(class_name="SavedFilterRow", tablename="Switchgear_SavedFilter")
    add_columns(manager, "SavedFilterRow", "Switchgear_SavedFilter", FILTERS)
    return manager
