"""The daily sums count what the response cache answered."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from schema.tables.column_specs import COUNT, add_columns

ID = "2026-11-30T04:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "daily sums: hits of the response cache, and their output tokens"

SUMS = {"cache_hit_requests": COUNT, "cache_hit_output_tokens": COUNT}
TABLES = {
    "DailySpend": "Switchgear_DailySpend",
    "DailyEndUserSpend": "Switchgear_DailyEndUserSpend",
    "DailyTagSpend": "Switchgear_DailyTagSpend",
    "DailyEndUserTotal": "Switchgear_DailyEndUserTotal",
}


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="switchgear", description=DESCRIPTION)
    for class_name, tablename in TABLES.items():
        add_columns(manager, class_name, tablename, SUMS)
    return manager
