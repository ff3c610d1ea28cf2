"""The histograms of how long calls took."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from schema.tables.column_specs import BLANK, COUNTS, KEY, TEXT, TIME, add_columns

ID = "2026-11-30T05:20:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "histograms of durations by day and hour"

HISTOGRAMS = {
    "id": KEY,
    "date": TEXT,
    "hour": BLANK,
    "api_key": BLANK,
    "user_id": BLANK,
    "team_id": BLANK,
    "organization_id": BLANK,
    "model_group": BLANK,
    "model": BLANK,
    "custom_llm_provider": BLANK,
    "duration_counts": COUNTS,
    "ttft_counts": COUNTS,
    "created_at": TIME,
    "updated_at": TIME,
}


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="switchgear", description=DESCRIPTION)
    manager.add_table(class_name="CallTimes", tablename="Switchgear_Latency")
    add_columns(manager, "CallTimes", "Switchgear_Latency", HISTOGRAMS)
    return manager
