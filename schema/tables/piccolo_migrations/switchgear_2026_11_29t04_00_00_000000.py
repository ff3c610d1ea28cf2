"""The id of the answer that a client was sent."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from schema.tables.column_specs import OPTIONAL, add_columns

ID = "2026-11-29T04:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "spend log: the id of the answer"


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="switchgear", description=DESCRIPTION)
    add_columns(manager, "SpendLog", "LiteLLM_SpendLogs", {"response_id": OPTIONAL})
    return manager
