"""The answers of the response cache."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from schema.tables.column_specs import BYTES, KEY, MOMENT, REQUIRED_COUNT, TEXT, add_columns

ID = "2026-11-30T04:10:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "response cache: sealed answers"

ANSWERS = {
    "cache_key": KEY,
    "salt_id": TEXT,
    "sealed": BYTES,
    "size": REQUIRED_COUNT,
    "created_at": MOMENT,
    "expires_at": MOMENT,
}


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="switchgear", description=DESCRIPTION)
    manager.add_table(class_name="CachedAnswer", tablename="Switchgear_Cache")
    add_columns(manager, "CachedAnswer", "Switchgear_Cache", ANSWERS)
    return manager
