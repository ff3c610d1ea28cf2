"""The table of alerts."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from schema.tables.column_specs import BLANK, COUNT, KEY, MOMENT, OPTIONAL_MOMENT, TEXT, Spec, add_columns

ID = "2026-11-29T02:30:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "alerts"

COLUMNS: dict[str, Spec] = {
    "id": KEY,
    "kind": TEXT,
    "object": TEXT,
    "message": BLANK,
    "host": BLANK,
    "first_at": MOMENT,
    "last_at": MOMENT,
    "times": COUNT,
    "ended_at": OPTIONAL_MOMENT,
    "told_at": OPTIONAL_MOMENT,
    "tries": COUNT,
}


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="switchgear", description=DESCRIPTION)
    manager.add_table(class_name="Alert", tablename="Switchgear_Alert")
    add_columns(manager, "Alert", "Switchgear_Alert", COLUMNS)
    return manager
