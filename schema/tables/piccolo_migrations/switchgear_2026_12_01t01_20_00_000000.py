"""The short tables of histograms: without models, and without keys, users and teams."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from schema.tables.column_specs import BLANK, COUNTS, KEY, TEXT, TIME, add_columns

ID = "2026-12-01T01:20:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "histograms of durations by owner, and by model"

WHEN = {"id": KEY, "date": TEXT, "hour": BLANK}
OWNERS = {"api_key": BLANK, "user_id": BLANK, "team_id": BLANK, "organization_id": BLANK}
MODELS = {"model_group": BLANK, "custom_llm_provider": BLANK}
COUNTED = {"duration_counts": COUNTS, "ttft_counts": COUNTS, "created_at": TIME, "updated_at": TIME}


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="switchgear", description=DESCRIPTION)
    manager.add_table(class_name="OwnerTimes", tablename="Switchgear_OwnerLatency")
    add_columns(manager, "OwnerTimes", "Switchgear_OwnerLatency", {**WHEN, **OWNERS, **COUNTED})
    manager.add_table(class_name="ModelTimes", tablename="Switchgear_ModelLatency")
    add_columns(manager, "ModelTimes", "Switchgear_ModelLatency", {**WHEN, **MODELS, **COUNTED})
    return manager
