"""The ledger's journals: how much of each is booked."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from schema.tables.column_specs import BLANK, COUNT, KEY, MOMENT, OPTIONAL_MOMENT, add_columns

ID = "2026-11-24T16:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "journals"


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="switchgear", description=DESCRIPTION)
    manager.add_table(class_name="JournalPlace", tablename="Switchgear_Journal")
    columns = {
        "journal": KEY,
        "host": BLANK,
        "segment": COUNT,
        "position": COUNT,
        "rows": COUNT,
        "created_at": MOMENT,
        "booked_at": MOMENT,
        "finished_at": OPTIONAL_MOMENT,
    }
    add_columns(manager, "JournalPlace", "Switchgear_Journal", columns)
    return manager
