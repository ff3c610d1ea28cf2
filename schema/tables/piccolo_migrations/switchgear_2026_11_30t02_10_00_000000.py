"""Tags that have a budget."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from schema.tables.column_specs import DOLLARS, KEY, OPTIONAL, TIME, add_columns

ID = "2026-11-30T02:10:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "tags: budgets"

TAG = {
    "tag_name": KEY,
    "description": OPTIONAL,
    "spend": DOLLARS,
    "budget_id": OPTIONAL,
    "created_at": TIME,
    "created_by": OPTIONAL,
    "updated_at": TIME,
    "updated_by": OPTIONAL,
}


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="switchgear", description=DESCRIPTION)
    manager.add_table(class_name="Tag", tablename="LiteLLM_TagTable")
    add_columns(manager, "Tag", "LiteLLM_TagTable", TAG)
    return manager
